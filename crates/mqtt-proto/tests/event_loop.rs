//! The example of `docs/embedding.md` runs against a server that is an event loop of the same shape, on loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_proto::{Config, ConnAck, Connection, Instant, Message, ReasonCode, Server, ServerEvent};

#[path = "../examples/event_loop.rs"]
#[expect(dead_code, reason = "the example's `main` is not called here")]
mod event_loop;

/// Sends every message back to its one client, until the connection ends; returns why it ended.
fn echo(mut socket: TcpStream) -> std::io::Result<String> {
    let clock = std::time::Instant::now();
    let now = || Instant::from_millis(clock.elapsed().as_millis() as u64);
    let mut connection = Connection::<Server>::listen(now(), Config::default());
    let (mut input, mut chunk) = (BytesMut::new(), [0; 4096]);
    let mut end = String::new();
    socket.set_read_timeout(Some(Duration::from_secs(10)))?;
    while !connection.is_closed() {
        let taken = connection.handle_input(now(), &mut input);
        while let Some(event) = connection.poll_event() {
            match event {
                ServerEvent::Connect(_) => {
                    connection.accept(now(), ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
                }
                ServerEvent::Subscribe(request) => {
                    connection.suback(now(), request, &[ReasonCode::GRANTED_QOS_1]).unwrap();
                }
                ServerEvent::Message(delivery) => {
                    connection.ack(now(), delivery.ack.unwrap()).unwrap();
                    connection.publish(now(), delivery.message).unwrap();
                }
                ServerEvent::Closed(reason) => end = reason.to_string(),
                ServerEvent::Acknowledged(_) | ServerEvent::Unsubscribe(_) | ServerEvent::Auth(_) => {}
            }
        }
        while connection.outbox().has_remaining() {
            let written = socket.write(connection.outbox().chunk())?;
            connection.outbox().advance(written);
        }
        if taken == 0 && !connection.is_closed() {
            match socket.read(&mut chunk)? {
                0 => connection.handle_eof(now()),
                read => input.extend_from_slice(&chunk[..read]),
            }
        }
    }
    Ok(end)
}

#[test]
fn the_example_subscribes_publishes_receives_and_disconnects() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let server = std::thread::spawn(move || echo(listener.accept().unwrap().0));
    let mut received: Vec<Message> = Vec::new();
    event_loop::run(client, |message| {
        received.push(message.clone());
        false
    })
    .unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].topic.as_str(), "loop/1");
    assert_eq!(&received[0].payload[..], b"hello");
    assert_eq!(server.join().unwrap().unwrap(), "the peer disconnected: 0x00 success");
}

#[test]
fn the_page_shows_the_example_as_it_is() {
    let page = include_str!("../../../docs/embedding.md");
    let example = include_str!("../examples/event_loop.rs");
    let code = &example[example.find("use std::io").unwrap()..];
    assert!(page.contains(code), "docs/embedding.md: copy the code of crates/mqtt-proto/examples/event_loop.rs anew");
}
