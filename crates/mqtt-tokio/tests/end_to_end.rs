//! The adapter against our own broker, over real sockets and over transports of the test's own.

use std::io;

use mqtt_broker::{ClientInfo, Notice, Policy, Server};
use mqtt_proto::Connect;
use mqtt_tokio::{Options, QoS, ReasonCode};
use tokio::io::{DuplexStream, copy_bidirectional, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A transport of the test's own that leads to a server: bytes go through a pipe of `size` bytes and a task, which is the
/// wire.
fn wire(server: &Server, size: usize) -> (DuplexStream, JoinHandle<()>) {
    let address = server.address();
    let (ours, mut theirs) = duplex(size);
    let task = tokio::spawn(async move {
        let mut stream = TcpStream::connect(address).await.unwrap();
        // Either end may break it.
        drop(copy_bidirectional(&mut theirs, &mut stream).await);
    });
    (ours, task)
}

/// Nobody is let in.
struct Closed;

impl Policy for Closed {
    fn connect(&mut self, _: &ClientInfo, _: &Connect) -> Result<(), ReasonCode> {
        Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD)
    }
}

#[tokio::test]
async fn messages_of_every_quality_come_back() {
    let server = Server::start().unwrap();
    let client = mqtt_tokio::connect(server.url()).await.unwrap();
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
    let server = Server::builder().policy(Closed).start().unwrap();
    let url = server.url().replace("mqtt://", "mqtt://user:wrong@");
    let error = mqtt_tokio::connect(url).await.unwrap_err();
    assert_eq!(error.to_string(), "the server refused the connection: 0x86 bad user name or password");
}

// Nobody may listen there.
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
    let server = Server::start().unwrap();
    let dial = move |_| std::future::ready(Ok(wire(&server, 1000).0));
    let client = mqtt_tokio::connect_with(Options::new("nowhere", 1), dial).await.unwrap();
    let mut stream = client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    client.publish("a", vec![7; 1 << 20], QoS::AtLeastOnce).await.unwrap();
    assert_eq!(stream.next().await.unwrap().payload.len(), 1 << 20);
    client.disconnect().await.unwrap();
}

#[tokio::test]
async fn dropping_the_last_handle_sends_what_is_queued_and_disconnects() {
    let (notices, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::builder().on_notice(move |notice| notices.send(notice).unwrap()).start().unwrap();
    let mut arrivals = server.subscribe("a", QoS::ExactlyOnce).unwrap();
    let (ours, _task) = wire(&server, 1 << 16);
    let mut pipe = Some(ours);
    let dial = move |_| {
        let pipe = pipe.take();
        async { pipe.ok_or(io::ErrorKind::NotFound.into()) }
    };
    let client = mqtt_tokio::connect_with(Options::new("nowhere", 1), dial).await.unwrap();
    drop(client.publish("a", "b", QoS::ExactlyOnce));
    drop(client);
    assert_eq!(arrivals.next().await.unwrap().payload, "b");
    let why = loop {
        if let Notice::Disconnected { why, .. } = told.recv().await.unwrap() {
            break why;
        }
    };
    assert!(why.starts_with("the peer disconnected"), "{why}");
}

#[tokio::test]
async fn the_client_connects_again_and_subscribes_again() {
    let (cut, mut cuts) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::start().unwrap();
    let dial = move |_| {
        let (ours, task) = wire(&server, 1 << 16);
        cut.send(task).unwrap();
        async { Ok::<_, io::Error>(ours) }
    };
    let client = mqtt_tokio::connect_with(Options::new("nowhere", 1), dial).await.unwrap();
    let mut stream = client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
    cuts.recv().await.unwrap().abort();
    client.publish("after/the/cut", "", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(stream.next().await.unwrap().topic, "after/the/cut");
}
