//! What a cut does to messages and requests that are under way.

use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_client::{Error, Options, Version};
use mqtt_proto::{Disconnect, QoS, ReasonCode, ServerEvent, Session};

use crate::world::{World, message, options};

fn reconnect(world: &mut World, session: Option<Session>) {
    world.wait_for_dial();
    world.connect(session);
}

#[test]
fn a_resumed_session_sends_again_what_was_not_acknowledged() {
    let mut world = World::connected(options());
    let id = world.publish("a", QoS::AtLeastOnce).unwrap();
    let server = world.cut(); // it was never written
    reconnect(&mut world, Some(server));
    let dups: Vec<bool> = world
        .seen
        .iter()
        .filter_map(|event| match event {
            ServerEvent::Message(delivery) => Some(delivery.dup),
            _ => None,
        })
        .collect();
    assert_eq!(dups, [true]);
    assert_eq!(world.arrived(), ["a"]);
    assert_eq!(world.outcome(id), Some(Ok(ReasonCode::SUCCESS)));
}

#[test]
fn a_lost_session_is_published_anew_under_the_same_ticket_and_before_newer_messages() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut world = World::connected(options().version(version));
        let old = world.publish("old", QoS::AtLeastOnce).unwrap();
        let older = world.publish("older", QoS::ExactlyOnce).unwrap();
        world.cut();
        let new = world.publish("new", QoS::AtLeastOnce).unwrap();
        reconnect(&mut world, None);
        assert_eq!(world.arrived(), ["old", "older", "new"], "{version}");
        for id in [old, older, new] {
            assert_eq!(world.outcome(id), Some(Ok(ReasonCode::SUCCESS)), "{version}");
        }
    }
}

#[test]
fn messages_keep_their_order_when_the_session_is_lost_again_before_all_are_sent() {
    let mut world = World::connected(options());
    for topic in ["a", "b", "c"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    world.cut();
    // One at a time: `b` and `c` still wait to be sent again when `a` comes back once more.
    world.config.receive_maximum = NonZeroU16::MIN;
    reconnect(&mut world, None);
    world.cut();
    world.seen.clear();
    world.config.receive_maximum = NonZeroU16::MAX;
    reconnect(&mut world, None);
    assert_eq!(world.arrived(), ["a", "b", "c"]);
}

#[test]
fn the_time_of_a_message_goes_on_passing_while_it_is_in_flight() {
    let mut world = World::connected(options());
    let expiring = message("a", QoS::AtLeastOnce).with_message_expiry_interval(10);
    let id = world.client.publish(world.now, expiring).unwrap();
    world.cut();
    world.wait_for_dial();
    world.now = world.now + Duration::from_secs(11);
    world.connect(None);
    assert_eq!(world.arrived(), [""; 0]);
    assert_eq!(world.outcome(id), Some(Err(Error::Expired)));
}

#[test]
fn a_qos_2_message_that_a_forgetful_server_had_received_is_in_doubt() {
    let mut world = World::connected(options());
    let id = world.publish("a", QoS::ExactlyOnce).unwrap();
    // PUBREC comes, PUBREL does not go out.
    let mut bytes = bytes::BytesMut::new();
    world.client.outbox(world.now, |outbox| take_all(outbox, &mut bytes));
    world.server.handle_input(world.now, &mut bytes);
    let Some(ServerEvent::Message(delivery)) = world.server.poll_event() else { panic!("no message") };
    world.server.ack(world.now, delivery.ack.unwrap()).unwrap();
    take_all(world.server.outbox(), &mut bytes);
    world.client.handle_input(world.now, &mut bytes);
    world.cut();
    reconnect(&mut world, None);
    assert_eq!(world.arrived(), [""; 0]);
    assert_eq!(world.outcome(id), Some(Err(Error::InDoubt)));
}

// MQTT-4.4.0-2
#[test]
fn a_refused_message_is_not_sent_again() {
    let mut world = World::connected(options());
    let id = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.settle();
    let Some(ServerEvent::Message(delivery)) = world.seen.pop() else { panic!("no message") };
    world.server.ack(world.now, delivery.ack.unwrap().with_reason(ReasonCode::QUOTA_EXCEEDED)).unwrap();
    world.settle();
    assert_eq!(world.outcome(id), Some(Err(Error::PublishRefused(ReasonCode::QUOTA_EXCEEDED))));
    let server = world.cut();
    reconnect(&mut world, Some(server));
    assert_eq!(world.arrived(), [""; 0]);
}

#[test]
fn no_matching_subscribers_is_a_success() {
    let mut world = World::connected(options());
    let id = world.publish("a", QoS::ExactlyOnce).unwrap();
    world.settle();
    let Some(ServerEvent::Message(delivery)) = world.seen.pop() else { panic!("no message") };
    world.server.ack(world.now, delivery.ack.unwrap().with_reason(ReasonCode::NO_MATCHING_SUBSCRIBERS)).unwrap();
    world.settle();
    assert_eq!(world.outcome(id), Some(Ok(ReasonCode::NO_MATCHING_SUBSCRIBERS)));
}

#[test]
fn messages_survive_many_cuts_and_arrive_once_each_at_qos_2() {
    let mut world = World::connected(options());
    let ids = ["a", "b", "c"].map(|topic| world.publish(topic, QoS::ExactlyOnce).unwrap());
    let mut all = Vec::new();
    for _ in 0..5 {
        all.extend(world.arrived());
        let server = world.cut();
        reconnect(&mut world, Some(server));
    }
    all.extend(world.arrived());
    assert_eq!(all, ["a", "b", "c"]);
    for id in ids {
        assert_eq!(world.outcome(id), Some(Ok(ReasonCode::SUCCESS)));
    }
}

#[test]
fn a_disconnect_with_messages_under_way_survives_a_cut() {
    let mut world = World::connected(options());
    let id = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    let server = world.cut();
    reconnect(&mut world, Some(server));
    assert_eq!(world.arrived(), ["a"]);
    assert_eq!(world.outcome(id), Some(Ok(ReasonCode::SUCCESS)));
    world.close();
    assert!(world.client.is_done());
}

#[test]
fn a_client_that_does_not_reconnect_fails_its_messages_with_the_reason() {
    let mut world = World::connected(Options::reconnect(options(), false));
    let id = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.cut();
    assert!(matches!(world.outcome(id), Some(Err(Error::ConnectionLost { .. }))));
}

#[test]
fn acknowledgements_given_between_connections_are_not_lost_at_qos_2() {
    let mut world = World::connected(options());
    world.server.publish(world.now, crate::world::message("a", QoS::ExactlyOnce)).unwrap();
    world.settle();
    let Some(mqtt_client::Event::Message(delivery)) = world.events.pop() else { panic!("no message") };
    let server = world.cut();
    world.client.ack(world.now, delivery.ack.unwrap()).unwrap();
    reconnect(&mut world, Some(server));
    assert_eq!(world.received(), [], "not a second time");
    assert!(world.server.session().is_empty(), "the handshake has been finished");
}

fn take_all(outbox: &mut mqtt_proto::Outbox, to: &mut bytes::BytesMut) {
    let len = bytes::Buf::remaining(outbox);
    to.extend_from_slice(&bytes::Buf::copy_to_bytes(outbox, len));
}
