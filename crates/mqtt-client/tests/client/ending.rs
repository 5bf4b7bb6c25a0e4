//! Ends of connections and of the client: what is said, to the server and to the application.

use std::time::Duration;

use mqtt_client::{Error, Event, Options, Version};
use mqtt_proto::{Auth, Closed, ConnAck, Disconnect, QoS, ReasonCode, ServerEvent, Subscribe, Text, Unsubscribe};

use crate::world::{World, options, subscriptions};

fn last_disconnect(options: Options) -> Option<u32> {
    let mut world = World::connected(options);
    world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    world.poll();
    world.settle();
    match world.seen.pop() {
        Some(ServerEvent::Closed(Closed::Remote(disconnect))) => disconnect.properties().session_expiry_interval(),
        other => panic!("no DISCONNECT but {other:?}"),
    }
}

#[test]
fn a_session_ends_with_its_client_only_if_nobody_asked_for_more() {
    assert_eq!(last_disconnect(options()), Some(0));
    assert_eq!(last_disconnect(options().session_expiry(9)), None);
    assert_eq!(last_disconnect(options().clean_start(false)), None);
    assert_eq!(last_disconnect(options().version(Version::V311)), None);
}

#[test]
fn a_disconnect_with_an_expiry_of_its_own_keeps_it() {
    let mut world = World::connected(options());
    let disconnect = Disconnect::new(ReasonCode::SUCCESS).with_session_expiry_interval(60);
    world.client.disconnect(world.now, disconnect).unwrap();
    world.poll();
    world.settle();
    let Some(ServerEvent::Closed(Closed::Remote(disconnect))) = world.seen.pop() else { panic!("no DISCONNECT") };
    assert_eq!(disconnect.properties().session_expiry_interval(), Some(60));
}

#[test]
fn a_failed_transport_is_the_reason_that_is_told() {
    let mut world = World::connected(options());
    world.client.handle_error(world.now, &"connection reset");
    world.poll();
    let lost = Error::ConnectionLost { cause: "connection reset".into() };
    assert!(matches!(&world.events[..], [Event::Disconnected { reason, .. }] if *reason == lost), "{:?}", world.events);
    let mut world = World::connected(options());
    world.client.handle_closed(world.now);
    world.poll();
    assert!(matches!(&world.events[..], [Event::Disconnected { reason: Error::ConnectionLost { .. }, .. }]));
    assert!(!world.client.is_connected());
}

#[test]
fn what_the_server_says_at_the_end_reaches_the_application_in_its_words() {
    let mut world = World::connected(options());
    let disconnect = Disconnect::new(ReasonCode::SERVER_SHUTTING_DOWN).with_reason_string(Text::from_static("bye"));
    world.server.disconnect(world.now, disconnect).unwrap();
    world.settle();
    let told = Error::DisconnectedByServer { reason: ReasonCode::SERVER_SHUTTING_DOWN, text: Some("bye".into()) };
    assert!(matches!(&world.events[..], [Event::Disconnected { reason, .. }] if *reason == told), "{:?}", world.events);
}

#[test]
fn a_disconnect_that_cannot_flush_says_what_it_left_behind() {
    let mut world = World::connected(options().flush_timeout(Duration::from_secs(3)));
    for topic in ["a", "b"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    world.poll();
    world.settle();
    assert!(!world.client.wants_close(), "nothing has been acknowledged");
    world.advance(Duration::from_secs(3));
    world.close();
    assert_eq!(world.stop_reason(), Some(&Error::NotFlushed { unfinished: 2 }));
}

#[test]
fn a_disconnect_waits_for_requests_as_well() {
    let mut world = World::connected(options());
    world.subscribe(&["a"]);
    assert!(!world.client.is_ending());
    world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    assert!(world.client.is_ending());
    world.poll();
    world.settle();
    assert!(!world.client.wants_close(), "SUBACK has not come");
    world.grant(&[ReasonCode::GRANTED_QOS_1]);
    assert!(world.client.wants_close());
}

#[test]
fn a_disconnect_before_the_connection_waits_for_all_that_waits_for_it() {
    let disconnected = |mut world: World| {
        world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
        world.poll();
        world.client.is_done()
    };
    let mut world = World::new(options());
    world.client.subscribe(world.now, Subscribe::new(subscriptions(&["a"]))).unwrap();
    assert!(!disconnected(world), "a request waits");
    let mut world = World::new(options().queue_limit(1, 100));
    for topic in ["a", "b"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    assert!(!disconnected(world), "a message waits in the queue, and one for room in it");
    assert!(disconnected(World::new(options())), "nothing waits");
}

#[test]
fn nothing_is_written_to_a_transport_that_is_gone() {
    let published = || {
        let mut world = World::connected(options());
        world.publish("a", QoS::AtMostOnce).unwrap();
        assert!(world.client.wants_output());
        world
    };
    let mut world = published();
    world.client.handle_error(world.now, &"connection reset");
    assert!(world.client.wants_close() && !world.client.wants_output());
    let mut world = published();
    world.client.handle_eof(world.now);
    assert!(world.client.wants_close() && !world.client.wants_output());
}

#[test]
fn a_disconnect_during_the_handshake_is_said_after_connack_at_the_latest() {
    let mut world = World::new(options());
    world.dial();
    world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    world.settle();
    assert!(world.client.wants_close(), "nothing waits for CONNACK");
    world.close();
    assert_eq!(world.stop_reason(), Some(&Error::Stopped));
}

#[test]
fn an_auth_where_there_is_none_is_an_error() {
    let auth = || Auth::new(ReasonCode::CONTINUE_AUTHENTICATION);
    let mut world = World::new(options());
    assert!(world.client.authenticate(world.now, auth()).is_err(), "not connected");
    world.connect(None);
    assert!(world.client.authenticate(world.now, auth()).is_err(), "no method was agreed upon");
}

#[test]
fn each_unsubscribe_has_an_answer_of_its_own() {
    let mut world = World::connected(options());
    let filter = |name| mqtt_proto::TopicFilter::try_from(name).unwrap();
    let ids = ["a", "b"].map(|name| {
        let unsubscribe = Unsubscribe::new(vec![filter(name)]);
        world.client.unsubscribe(world.now, unsubscribe).unwrap()
    });
    world.settle();
    let (second, first) = (world.unsubscribe_seen(), world.unsubscribe_seen());
    world.server.unsuback(world.now, first, &[ReasonCode::SUCCESS]).unwrap();
    world.server.unsuback(world.now, second, &[ReasonCode::NO_SUBSCRIPTION_EXISTED]).unwrap();
    world.settle();
    assert_ne!(ids[0], ids[1]);
    let told: Vec<_> = world.events.iter().filter(|event| matches!(event, Event::Unsubscribed { .. })).collect();
    let expected = [
        Event::Unsubscribed { id: ids[0], result: Ok(ReasonCode::SUCCESS) },
        Event::Unsubscribed { id: ids[1], result: Ok(ReasonCode::NO_SUBSCRIPTION_EXISTED) },
    ];
    assert_eq!(told, expected.iter().collect::<Vec<_>>());
}

#[test]
fn a_subscription_that_the_next_server_does_not_offer_ends_with_the_reason() {
    let without = |shared| {
        let connack = ConnAck::new(false, ReasonCode::SUCCESS);
        if shared {
            connack.with_shared_subscription_available(false)
        } else {
            connack.with_wildcard_subscription_available(false)
        }
    };
    for (filter, shared, reason) in [
        ("$share/g/a", true, ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED),
        ("a/#", false, ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED),
    ] {
        let mut world = World::connected(options());
        let id = world.subscribe(&[filter]);
        world.grant(&[ReasonCode::GRANTED_QOS_2]);
        world.cut();
        world.wait_for_dial();
        world.dial();
        world.accept(without(shared), None);
        assert!(world.events.contains(&Event::SubscriptionEnded { id, refused: Some(reason) }), "{:?}", world.events);
    }
}
