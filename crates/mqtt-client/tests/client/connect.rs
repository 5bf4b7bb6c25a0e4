//! What the options make of a connection: CONNECT, its limits and its times.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use bytes::Bytes;
use mqtt_client::{Error, Options, Store, StoreError, StoredChange, Version};
use mqtt_proto::{Message, QoS, ReasonCode, ServerEvent, Timer, TopicName, Will};

use crate::world::{World, message, options};

fn will() -> Will {
    Will::new(Message::new(TopicName::from_static("gone"), "for ever"))
}

#[test]
fn every_option_of_connect_is_in_connect() {
    let options = options()
        .username("alice")
        .password(&b"secret"[..])
        .keep_alive(7)
        .session_expiry(9)
        .will(will())
        .receive_maximum(NonZeroU16::new(3).unwrap())
        .maximum_packet_size(NonZeroU32::new(1_000).unwrap())
        .topic_alias_maximum(5)
        .request_response_information(true)
        .request_problem_information(false)
        .user_property("k", "v")
        .authentication("method", Some(Bytes::from_static(b"data")));
    let connect = World::new(options).dial();
    assert_eq!((connect.username.as_deref(), connect.password.as_deref()), (Some("alice"), Some(&b"secret"[..])));
    assert_eq!((connect.client_id.as_str(), connect.keep_alive, connect.will.clone()), ("c", 7, Some(will())));
    let properties = connect.properties();
    assert_eq!(properties.session_expiry_interval(), Some(9));
    assert_eq!(properties.receive_maximum(), NonZeroU16::new(3));
    assert_eq!(properties.maximum_packet_size(), NonZeroU32::new(1_000));
    assert_eq!(properties.topic_alias_maximum(), Some(5));
    assert_eq!(properties.request_response_information(), Some(true));
    assert_eq!(properties.request_problem_information(), Some(false));
    assert_eq!(properties.user_properties().collect::<Vec<_>>(), [("k", "v")]);
    assert_eq!(properties.authentication_method(), Some("method"));
    assert_eq!(properties.authentication_data(), Some(&b"data"[..]));
}

#[test]
fn a_session_expiry_of_nothing_is_not_sent() {
    let connect = World::new(options().session_expiry(0)).dial();
    assert_eq!(connect.properties().session_expiry_interval(), None);
}

#[test]
fn options_are_shown_without_the_password() {
    let shown = format!("{:?}", options().username("alice").password(&b"secret"[..]));
    assert!(shown.contains("broker.example") && shown.contains("alice") && !shown.contains("secret"), "{shown}");
}

#[test]
fn a_client_is_shown_with_its_user_and_without_the_password() {
    let client = mqtt_client::Client::new(options().username("alice").password(&b"secret"[..])).unwrap();
    let shown = format!("{client:?}");
    assert!(shown.contains("alice") && !shown.contains("secret") && !shown.contains("115, 101, 99"), "{shown}");
}

/// How many of so many messages go out before the first acknowledgement.
fn window(options: Options, messages: usize) -> usize {
    let mut world = World::connected(options);
    for _ in 0..messages {
        world.publish("t", QoS::AtLeastOnce).unwrap();
    }
    world.settle();
    world.seen.iter().filter(|event| matches!(event, ServerEvent::Message(_))).count()
}

#[test]
fn no_more_messages_are_under_way_than_send_maximum_says() {
    assert_eq!(window(options().send_maximum(NonZeroU16::new(2).unwrap()), 3), 2);
    assert_eq!(window(options(), 30), 30, "5.0: what the server allows");
    // A server of 3.x cannot say.
    assert_eq!(window(options().version(Version::V311), 30), 20);
    assert_eq!(window(options().version(Version::V31).send_maximum(NonZeroU16::new(25).unwrap()), 30), 25);
}

#[test]
fn a_server_that_does_not_answer_connect_is_given_up_after_the_connect_timeout() {
    let mut world = World::new(options().retry_first_connect(true).connect_timeout(Duration::from_secs(3)));
    world.dial();
    world.advance(Duration::from_millis(2_999));
    assert!(!world.client.wants_close());
    world.advance(Duration::from_millis(1));
    assert!(world.client.wants_close());
    let disconnected = world.events.iter().find_map(|event| match event {
        mqtt_client::Event::Disconnected { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    assert_eq!(disconnected, Some(Error::TimedOut(Timer::Handshake)));
}

#[test]
fn a_wait_is_not_cut_short() {
    let mut world = World::connected(options());
    world.cut();
    let until = world.client.poll_timeout().unwrap();
    world.client.handle_timeout(mqtt_proto::Instant::from_millis(until.as_millis() - 1));
    assert!(!world.client.wants_open());
    world.client.handle_timeout(until);
    assert!(world.client.wants_open());
}

#[test]
fn mqtt_3_1_1_lets_the_server_choose_a_client_id_only_for_a_clean_session() {
    let unnamed = |clean| Options::new("broker.example", 1883).version(Version::V311).clean_start(clean);
    assert_eq!(World::new(unnamed(true)).dial().client_id, "");
    let error = mqtt_client::Client::new(unnamed(false)).unwrap_err().to_string();
    assert!(error.contains("set client_id"), "{error}");
}

#[test]
fn options_are_equal_only_with_the_same_store() {
    #[derive(Debug)]
    struct Nothing;
    impl Store for Nothing {
        fn load(&mut self) -> Result<Vec<StoredChange>, StoreError> {
            Ok(Vec::new())
        }
        fn commit(&mut self, _: &[StoredChange]) -> Result<(), StoreError> {
            Ok(())
        }
    }
    let stored = options().store(Nothing);
    assert_eq!(stored, stored.clone());
    assert_ne!(stored, options());
    assert_ne!(stored, options().store(Nothing));
}

#[test]
fn a_dial_is_not_given_up_before_its_time() {
    let mut world = World::new(options().connect_timeout(Duration::from_secs(3)));
    world.client.poll_open(world.now).unwrap();
    world.client.handle_timeout(world.now + Duration::from_millis(2_999));
    assert!(!world.client.wants_close());
}

#[test]
fn a_server_that_does_not_answer_a_ping_is_given_up_after_the_ping_timeout() {
    let mut world = World::connected(options().keep_alive(5).ping_timeout(Duration::from_secs(2)));
    // The server is not let in on it: nothing is carried.
    let mut ping = |after: u64| {
        world.client.handle_timeout(world.now + Duration::from_millis(after));
        world.client.outbox(world.now, |outbox| bytes::Buf::copy_to_bytes(outbox, bytes::Buf::remaining(outbox)));
        world.client.wants_close()
    };
    assert_eq!([ping(5_000), ping(6_999), ping(7_000)], [false, false, true]);
}

#[test]
fn last_words_that_the_server_does_not_take_are_dropped_in_the_end() {
    let mut world = World::connected(options().reconnect(false));
    // A packet that no server may send: the client has something to say about it.
    world.client.handle_input(world.now, &mut bytes::BytesMut::from(&[0xC0, 0x00][..]));
    world.poll();
    assert!(world.client.wants_close() && world.client.wants_output());
    let deadline = world.now + Duration::from_secs(5);
    assert_eq!(world.client.poll_timeout(), Some(deadline));
    world.client.handle_timeout(world.now + Duration::from_millis(4_999));
    assert!(world.client.wants_output());
    world.client.handle_timeout(deadline);
    assert!(world.client.wants_close() && !world.client.wants_output());
}

#[test]
fn a_server_that_takes_smaller_packets_than_a_message_is_no_reason_to_lose_the_next() {
    let mut world = World::new(options());
    world.publish("small", QoS::AtLeastOnce).unwrap();
    world.client.publish(world.now, message(&"l".repeat(200), QoS::AtLeastOnce)).unwrap();
    world.config.maximum_packet_size = 100;
    world.connect(None);
    assert_eq!(world.arrived(), ["small"]);
    assert_eq!(world.client.stop_reason(), None);
    world.client.fail(world.now, Error::Refused { reason: ReasonCode::BANNED, text: None });
    assert_eq!(world.client.stop_reason(), Some(&Error::Refused { reason: ReasonCode::BANNED, text: None }));
}
