//! A client with a store: what it gives out to be stored is what its successor goes on from.

use std::num::NonZeroU16;

use bytes::Buf;
use mqtt_client::{Options, ReasonCode, StoredChange};
use mqtt_proto::{ConnAck, QoS, ServerEvent, Session};

use crate::world::{World, options};

fn durable() -> Options {
    options().clean_start(false)
}

/// The end of the process: nothing is left but the store. The server keeps its session.
fn crash(world: World) -> (Vec<StoredChange>, Session, Vec<ServerEvent>) {
    let World { mut server, store, seen, now, .. } = world;
    server.handle_eof(now);
    (store, server.into_session(), seen)
}

#[test]
fn a_message_of_qos_0_may_follow_one_that_is_not_stored_yet() {
    let mut world = World::restored(durable(), Vec::new());
    world.connect(None);
    world.publish("stored", QoS::AtLeastOnce).unwrap();
    world.publish("not", QoS::AtMostOnce).unwrap();
    world.settle();
    assert_eq!(world.arrived(), ["stored", "not"]);
    assert!(!format!("{:?}", world.store).contains("not"), "QoS 0 is not stored");
}

#[test]
fn what_is_queued_offline_is_sent_by_the_next_process_in_order() {
    let mut world = World::restored(durable(), Vec::new());
    for topic in ["a", "b", "c"] {
        world.publish(topic, QoS::ExactlyOnce).unwrap();
    }
    let store = world.client.take_changes();
    drop(world);
    let mut world = World::restored(durable(), store);
    world.publish("d", QoS::ExactlyOnce).unwrap();
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "b", "c", "d"]);
}

#[test]
fn what_was_in_flight_goes_before_what_was_queued_when_the_server_has_lost_the_session() {
    let mut world = World::restored(durable(), Vec::new());
    world.config.receive_maximum = NonZeroU16::new(2).unwrap();
    world.connect(None);
    for topic in ["a", "b", "c", "d"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    world.settle();
    let (store, ..) = crash(world);
    let mut world = World::restored(durable(), store);
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "b", "c", "d"]);
    let mut ids = Vec::new();
    for event in &world.events {
        if let mqtt_client::Event::Published { id, .. } = event {
            ids.push(id.as_u64());
        }
    }
    assert_eq!(ids, [1, 2, 3, 4], "the numbers of the queued ones, and those before");
}

/// Publishes one message and crashes after so many transfers; the next process finishes. How often it arrived.
fn arrivals(qos: QoS, transfers: usize) -> (usize, bool) {
    let mut world = World::restored(durable(), Vec::new());
    world.connect(None);
    world.publish("t", qos).unwrap();
    let mut count = 0;
    for transfer in 0..transfers {
        if transfer % 2 == 0 {
            let mut bytes = world.written();
            world.server.handle_input(world.now, &mut bytes);
            while let Some(event) = world.server.poll_event() {
                if let ServerEvent::Message(delivery) = event {
                    count += 1;
                    world.server.ack(world.now, delivery.ack.unwrap()).unwrap();
                }
            }
        } else {
            let outbox = world.server.outbox();
            let mut bytes = bytes::BytesMut::from(&outbox.copy_to_bytes(outbox.remaining())[..]);
            world.client.handle_input(world.now, &mut bytes);
            world.poll();
        }
    }
    let (store, session, _) = crash(world);
    let mut world = World::restored(durable(), store);
    world.connect(Some(session));
    count += world.arrived().len();
    let store = std::mem::take(&mut world.store);
    (count, World::restored(durable(), store).client.take_changes().is_empty())
}

#[test]
fn a_crash_at_any_transfer_loses_nothing_that_was_stored_and_repeats_nothing_at_qos_2() {
    // Nothing is stored before the first transfer, so nothing was accepted.
    assert_eq!(arrivals(QoS::ExactlyOnce, 0).0, 0);
    for transfers in 1..8 {
        assert_eq!(arrivals(QoS::ExactlyOnce, transfers).0, 1, "QoS 2, crash after {transfers} transfers");
        assert!(arrivals(QoS::AtLeastOnce, transfers).0 >= 1, "QoS 1, crash after {transfers} transfers");
    }
}

#[test]
fn a_message_that_a_lost_session_brings_back_is_never_in_neither_place() {
    let mut world = World::restored(durable(), Vec::new());
    world.connect(None);
    world.publish("t", QoS::AtLeastOnce).unwrap();
    drop(world.written()); // it is stored, and lost on the way
    let (store, _, _) = crash(world);

    // The next process hears that the server has forgotten the session, and ends before it sends anything again.
    let mut world = World::restored(durable(), store);
    world.dial();
    world.server.accept(world.now, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
    let mut bytes = bytes::BytesMut::from(bytes::Buf::chunk(world.server.outbox()));
    world.client.handle_input(world.now, &mut bytes);
    let mut store = std::mem::take(&mut world.store);
    store.extend(world.client.take_changes());
    drop(world);

    let mut world = World::restored(durable(), store);
    world.connect(None);
    assert_eq!(world.arrived(), ["t"]);
}

#[test]
fn an_assigned_client_identifier_outlives_the_process() {
    let options = Options::new("broker.example", 1883).seed(7).clean_start(false);
    let mut world = World::restored(options.clone(), Vec::new());
    world.dial();
    let assigned = mqtt_client::Text::from_static("assigned-7");
    world.accept(ConnAck::new(false, ReasonCode::SUCCESS).with_assigned_client_identifier(assigned.clone()), None);
    let (store, session, _) = crash(world);
    let mut world = World::restored(options, store);
    assert_eq!(world.connect(Some(session)).client_id, assigned);
}

#[test]
fn the_options_own_client_identifier_goes_before_a_stored_one() {
    let stored = StoredChange::ClientId(mqtt_client::Text::from_static("assigned-7"));
    assert_eq!(World::restored(durable(), vec![stored]).dial().client_id, "c");
}

#[test]
fn every_unfinished_message_of_an_earlier_process_has_an_id_of_its_own() {
    let mut world = World::restored(durable(), Vec::new());
    world.connect(None);
    for topic in ["a", "b"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    drop(world.written()); // stored, and lost on the way
    let (store, session, _) = crash(world);

    let mut world = World::restored(durable(), store);
    let new = world.publish("c", QoS::AtLeastOnce).unwrap();
    world.connect(Some(session));
    assert_eq!(world.arrived(), ["a", "b", "c"]);
    let mut ids = Vec::new();
    for event in &world.events {
        if let mqtt_client::Event::Published { id, .. } = event {
            assert!(!ids.contains(id), "{id:?} has two outcomes");
            ids.push(*id);
        }
    }
    assert_eq!((ids.len(), ids.last()), (3, Some(&new)));
}

#[test]
fn what_leaves_the_queue_is_recorded_if_its_coming_was() {
    let mut world = World::restored(durable(), Vec::new());
    assert!(!world.client.has_changes());
    world.publish("offline", QoS::AtLeastOnce).unwrap();
    assert!(world.client.has_changes());
    assert!(matches!(world.client.take_changes()[..], [StoredChange::Queued { number: 1, .. }]));
    assert!(!world.client.has_changes());
    world.connect(None);
    assert!(world.store.contains(&StoredChange::Unqueued { number: 1 }), "{:?}", world.store);
    // Straight through: the queue leaves no trace.
    world.store.clear();
    world.publish("online", QoS::AtLeastOnce).unwrap();
    world.settle();
    let is_of_queue = |change: &StoredChange| !matches!(change, StoredChange::Session(_));
    assert!(!world.store.is_empty() && !world.store.iter().any(is_of_queue), "{:?}", world.store);
}
