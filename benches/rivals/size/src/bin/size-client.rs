//! A client of MQTT 5.0 over standard input and output: subscribes, publishes, acknowledges.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec;

use bytes::{Buf, BytesMut};
use mqtt_proto::{
    Client, ClientEvent, CommandError, Config, Connect, Connection, Disconnect, Instant, Message, QoS, ReasonCode,
    Session, Subscribe, Subscription, Text, TopicFilter, TopicName, Version,
};

/// 0 if all went well.
#[unsafe(no_mangle)]
pub extern "C" fn main() -> i32 {
    let connect = Connect::new(Version::V5, Text::from_static("sensor-7"));
    let Ok(mut connection) = Connection::connect(Instant::ZERO, connect, Config::default(), Session::new()) else {
        return 1;
    };
    let mut input = BytesMut::new();
    let mut buffer = vec![0; 512];
    let mut now = 0;
    while !connection.is_closed() {
        while connection.outbox().has_remaining() {
            let sent = size::send(connection.outbox().chunk());
            if sent == 0 {
                return 2;
            }
            connection.outbox().advance(sent);
        }
        let len = size::receive(&mut buffer);
        now += 1_000;
        let now = Instant::from_millis(now);
        if len == 0 {
            connection.handle_eof(now);
        }
        input.extend_from_slice(&buffer[..len]);
        while connection.handle_input(now, &mut input) > 0 {}
        if connection.poll_timeout().is_some_and(|at| at <= now) {
            connection.handle_timeout(now);
        }
        while let Some(event) = connection.poll_event() {
            if answer(&mut connection, now, event).is_err() {
                return 3;
            }
        }
    }
    0
}

fn answer(connection: &mut Connection<Client>, now: Instant, event: ClientEvent) -> Result<(), CommandError> {
    match event {
        ClientEvent::Connected(_) => {
            let commands = Subscription::new(TopicFilter::from_static("devices/7/#"), QoS::ExactlyOnce);
            connection.subscribe(now, Subscribe::new(vec![commands]))?;
        }
        ClientEvent::Subscribed { .. } => {
            let message = Message::new(TopicName::from_static("sensors/7"), "21.5").with_qos(QoS::AtLeastOnce);
            connection.publish(now, message).map_err(|rejected| rejected.kind().clone())?;
        }
        ClientEvent::Message(delivery) => {
            if let Some(ack) = delivery.ack {
                connection.ack(now, ack).map_err(|rejected| rejected.kind().clone())?;
            }
            if delivery.message.payload == b"stop"[..] {
                connection.disconnect(now, Disconnect::new(ReasonCode::SUCCESS))?;
            }
        }
        ClientEvent::Acknowledged(_)
        | ClientEvent::Unacknowledged { .. }
        | ClientEvent::Unsubscribed { .. }
        | ClientEvent::Auth(_)
        | ClientEvent::Closed(_) => {}
    }
    Ok(())
}
