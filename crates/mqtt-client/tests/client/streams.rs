//! Streams of received messages: acknowledging, falling behind, dropping.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use mqtt_client::{ConnectionEvent, QoS, ReasonCode, Received};
use mqtt_proto::{Instant, ServerEvent, Subscribe, Subscription, TopicFilter};

use crate::rig::{Alarm, Rig, poll};
use crate::world::options;

fn payload(received: Option<Received>) -> String {
    String::from_utf8(received.expect("a message").payload.to_vec()).unwrap()
}

#[test]
fn a_message_is_acknowledged_when_it_is_taken() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::new(options());
        let mut stream = rig.subscribe("a");
        rig.flood("a", qos, 2);
        assert_eq!(rig.acknowledged(), 0);
        assert_eq!(payload(stream.try_next()), "0");
        assert_eq!(rig.acknowledged(), 1);
        assert_eq!(payload(stream.try_next()), "1");
        assert_eq!(rig.acknowledged(), 1);
        assert!(stream.try_next().is_none());
    }
}

// MQTT-4.5.0-2
#[test]
fn what_nobody_wants_is_acknowledged_at_once() {
    let mut rig = Rig::new(options());
    rig.flood("a", QoS::ExactlyOnce, 3);
    assert_eq!(rig.acknowledged(), 3);
}

#[test]
fn a_message_for_two_streams_is_acknowledged_when_both_have_it() {
    let mut rig = Rig::new(options());
    let mut everything = rig.handle.messages();
    let mut stream = rig.subscribe("a");
    rig.flood("a", QoS::AtLeastOnce, 1);
    assert_eq!(payload(stream.try_next()), "0");
    assert_eq!(rig.acknowledged(), 0);
    assert_eq!(payload(everything.try_next()), "0");
    assert_eq!(rig.acknowledged(), 1);
}

#[test]
fn manual_acknowledgements_are_the_applications() {
    let mut rig = Rig::new(options().manual_acks(true));
    let mut stream = rig.subscribe("a");
    rig.flood("a", QoS::AtLeastOnce, 3);
    let mut first = stream.try_next().unwrap();
    let mut second = stream.try_next().unwrap();
    second.ack().unwrap();
    assert_eq!(rig.acknowledged(), 0, "PUBACKs leave in the order of arrival");
    first.ack_with(ReasonCode::QUOTA_EXCEEDED).unwrap();
    first.ack().unwrap();
    assert_eq!(rig.acknowledged(), 2);
    drop(stream.try_next());
    assert_eq!(rig.acknowledged(), 0, "dropping it is not acknowledging it");
}

// MQTT-4.5.0-2
#[test]
fn a_dropped_stream_acknowledges_what_it_held_and_unsubscribes() {
    let mut rig = Rig::new(options());
    let stream = rig.subscribe("a");
    rig.flood("a", QoS::AtLeastOnce, 3);
    drop(stream);
    assert_eq!(rig.acknowledged(), 3);
    assert!(matches!(rig.seen[..], [ServerEvent::Unsubscribe(_)]));
}

#[test]
fn a_dropped_stream_of_a_persistent_session_can_leave_the_subscription() {
    let mut rig = Rig::new(options().unsubscribe_on_drop(false));
    drop(rig.subscribe("a"));
    rig.crank();
    assert!(rig.seen.is_empty());
}

#[test]
fn a_full_stream_stops_the_reading_and_each_taken_message_lets_one_in() {
    let mut rig = Rig::new(options().stream_limit(4, 1 << 20));
    let mut stream = rig.subscribe("a");
    rig.flood("a", QoS::AtMostOnce, 10);
    assert!(!rig.wants_input());
    let alarm = Arc::new(Alarm::default());
    assert!(!alarm.turn(&rig.driver).read);
    for number in 0..10 {
        assert_eq!(payload(stream.try_next()), number.to_string());
        rig.crank();
    }
    assert_eq!(alarm.count(), 1, "the driver was told to read on");
    assert!(rig.wants_input());
    assert!(stream.try_next().is_none());
}

#[test]
fn a_stream_is_full_in_bytes_too_but_takes_one_message_of_any_size() {
    let mut rig = Rig::new(options().stream_limit(100, 10));
    let mut stream = rig.subscribe("a");
    let large = mqtt_proto::Message::new(mqtt_proto::TopicName::from_static("a"), vec![0; 100_000]);
    rig.server.publish(Instant::ZERO, large).unwrap();
    rig.flood("a", QoS::AtMostOnce, 20);
    assert!(!rig.wants_input());
    assert_eq!(stream.try_next().unwrap().payload.len(), 100_000);
    for number in 0..20 {
        rig.crank();
        assert_eq!(payload(stream.try_next()), number.to_string());
    }
}

#[test]
fn a_message_with_room_does_not_overtake_one_that_waits_for_it() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut rig = Rig::new(options().stream_limit(1, 1 << 20));
        let (mut full, mut other) = (rig.subscribe("a"), rig.subscribe("b"));
        for topic in ["a", "a", "b", "b"] {
            rig.server.publish(Instant::ZERO, crate::world::message(topic, qos)).unwrap();
        }
        rig.crank();
        assert!(other.try_next().is_none());
        assert!(full.try_next().is_some());
        assert!(other.try_next().is_some());
        assert!(full.try_next().is_some() && full.try_next().is_none());
        assert!(other.try_next().is_some() && other.try_next().is_none());
    }
}

#[test]
fn a_full_stream_does_not_hold_up_the_acknowledgements_that_came_with_it() {
    let mut rig = Rig::new(options().stream_limit(1, 1 << 20));
    let _stream = rig.subscribe("a");
    let ticket = rig.publish("b", QoS::AtLeastOnce);
    rig.driver.outbox(|outbox| {
        let mut bytes = bytes::BytesMut::from(&bytes::Buf::copy_to_bytes(outbox, bytes::Buf::remaining(outbox))[..]);
        rig.server.handle_input(Instant::ZERO, &mut bytes);
    });
    rig.seen.extend(rig.server.poll_event());
    for _ in 0..3 {
        rig.server.publish(Instant::ZERO, crate::world::message("a", QoS::AtMostOnce)).unwrap();
    }
    rig.acknowledge();
    assert!(!rig.wants_input());
    assert!(poll(pin!(ticket)).is_ready());
}

#[test]
fn awaiting_the_server_lets_streams_grow_so_that_nothing_deadlocks() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = Rig::new(options().stream_limit(2, 1 << 20));
        let mut stream = rig.subscribe("a");
        rig.flood("a", qos, 500);
        assert!(!rig.wants_input());
        // The receiving task publishes, and awaits: PUBACK is behind all these messages.
        let mut ticket = pin!(rig.publish("b", QoS::AtLeastOnce));
        assert!(poll(ticket.as_mut()).is_pending());
        rig.crank();
        rig.acknowledge();
        assert!(poll(ticket.as_mut()).is_ready(), "{qos}");
        rig.flood("a", qos, 1);
        assert!(!rig.wants_input(), "nobody waits any more");
        for number in 0..500 {
            assert_eq!(payload(stream.try_next()), number.to_string());
        }
        assert!(rig.wants_input());
        assert_eq!(payload(stream.try_next()), "0");
    }
}

#[test]
fn beyond_the_overflow_limit_qos_0_is_dropped_and_counted_and_qos_1_is_not() {
    let mut rig = Rig::new(options().stream_limit(1, 1 << 20).stream_overflow_limit(4));
    let mut stream = rig.subscribe("a");
    let mut events = rig.handle.events();
    let mut ticket = pin!(rig.publish("b", QoS::AtLeastOnce));
    assert!(poll(ticket.as_mut()).is_pending());
    rig.flood("a", QoS::AtMostOnce, 5);
    rig.flood("a", QoS::AtLeastOnce, 2);
    rig.acknowledge();
    assert!(poll(ticket.as_mut()).is_ready());
    let taken: Vec<String> = std::iter::from_fn(|| stream.try_next()).map(|one| payload(Some(one))).collect();
    assert_eq!(taken, ["0", "1", "0", "1"]);
    let mut dropped = 0;
    while let Poll::Ready(Some(ConnectionEvent::Dropped { messages })) = poll(pin!(events.next())) {
        dropped += messages;
    }
    assert_eq!(dropped, 3);
}

#[test]
fn a_dropped_full_stream_makes_way() {
    let mut rig = Rig::new(options().stream_limit(1, 1 << 20));
    let full = rig.subscribe("a");
    let mut other = rig.subscribe("b");
    rig.flood("a", QoS::AtLeastOnce, 5);
    rig.flood("b", QoS::AtLeastOnce, 1);
    assert!(other.try_next().is_none(), "it is behind the messages of the full one");
    drop(full);
    rig.crank();
    assert_eq!(payload(other.try_next()), "0");
    assert_eq!(rig.acknowledged(), 6);
}

#[test]
fn a_full_stream_survives_a_cut_with_all_it_holds() {
    let mut rig = Rig::new(options().stream_limit(2, 1 << 20));
    let mut stream = rig.subscribe("a");
    rig.flood("a", QoS::AtMostOnce, 6);
    rig.cut();
    // Those that the client had read are there, and the stream goes on after the next connection.
    assert_eq!(payload(stream.try_next()), "0");
    assert_eq!(payload(stream.try_next()), "1");
    assert_eq!(payload(stream.try_next()), "2");
    assert!(poll(pin!(stream.next())).is_ready());
}

#[test]
fn next_is_woken_by_a_message_and_may_be_dropped_at_any_time() {
    let mut rig = Rig::new(options());
    let mut stream = rig.subscribe("a");
    let alarm = Arc::new(Alarm::default());
    assert!(alarm.poll(pin!(stream.next())).is_pending());
    rig.flood("a", QoS::AtMostOnce, 2);
    assert_eq!(alarm.count(), 1);
    drop(stream.next());
    assert_eq!(payload(stream.next().wait()), "0");
    assert_eq!(payload(stream.next().wait()), "1");
}

// Found by reading: `try_next` took the place of the waker that `poll_next` had left.
#[test]
fn looking_for_a_message_does_not_forget_who_waits_for_it() {
    let mut rig = Rig::new(options());
    let mut stream = rig.subscribe("a");
    let alarm = Arc::new(Alarm::default());
    assert!(alarm.poll(pin!(stream.next())).is_pending());
    assert!(stream.try_next().is_none());
    rig.flood("a", QoS::AtMostOnce, 1);
    assert_eq!(alarm.count(), 1);
}

// Found by reading: the reason of the stream that came last counted.
#[test]
fn a_message_that_one_of_its_streams_refuses_is_refused() {
    for (first, last, expected) in [
        (ReasonCode::QUOTA_EXCEEDED, ReasonCode::SUCCESS, ReasonCode::QUOTA_EXCEEDED),
        (ReasonCode::SUCCESS, ReasonCode::QUOTA_EXCEEDED, ReasonCode::QUOTA_EXCEEDED),
        (ReasonCode::SUCCESS, ReasonCode::SUCCESS, ReasonCode::SUCCESS),
    ] {
        let mut rig = Rig::new(options().manual_acks(true));
        let mut everything = rig.handle.messages();
        let mut stream = rig.subscribe("a");
        rig.flood("a", QoS::AtLeastOnce, 1);
        everything.try_next().unwrap().ack_with(first).unwrap();
        stream.try_next().unwrap().ack_with(last).unwrap();
        rig.crank();
        let Some(ServerEvent::Acknowledged(end)) = rig.seen.pop() else { panic!("not acknowledged") };
        assert_eq!(end.reason, expected);
    }
}

// Found by reading: a ticket that was kept counted as awaited for as long as it lived.
#[test]
fn a_dropped_accepted_lets_streams_keep_to_their_limit() {
    let window = std::num::NonZeroU16::MIN;
    let mut rig = Rig::new(options().stream_limit(2, 1 << 20).queue_limit(1, 1 << 20).send_maximum(window));
    let mut stream = rig.subscribe("a");
    // In flight, in the queue, waiting.
    let [_first, _second, mut third] = [0; 3].map(|_| rig.publish("b", QoS::AtLeastOnce));
    assert!(poll(pin!(third.accepted())).is_pending());
    rig.flood("a", QoS::AtMostOnce, 5);
    assert!(!rig.wants_input(), "nobody awaits anything");
    assert_eq!(std::iter::from_fn(|| stream.try_next()).count(), 5);
}

#[test]
fn a_topic_that_was_routed_before_goes_where_it_belongs_now() {
    let mut rig = Rig::new(options());
    let mut first = rig.subscribe("a");
    rig.flood("a", QoS::AtMostOnce, 1);
    let mut everything = rig.handle.messages();
    let mut second = rig.subscribe("+");
    rig.flood("a", QoS::AtMostOnce, 1);
    // The server names no subscription identifiers for the message, so each filter counts.
    assert_eq!(std::iter::from_fn(|| first.try_next()).count(), 2);
    assert_eq!(std::iter::from_fn(|| second.try_next()).count(), 1);
    assert_eq!(std::iter::from_fn(|| everything.try_next()).count(), 1);
    drop(first);
    drop(everything);
    rig.crank();
    rig.flood("a", QoS::AtMostOnce, 1);
    rig.flood("b", QoS::AtMostOnce, 1);
    rig.flood("a", QoS::AtMostOnce, 1);
    assert_eq!(std::iter::from_fn(|| second.try_next()).count(), 3);
    let unsubscribing = rig.handle.unsubscribe("+");
    rig.flood("a", QoS::AtLeastOnce, 1);
    assert_eq!(rig.acknowledged(), 1, "nobody wants it");
    drop(unsubscribing);
}

// MQTT-4.5.0-2
#[test]
fn a_stream_that_has_lost_one_of_its_filters_does_not_hold_back_what_came_by_it() {
    let mut rig = Rig::new(options());
    let filters = ["a", "b"].map(|filter| Subscription::new(TopicFilter::from_static(filter), QoS::AtLeastOnce));
    let mut subscribing = pin!(rig.handle.subscribe_with(Subscribe::new(filters.to_vec())));
    assert!(poll(subscribing.as_mut()).is_pending());
    rig.crank();
    let Some(ServerEvent::Subscribe(request)) = rig.seen.pop() else { panic!("no SUBSCRIBE") };
    rig.server.suback(Instant::ZERO, request, &[ReasonCode::GRANTED_QOS_1; 2]).unwrap();
    rig.crank();
    let Poll::Ready(Ok(mut stream)) = poll(subscribing) else { panic!("SUBACK has come") };
    rig.flood("a", QoS::AtLeastOnce, 1);
    assert_eq!(payload(stream.try_next()), "0");
    assert_eq!(rig.acknowledged(), 1);
    let unsubscribing = rig.handle.unsubscribe("a");
    rig.flood("a", QoS::AtLeastOnce, 1);
    assert_eq!(rig.acknowledged(), 1, "nobody wants it");
    rig.flood("b", QoS::AtLeastOnce, 1);
    assert_eq!(payload(stream.try_next()), "0");
    assert!(stream.try_next().is_none());
    drop(unsubscribing);
}
