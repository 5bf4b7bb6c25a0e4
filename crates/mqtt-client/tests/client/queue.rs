//! The offline queue: bounds, policies, expiry.

use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_client::{Error, Event, Options, QueuePolicy, Version};
use mqtt_proto::{ConnAck, Instant, QoS, ReasonCode, ServerEvent};

use crate::world::{World, message, options};

fn limited(messages: usize, policy: QueuePolicy) -> World {
    World::new(options().queue_limit(messages, 1 << 20).queue_policy(policy))
}

#[test]
fn messages_published_before_the_connection_are_sent_in_order() {
    let mut world = World::new(options());
    for (topic, qos) in [("a", QoS::AtLeastOnce), ("b", QoS::AtMostOnce), ("c", QoS::ExactlyOnce)] {
        world.publish(topic, qos).unwrap();
    }
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "b", "c"]);
}

#[test]
fn a_full_queue_refuses_if_told_to() {
    let mut world = limited(2, QueuePolicy::Refuse);
    world.publish("a", QoS::AtLeastOnce).unwrap();
    world.publish("b", QoS::AtMostOnce).unwrap();
    assert_eq!(world.publish("c", QoS::AtLeastOnce), Err(Error::QueueFull));
    assert_eq!(world.publish("c", QoS::AtMostOnce), Err(Error::QueueFull), "QoS 0 is no exception");
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "b"]);
}

#[test]
fn a_full_queue_drops_its_oldest_if_told_to() {
    let mut world = limited(2, QueuePolicy::DropOldest);
    let first = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.publish("b", QoS::AtLeastOnce).unwrap();
    world.publish("c", QoS::AtLeastOnce).unwrap();
    world.poll();
    assert_eq!(world.outcome(first), Some(Err(Error::Superseded)));
    world.connect(None);
    assert_eq!(world.arrived(), ["b", "c"]);
}

#[test]
fn keep_latest_replaces_all_of_a_topic_that_came_to_wait_while_there_was_a_connection() {
    let mut world = limited(9, QueuePolicy::KeepLatest);
    world.config.receive_maximum = NonZeroU16::MIN;
    world.connect(None);
    for topic in ["sent", "a", "b", "a"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    let session = world.cut();
    let latest = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.config.receive_maximum = NonZeroU16::MAX;
    world.wait_for_dial();
    world.connect(Some(session));
    assert_eq!(world.arrived(), ["sent", "a", "b"]);
    assert_eq!(world.outcome(latest), Some(Ok(ReasonCode::SUCCESS)));
}

#[test]
fn keep_latest_replaces_the_message_of_the_same_topic_in_its_place() {
    let mut world = limited(2, QueuePolicy::KeepLatest);
    let old = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.publish("b", QoS::AtLeastOnce).unwrap();
    let new = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.poll();
    assert_eq!(world.outcome(old), Some(Err(Error::Superseded)));
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "b"]);
    assert_eq!(world.outcome(new), Some(Ok(ReasonCode::SUCCESS)));
    // Connected, nothing is skipped.
    world.publish("a", QoS::AtLeastOnce).unwrap();
    world.publish("a", QoS::AtLeastOnce).unwrap();
    world.settle();
    assert_eq!(world.arrived(), ["a", "a"]);
}

#[test]
fn keep_latest_gives_the_oldest_up_for_yet_another_topic() {
    let mut world = limited(2, QueuePolicy::KeepLatest);
    for topic in ["a", "b", "c"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    world.connect(None);
    assert_eq!(world.arrived(), ["b", "c"]);
}

#[test]
fn messages_beyond_the_limit_wait_for_room_and_keep_their_order() {
    let mut world = limited(1, QueuePolicy::Wait);
    let ids = ["a", "b", "c"].map(|topic| world.publish(topic, QoS::AtLeastOnce).unwrap());
    assert_eq!(ids.map(|id| world.client.is_waiting(id)), [false, true, true]);
    world.connect(None);
    assert_eq!(ids.map(|id| world.client.is_waiting(id)), [false, false, false]);
    assert!(world.events.contains(&Event::Accepted(ids[1])));
    assert_eq!(world.arrived(), ["a", "b", "c"]);
}

#[test]
fn a_message_waits_as_long_as_the_queue_is_full_also_when_connected() {
    let mut world = limited(1, QueuePolicy::Wait);
    world.config.receive_maximum = 1.try_into().unwrap();
    world.connect(None);
    let ids = ["a", "b", "c"].map(|topic| world.publish(topic, QoS::AtLeastOnce).unwrap());
    world.settle();
    assert_eq!(ids.map(|id| world.client.is_waiting(id)), [false, false, true]);
    assert_eq!(world.arrived(), ["a"]);
    assert_eq!(ids.map(|id| world.client.is_waiting(id)), [false, false, false]);
    assert_eq!([world.arrived(), world.arrived()], [["b"], ["c"]]);
}

#[test]
fn a_waiting_message_can_be_taken_back_and_an_accepted_one_cannot() {
    let mut world = limited(1, QueuePolicy::Wait);
    let [accepted, waiting, last] = ["a", "b", "c"].map(|topic| world.publish(topic, QoS::AtLeastOnce).unwrap());
    assert!(!world.client.withdraw(accepted));
    assert!(world.client.withdraw(waiting));
    assert!(!world.client.withdraw(waiting));
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "c"]);
    assert_eq!(world.outcome(waiting), None);
    assert_eq!(world.outcome(last), Some(Ok(ReasonCode::SUCCESS)));
}

#[test]
fn bytes_are_limited_too_but_never_below_one_message() {
    let mut world = World::new(options().queue_limit(100, 10).queue_policy(QueuePolicy::Refuse));
    world.publish("a-topic-of-more-than-ten-bytes", QoS::AtLeastOnce).unwrap();
    assert_eq!(world.publish("b", QoS::AtLeastOnce), Err(Error::QueueFull));
}

/// A message of so many bytes, its topic included.
fn sized(world: &mut World, topic: char, bytes: usize) -> Result<mqtt_client::MessageId, Error> {
    let topic = mqtt_proto::TopicName::try_from(topic.to_string()).unwrap();
    let payload = vec![b'x'; bytes - 1];
    world.client.publish(world.now, mqtt_proto::Message::new(topic, payload).with_qos(QoS::AtLeastOnce))
}

#[test]
fn each_byte_of_topics_and_payloads_counts_once_however_it_came_and_went() {
    let mut world = World::new(options().queue_limit(100, 10).queue_policy(QueuePolicy::Refuse));
    sized(&mut world, 'a', 4).unwrap();
    sized(&mut world, 'b', 6).unwrap();
    assert_eq!(sized(&mut world, 'c', 1), Err(Error::QueueFull));
    // Sent: all of it is free again. A window of one brings the second back each time that it is tried.
    world.config.receive_maximum = 1.try_into().unwrap();
    world.connect(None);
    sized(&mut world, 'c', 4).unwrap();
    assert_eq!(sized(&mut world, 'd', 1), Err(Error::QueueFull));
    assert_eq!([world.arrived(), world.arrived(), world.arrived()], [["a"], ["b"], ["c"]]);
    sized(&mut world, 'e', 9).unwrap();
    sized(&mut world, 'f', 9).unwrap();
    assert_eq!(sized(&mut world, 'g', 2), Err(Error::QueueFull));
    sized(&mut world, 'g', 1).unwrap();
}

#[test]
fn a_message_that_makes_room_makes_as_much_as_it_took() {
    let mut world = World::new(options().queue_limit(100, 10).queue_policy(QueuePolicy::DropOldest));
    let first = sized(&mut world, 'a', 5).unwrap();
    let second = sized(&mut world, 'b', 5).unwrap();
    sized(&mut world, 'c', 5).unwrap();
    world.poll();
    assert_eq!((world.outcome(first), world.outcome(second)), (Some(Err(Error::Superseded)), None));
    sized(&mut world, 'd', 6).unwrap();
    world.poll();
    assert_eq!(world.outcome(second), Some(Err(Error::Superseded)));
    world.connect(None);
    assert_eq!(world.arrived(), ["d"]);
}

#[test]
fn a_latest_message_counts_in_place_of_the_one_that_it_replaces() {
    let mut world = World::new(options().queue_limit(100, 10).queue_policy(QueuePolicy::KeepLatest));
    sized(&mut world, 'a', 6).unwrap();
    let other = sized(&mut world, 'b', 4).unwrap();
    for _ in 0..3 {
        sized(&mut world, 'a', 6).unwrap();
    }
    sized(&mut world, 'a', 2).unwrap();
    sized(&mut world, 'c', 4).unwrap();
    world.poll();
    assert_eq!(world.outcome(other), None, "2 + 4 + 4 bytes have room");
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "b", "c"]);
}

#[test]
fn another_policy_replaces_nothing() {
    let mut world = limited(3, QueuePolicy::Refuse);
    for _ in 0..2 {
        world.publish("a", QoS::AtLeastOnce).unwrap();
    }
    world.connect(None);
    assert_eq!(world.arrived(), ["a", "a"]);
}

#[test]
fn expiry_is_counted_down_in_the_queue() {
    let mut world = World::new(options());
    world.client.publish(world.now, message("a", QoS::AtLeastOnce).with_message_expiry_interval(10)).unwrap();
    world.now = world.now + Duration::from_millis(3_500);
    world.connect(None);
    let expiry = world.seen.iter().find_map(|event| match event {
        ServerEvent::Message(delivery) => delivery.message.properties().message_expiry_interval(),
        _ => None,
    });
    assert_eq!(expiry, Some(7), "6.5 s are left: rounded up");
}

#[test]
fn what_expires_in_the_queue_fails_in_its_moment() {
    let mut world = World::new(options());
    let expiring = message("a", QoS::AtLeastOnce).with_message_expiry_interval(10);
    let id = world.client.publish(world.now, expiring).unwrap();
    let other = world.publish("b", QoS::AtLeastOnce).unwrap();
    assert_eq!(world.client.poll_timeout(), Some(Instant::from_millis(11_000)));
    world.client.handle_timeout(Instant::from_millis(10_999));
    world.poll();
    assert_eq!(world.outcome(id), None);
    world.client.handle_timeout(Instant::from_millis(11_000));
    world.poll();
    assert_eq!(world.outcome(id), Some(Err(Error::Expired)));
    assert_eq!(world.outcome(other), None);
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn each_message_expires_in_its_own_moment_even_if_nobody_looked_in_time() {
    let mut world = World::new(options());
    let mut publish = |seconds| {
        let message = message("a", QoS::AtLeastOnce).with_message_expiry_interval(seconds);
        world.client.publish(world.now, message).unwrap()
    };
    let (early, late) = (publish(10), publish(20));
    world.client.handle_timeout(world.now + Duration::from_secs(15));
    world.poll();
    assert_eq!((world.outcome(early), world.outcome(late)), (Some(Err(Error::Expired)), None));
    world.client.handle_timeout(world.now + Duration::from_secs(99));
    world.poll();
    assert_eq!(world.outcome(late), Some(Err(Error::Expired)));
}

#[test]
fn the_servers_window_makes_messages_wait_and_each_acknowledgement_lets_one_go() {
    let mut world = World::new(options());
    world.config.receive_maximum = 1.try_into().unwrap();
    for topic in ["a", "b", "c"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    world.connect(None);
    assert_eq!(world.arrived(), ["a"]);
    assert_eq!(world.arrived(), ["b"]);
    assert_eq!(world.arrived(), ["c"]);
}

#[test]
fn what_the_server_cannot_take_fails_without_holding_up_the_rest() {
    let mut world = World::new(options());
    let large = world
        .client
        .publish(world.now, mqtt_proto::Message::new(mqtt_proto::TopicName::from_static("large"), vec![0; 1000]));
    let other = world.publish("small", QoS::AtLeastOnce).unwrap();
    world.config.maximum_packet_size = 100;
    world.connect(None);
    assert!(matches!(world.outcome(large.unwrap()), Some(Err(Error::NotPossible(_)))));
    assert_eq!(world.arrived(), ["small"]);
    assert_eq!(world.outcome(other), Some(Ok(ReasonCode::SUCCESS)));
}

#[test]
fn properties_in_3_1_1_are_an_error_at_once() {
    let mut world = World::new(options().version(Version::V311));
    let error = world.client.publish(world.now, message("a", QoS::AtMostOnce).with_message_expiry_interval(1));
    assert!(error.unwrap_err().to_string().contains("MQTT 3.1.1 does not have it"));
}

#[test]
fn qos_0_is_done_when_its_last_byte_is_written() {
    let mut world = World::connected(options());
    let id = world.publish("a", QoS::AtMostOnce).unwrap();
    let write = |world: &mut World, bytes| {
        world.client.outbox(world.now, |outbox| bytes::Buf::advance(outbox, bytes));
        world.poll();
        world.outcome(id)
    };
    let len = world.client.outbox(world.now, |outbox| bytes::Buf::remaining(outbox));
    assert_eq!(write(&mut world, len - 1), None);
    assert_eq!(write(&mut world, 1), Some(Ok(ReasonCode::SUCCESS)));
}

#[test]
fn qos_0_fails_if_the_connection_breaks_before_it_is_written() {
    let mut world = World::connected(options());
    let id = world.publish("a", QoS::AtMostOnce).unwrap();
    world.cut();
    assert_eq!(world.outcome(id), Some(Err(Error::NotWritten)));
}

#[test]
fn a_fatal_refusal_fails_everything_with_its_reason() {
    let mut world = World::new(options());
    let queued = world.publish("a", QoS::AtLeastOnce).unwrap();
    let subscriber = world.client.subscribe(world.now, mqtt_proto::Subscribe::new(crate::world::subscriptions(&["b"])));
    world.dial();
    world.refuse(ConnAck::new(false, ReasonCode::NOT_AUTHORIZED));
    let refused = Error::Refused { reason: ReasonCode::NOT_AUTHORIZED, text: None };
    assert_eq!(world.outcome(queued), Some(Err(refused.clone())));
    assert!(world.events.contains(&Event::Subscribed { id: subscriber.unwrap(), result: Err(refused.clone()) }));
    assert_eq!(world.events.last(), Some(&Event::Stopped(refused.clone())));
    assert_eq!(world.publish("late", QoS::AtLeastOnce), Err(refused));
}

#[test]
fn a_disconnect_waits_for_what_is_queued_and_acknowledged() {
    let mut world = World::new(options());
    world.publish("a", QoS::ExactlyOnce).unwrap();
    world.client.disconnect(world.now, mqtt_proto::Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    assert_eq!(world.publish("late", QoS::AtLeastOnce), Err(Error::Stopped));
    world.connect(None);
    assert!(!world.client.wants_close(), "PUBREC has not come");
    assert_eq!(world.arrived(), ["a"]);
    assert!(world.client.wants_close());
    world.close();
    assert_eq!(world.stop_reason(), Some(&Error::Stopped));
}

#[test]
fn a_disconnect_that_cannot_flush_ends_after_the_flush_timeout() {
    let mut world = World::new(Options::retry_first_connect(options(), true).flush_timeout(Duration::from_secs(5)));
    let id = world.publish("a", QoS::AtLeastOnce).unwrap();
    world.publish("b", QoS::AtMostOnce).unwrap();
    world.client.poll_open(world.now).unwrap();
    world.client.handle_open_failed(world.now, &"refused");
    world.client.disconnect(world.now, mqtt_proto::Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    world.poll();
    assert!(!world.client.is_done());
    let start = world.now;
    while !world.client.is_done() {
        if world.client.poll_open(world.now).is_some() {
            world.client.handle_open_failed(world.now, &"refused");
        }
        world.now = world.client.poll_timeout().unwrap();
        world.client.handle_timeout(world.now);
        world.poll();
    }
    assert_eq!(world.now.since(start), Duration::from_secs(5));
    assert_eq!(world.stop_reason(), Some(&Error::NotFlushed { unfinished: 2 }));
    assert_eq!(world.outcome(id), Some(Err(Error::NotFlushed { unfinished: 2 })));
}

// Nothing that was published later goes first, whatever its QoS.
#[test]
fn a_message_with_room_in_the_connection_waits_for_those_before_it() {
    let mut world = World::new(options());
    world.config.receive_maximum = NonZeroU16::MIN;
    world.connect(None);
    for (topic, qos) in [("a", QoS::AtLeastOnce), ("b", QoS::AtLeastOnce), ("c", QoS::AtMostOnce)] {
        world.publish(topic, qos).unwrap();
    }
    world.settle();
    assert_eq!(world.arrived(), ["a"]);
    assert_eq!(world.arrived(), ["b", "c"]);
}

#[test]
fn a_message_that_comes_back_from_a_lost_session_and_never_expires_sets_no_timer() {
    let mut world = World::connected(options().keep_alive(0));
    for topic in ["a", "b"] {
        world.publish(topic, QoS::AtLeastOnce).unwrap();
    }
    world.settle();
    world.cut();
    world.seen.clear();
    world.wait_for_dial();
    world.config.receive_maximum = NonZeroU16::MIN;
    world.connect(None);
    assert_eq!(world.client.poll_timeout(), None);
    assert_eq!([world.arrived(), world.arrived()], [["a"], ["b"]]);
}
