//! What a resumed session brings before the application has a stream for it, and what an application never acknowledges.

use std::time::Duration;

use mqtt_client::{Backoff, Options, QoS, Received, Subscriber, Version};
use mqtt_proto::{ServerEvent, Session};

use crate::rig::Rig;
use crate::world::options;

fn lasting() -> Options {
    let at_once = Backoff { initial: Duration::ZERO, ..Backoff::default() };
    options().clean_start(false).backoff(at_once)
}

/// A client whose server has kept its session.
fn resumed(options: Options) -> Rig {
    Rig::with_session(options, Some(Session::continued()))
}

fn payload(received: &Received) -> String {
    String::from_utf8(received.payload.to_vec()).unwrap()
}

fn all(stream: &mut Subscriber) -> Vec<String> {
    std::iter::from_fn(|| stream.try_next()).map(|received| payload(&received)).collect()
}

#[test]
fn what_a_resumed_session_brings_waits_for_its_stream() {
    let mut rig = resumed(lasting());
    rig.flood("a", QoS::AtLeastOnce, 2);
    rig.flood("b", QoS::ExactlyOnce, 2);
    assert_eq!(rig.acknowledged(), 0);
    let mut first = rig.subscribe("a");
    let mut second = rig.subscribe("b");
    assert_eq!(rig.acknowledged(), 0, "nobody has taken them");
    assert_eq!(all(&mut first), ["0", "1"]);
    assert_eq!(all(&mut second), ["0", "1"]);
    assert_eq!(rig.acknowledged(), 4);
}

#[test]
fn what_has_no_stream_is_acknowledged_when_the_application_begins_to_take() {
    let mut rig = resumed(lasting());
    rig.flood("nobody's", QoS::ExactlyOnce, 2);
    let mut stream = rig.subscribe("a");
    rig.flood("nobody's", QoS::AtLeastOnce, 1);
    assert_eq!(rig.acknowledged(), 0);
    assert!(stream.try_next().is_none());
    assert_eq!(rig.acknowledged(), 3);
    rig.flood("nobody's", QoS::AtLeastOnce, 1);
    assert_eq!(rig.acknowledged(), 1, "MQTT-4.5.0-2");
}

#[test]
fn a_publisher_that_never_reads_goes_on_while_messages_wait() {
    let mut rig = resumed(lasting().receive_maximum(2.try_into().unwrap()));
    rig.flood("a", QoS::AtLeastOnce, 2);
    rig.flood("a", QoS::AtMostOnce, 3_000);
    assert!(rig.wants_input());
    let ticket = rig.publish("b", QoS::ExactlyOnce);
    rig.crank();
    assert_eq!(rig.acknowledge(), 1);
    assert!(ticket.wait().is_ok());
}

#[test]
fn a_message_that_waited_over_a_reconnect_is_there_once() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut rig = resumed(lasting());
        rig.flood("a", qos, 2);
        rig.reconnect();
        let mut stream = rig.subscribe("a");
        assert_eq!(all(&mut stream), ["0", "1"], "{qos}");
        assert_eq!(rig.acknowledged(), 2);
    }
}

/// 3.x has no Receive Maximum.
#[test]
fn a_server_that_sends_more_than_may_wait_is_read_no_further() {
    let options = lasting().version(Version::V311).receive_maximum(2.try_into().unwrap()).stream_limit(3, 1 << 20);
    let mut rig = resumed(options);
    rig.flood("a", QoS::AtLeastOnce, 6);
    assert!(!rig.wants_input());
    let mut everything = rig.handle.messages();
    let mut taken = Vec::new();
    while let Some(received) = everything.try_next() {
        taken.push(payload(&received));
        rig.crank();
    }
    assert_eq!(taken, ["0", "1", "2", "3", "4", "5"]);
    assert_eq!(rig.acknowledged(), 6);
}

#[test]
fn nothing_waits_in_a_session_that_is_new() {
    let mut rig = Rig::new(lasting());
    rig.flood("a", QoS::ExactlyOnce, 2);
    assert_eq!(rig.acknowledged(), 2);
}

#[test]
fn what_the_application_does_not_acknowledge_itself_comes_again() {
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for takes in [0, 1, 2] {
            let mut rig = resumed(lasting().manual_acks(true));
            let mut stream = rig.subscribe("a");
            rig.flood("a", qos, 2);
            (0..takes).for_each(|_| drop(stream.try_next()));
            drop(stream);
            assert_eq!(rig.acknowledged(), 0, "{qos}, {takes} taken and dropped");
            let mut stream = rig.subscribe("a");
            rig.reconnect();
            let mut again: Vec<Received> = std::iter::from_fn(|| stream.try_next()).collect();
            assert_eq!(again.iter().map(payload).collect::<Vec<_>>(), ["0", "1"], "{qos}, {takes} taken and dropped");
            again.iter_mut().for_each(|received| received.ack().unwrap());
            assert_eq!(rig.acknowledged(), 2);
        }
    }
}

#[test]
fn a_message_of_two_streams_is_not_acknowledged_for_the_one_that_dropped_it() {
    let mut rig = resumed(lasting().manual_acks(true));
    let mut everything = rig.handle.messages();
    let stream = rig.subscribe("a");
    rig.flood("a", QoS::AtLeastOnce, 1);
    everything.try_next().unwrap().ack().unwrap();
    drop(stream);
    assert_eq!(rig.acknowledged(), 0);
    assert!(matches!(rig.seen[..], [ServerEvent::Unsubscribe(_)]));
}
