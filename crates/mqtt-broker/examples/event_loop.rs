//! The state machine in an event loop of one's own: one thread, one socket, no adapter, no runtime.
//!
//! `cargo run -p mqtt-broker --example event_loop`: the loop needs `mqtt-proto` alone, the example brings its broker.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_proto::{ClientEvent, Config, Connect, Connection, Disconnect, Instant, Message, QoS, ReasonCode, Session};
use mqtt_proto::{Subscribe, Subscription, Text, TopicFilter, TopicName, Version};

/// Subscribes to `loop/#`, publishes one message there, and leaves when `on_message` returns false.
pub(crate) fn run(mut socket: TcpStream, mut on_message: impl FnMut(&Message) -> bool) -> io::Result<()> {
    let clock = std::time::Instant::now();
    let now = || Instant::from_millis(clock.elapsed().as_millis() as u64);
    let connect = Connect::new(Version::V5, Text::from_static("event-loop"));
    let mut connection =
        Connection::connect(now(), connect, Config::default(), Session::new()).map_err(io::Error::other)?;
    let (mut input, mut chunk) = (BytesMut::new(), [0; 4096]);
    loop {
        // 1. The world speaks: bytes and time.
        let taken = connection.handle_input(now(), &mut input);
        connection.handle_timeout(now());
        // 2. The machine speaks.
        while let Some(event) = connection.poll_event() {
            match event {
                ClientEvent::Connected(_) => {
                    let filter = Subscription::new(TopicFilter::from_static("loop/#"), QoS::AtLeastOnce);
                    connection.subscribe(now(), Subscribe::new(vec![filter])).map_err(io::Error::other)?;
                }
                ClientEvent::Subscribed { .. } => {
                    let message = Message::new(TopicName::from_static("loop/1"), "hello").with_qos(QoS::AtLeastOnce);
                    connection.publish(now(), message).map_err(io::Error::other)?;
                }
                ClientEvent::Message(delivery) => {
                    let goes_on = on_message(&delivery.message);
                    if let Some(ack) = delivery.ack {
                        connection.ack(now(), ack).map_err(io::Error::other)?;
                    }
                    if !goes_on {
                        connection.disconnect(now(), Disconnect::new(ReasonCode::SUCCESS)).map_err(io::Error::other)?;
                    }
                }
                ClientEvent::Closed(reason) => eprintln!("closed: {reason}"),
                _ => {}
            }
        }
        // 3. Write what waits, then wait for bytes or for the next timer.
        while connection.outbox().has_remaining() {
            let written = socket.write(connection.outbox().chunk())?;
            connection.outbox().advance(written);
        }
        if connection.is_closed() {
            return Ok(());
        }
        if taken > 0 {
            continue; // There may be more in the input than the machine took at once.
        }
        let timeout = connection.poll_timeout().map(|at| at.since(now()).max(Duration::from_millis(1)));
        socket.set_read_timeout(timeout)?;
        match socket.read(&mut chunk) {
            Ok(0) => connection.handle_eof(now()),
            Ok(read) => input.extend_from_slice(&chunk[..read]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(error) => return Err(error),
        }
    }
}

fn main() -> io::Result<()> {
    let broker = mqtt_broker::Server::start().map_err(io::Error::other)?; // unless you name another: localhost:1883
    let address = std::env::args().nth(1).unwrap_or_else(|| broker.address().to_string());
    run(TcpStream::connect(address)?, |message| {
        println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
        false
    })
}
