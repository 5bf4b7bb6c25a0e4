//! The adapter over a real socket, against the server end of our own state machine.

use std::io;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_proto::{Config, ConnAck, Connection, Instant, Server, ServerEvent};
use mqtt_tokio::{Options, QoS, ReasonCode, Text};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex};
use tokio::net::TcpListener;

/// Grants every subscription, acknowledges every message and sends it back.
async fn echo(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let now = Instant::ZERO;
    let mut server = Connection::<Server>::listen(now, Config::default());
    let mut input = BytesMut::new();
    while !server.is_closed() {
        server.handle_input(now, &mut input);
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Connect(connect) if connect.username.is_some() => {
                    server.refuse(now, ConnAck::new(false, ReasonCode::BAD_USER_NAME_OR_PASSWORD)).unwrap();
                }
                ServerEvent::Connect(connect) => {
                    let connack = ConnAck::new(false, ReasonCode::SUCCESS);
                    let is_nameless = connect.client_id.is_empty();
                    let name = Text::from_static("guest");
                    let connack = if is_nameless { connack.with_assigned_client_identifier(name) } else { connack };
                    server.accept(now, connack, None).unwrap();
                }
                ServerEvent::Subscribe(request) => {
                    let granted = vec![ReasonCode::GRANTED_QOS_2; request.subscribe.subscriptions.len()];
                    server.suback(now, request, &granted).unwrap();
                }
                ServerEvent::Unsubscribe(request) => {
                    let gone = vec![ReasonCode::SUCCESS; request.unsubscribe.filters.len()];
                    server.unsuback(now, request, &gone).unwrap();
                }
                ServerEvent::Message(delivery) => {
                    if let Some(ack) = delivery.ack {
                        server.ack(now, ack).unwrap();
                    }
                    server.publish(now, delivery.message).unwrap();
                }
                ServerEvent::Acknowledged(_) | ServerEvent::Auth(_) | ServerEvent::Closed(_) => {}
            }
        }
        while server.outbox().has_remaining() {
            let written = stream.write(server.outbox().chunk()).await?;
            server.outbox().advance(written);
        }
        if !server.is_closed() && stream.read_buf(&mut input).await? == 0 {
            server.handle_eof(now);
        }
    }
    Ok(())
}

/// A server on a free port of this machine: its URL.
async fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("mqtt://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    url
}

#[tokio::test]
async fn messages_of_every_quality_come_back() {
    let client = mqtt_tokio::connect(serve().await).await.unwrap();
    let mut stream = client.subscribe("t/#", QoS::ExactlyOnce).await.unwrap();
    assert_eq!(stream.granted(), [ReasonCode::GRANTED_QOS_2]);
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let payload = vec![qos as u8; 100_000];
        client.publish("t/x", payload.clone(), qos).await.unwrap();
        let message = stream.next().await.unwrap();
        assert_eq!((message.qos, &message.payload[..]), (qos, &payload[..]));
    }
    client.unsubscribe("t/#").await.unwrap();
    assert!(stream.next().await.is_none());
    client.disconnect().await.unwrap();
}

#[tokio::test]
async fn a_refusal_is_an_error_in_words() {
    let url = serve().await.replace("mqtt://", "mqtt://user:wrong@");
    let error = mqtt_tokio::connect(url).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused the connection: 0x86 bad user name or password");
}

#[tokio::test]
async fn an_unreachable_server_is_an_error_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let error = mqtt_tokio::connect(format!("mqtt://{address}")).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot reach {address}: ")), "{error}");
}

#[tokio::test]
async fn any_stream_will_do_as_a_transport() {
    let dial = |_| async {
        let (ours, theirs) = duplex(64);
        tokio::spawn(echo(theirs));
        Ok(ours)
    };
    let client = mqtt_tokio::connect_with(Options::new("nowhere", 1), dial).await.unwrap();
    let mut stream = client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    client.publish("a", vec![7; 1 << 20], QoS::AtLeastOnce).await.unwrap();
    assert_eq!(stream.next().await.unwrap().payload.len(), 1 << 20);
    client.disconnect().await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_sends_what_is_queued_and_disconnects() {
    let (ours, theirs) = duplex(1 << 16);
    let server = tokio::spawn(echo(theirs));
    let mut pipe = Some(ours);
    let dial = move |_| {
        let pipe = pipe.take();
        async { pipe.ok_or(io::ErrorKind::NotFound.into()) }
    };
    let client = mqtt_tokio::connect_with(Options::new("nowhere", 1), dial).await.unwrap();
    drop(client.publish("a", "b", QoS::ExactlyOnce));
    drop(client);
    // The server task ends when DISCONNECT has come.
    tokio::time::timeout(Duration::from_secs(10), server).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_client_connects_again_and_subscribes_again() {
    let (cut, mut cuts) = tokio::sync::mpsc::unbounded_channel();
    let dial = move |_| {
        let (ours, theirs) = duplex(1 << 16);
        let server = tokio::spawn(echo(theirs));
        cut.send(server).unwrap();
        async { Ok::<_, io::Error>(ours) }
    };
    let client = mqtt_tokio::connect_with(Options::new("nowhere", 1), dial).await.unwrap();
    let mut stream = client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    cuts.recv().await.unwrap().abort();
    client.publish("after/the/cut", "", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(stream.next().await.unwrap().topic, "after/the/cut");
}
