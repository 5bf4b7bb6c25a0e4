//! The example of `docs/embedding.md` runs against this broker, on loopback.

use std::net::TcpStream;
use std::sync::mpsc;

use mqtt_broker::{Notice, Server};
use mqtt_proto::Message;

#[path = "../examples/event_loop.rs"]
#[expect(dead_code, reason = "the example's `main` is not called here")]
mod event_loop;

#[test]
fn the_example_subscribes_publishes_receives_and_disconnects() {
    let (notices, told) = mpsc::channel();
    let server = Server::builder().on_notice(move |notice| notices.send(notice).unwrap()).start().unwrap();
    let client = TcpStream::connect(server.address()).unwrap();
    let mut received: Vec<Message> = Vec::new();
    event_loop::run(client, |message| {
        received.push(message.clone());
        false
    })
    .unwrap();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].topic.as_str(), "loop/1");
    assert_eq!(&received[0].payload[..], b"hello");
    let why = told.iter().find_map(|notice| match notice {
        Notice::Disconnected { why, .. } => Some(why),
        _ => None,
    });
    assert_eq!(why.unwrap(), "the peer disconnected: 0x00 success");
}

#[test]
fn the_page_shows_the_example_as_it_is() {
    let page = include_str!("../../../docs/embedding.md");
    let example = include_str!("../examples/event_loop.rs");
    let code = &example[example.find("use std::io").unwrap()..];
    assert!(page.contains(code), "docs/embedding.md: copy the code of crates/mqtt-broker/examples/event_loop.rs anew");
}
