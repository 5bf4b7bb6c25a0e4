//! Wills: when they are published, when not, and as what.

use std::time::Duration;

use mqtt_broker::{ClientInfo, Config, Policy};
use mqtt_proto::{Closed, Connect, Disconnect, Message, QoS, ReasonCode, Session, Timer, TopicName, Version, Will};

use crate::rig::{Rig, at, message, text, v5};

fn will(delay: u32) -> Will {
    Will { delay_interval: delay, ..Will::new(message("will", "gone")) }
}

fn mortal(delay: u32, expiry: u32) -> Connect {
    v5("mortal").with_clean_start(false).with_session_expiry_interval(expiry).with_will(will(delay))
}

fn rig_with_witness() -> (Rig, usize) {
    let mut rig = Rig::new(Config::default());
    let witness = rig.connect(v5("witness").with_keep_alive(0));
    rig.subscribe(witness, "will", QoS::ExactlyOnce);
    (rig, witness)
}

/// How one connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cut,
    Goodbye,
    GoodbyeWithWill,
    Silence,
    Protocol,
}

fn end(rig: &mut Rig, device: usize, how: End) -> Session {
    match how {
        End::Cut => rig.cut(device),
        End::Goodbye => rig.disconnect(device, Disconnect::new(ReasonCode::SUCCESS)),
        End::GoodbyeWithWill => rig.disconnect(device, Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL)),
        End::Silence => {
            rig.devices[device].is_dead = true;
            rig.advance_secs(90);
            rig.session_of(device)
        }
        End::Protocol => {
            let peer = rig.devices[device].peer;
            // A second CONNECT.
            let mut bytes = bytes::BytesMut::new();
            v5("mortal").encode(&mut bytes).unwrap();
            let now = rig.now;
            rig.links.get_mut(&peer).unwrap().handle_input(now, &mut bytes);
            rig.settle();
            rig.session_of(device)
        }
    }
}

// MQTT-3.1.2-7, MQTT-3.1.2-8, MQTT-3.1.2-10; MQTT-3.14.4-3 of both; 3.1.1: MQTT-3.1.2-8, MQTT-3.1.2-10, MQTT-3.1.2-12
#[test]
fn a_will_is_published_after_every_end_but_a_goodbye() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for how in [End::Cut, End::Goodbye, End::GoodbyeWithWill, End::Silence, End::Protocol] {
            if version != Version::V5 && how == End::GoodbyeWithWill {
                continue;
            }
            for has_will in [true, false] {
                let (mut rig, witness) = rig_with_witness();
                let connect = Connect::new(version, text("mortal"));
                let device = rig.connect(if has_will { connect.with_will(will(0)) } else { connect });
                end(&mut rig, device, how);
                let expected: &[&str] = if has_will && how != End::Goodbye { &["will=gone"] } else { &[] };
                assert_eq!(rig.received(witness), expected, "{version:?} {how:?} {has_will}");
                // Once.
                rig.advance_secs(100);
                assert!(rig.received(witness).is_empty());
            }
        }
    }
}

// MQTT-3.1.2-8, U5-3.1.3.2.2; bugs 57, 58
#[test]
fn a_will_is_due_at_the_end_of_its_delay_or_of_the_session_whichever_is_first() {
    for (delay, expiry) in [(0, 0), (5, 0), (0, 5), (5, 5), (3, 5), (5, 3), (5, u32::MAX), (u32::MAX, 5), (u32::MAX, 0)]
    {
        let (mut rig, witness) = rig_with_witness();
        let device = rig.connect(mortal(delay, expiry));
        rig.cut(device);
        let due = u64::from(delay.min(expiry)) * 1_000;
        if due > 0 {
            rig.advance(Duration::from_millis(due - 1));
            assert!(rig.received(witness).is_empty(), "{delay} {expiry}");
            rig.advance(Duration::from_millis(1));
        }
        assert_eq!(rig.received(witness), ["will=gone"], "{delay} {expiry}");
        rig.advance_secs(100);
        assert!(rig.received(witness).is_empty());
    }
}

// MQTT-3.1.3-9
#[test]
fn a_client_that_is_back_before_the_delay_ends_takes_its_will_back() {
    let (mut rig, witness) = rig_with_witness();
    let device = rig.connect(mortal(5, 60));
    let session = rig.cut(device);
    rig.advance(Duration::from_millis(4_999));
    let without = v5("mortal").with_clean_start(false).with_session_expiry_interval(60);
    let device = rig.resume(without.clone(), session);
    rig.advance_secs(10);
    assert!(rig.received(witness).is_empty());
    // The next connection had no will, so its end is silent.
    let session = rig.cut(device);
    rig.advance_secs(10);
    assert!(rig.received(witness).is_empty());
    // One moment later it is too late.
    let device = rig.resume(mortal(5, 60), session);
    let session = rig.cut(device);
    rig.advance_secs(5);
    rig.resume(without, session);
    assert_eq!(rig.received(witness), ["will=gone"]);
}

// 5.0 section 3.1.4; MQTT-3.1.2-8
#[test]
fn a_take_over_is_an_end_and_a_clean_start_ends_the_session_too() {
    for (delay, expiry, clean, published) in [
        (0, 60, false, true),
        (0, 60, true, true),
        (5, 60, false, false),
        (5, 60, true, true),
        (5, 0, false, true),
        (0, 0, true, true),
    ] {
        for was_cut in [false, true] {
            let (mut rig, witness) = rig_with_witness();
            let device = rig.connect(mortal(delay, expiry));
            if was_cut {
                rig.cut(device);
            }
            let next = v5("mortal").with_clean_start(clean).with_session_expiry_interval(60);
            rig.resume(next, Session::continued());
            let expected: &[&str] = if published { &["will=gone"] } else { &[] };
            assert_eq!(rig.received(witness), expected, "{delay} {expiry} {clean} {was_cut}");
            rig.advance_secs(100);
            assert!(rig.received(witness).is_empty());
        }
    }
}

// MQTT-3.1.2-14, MQTT-3.1.2-15; 3.1.1: MQTT-3.1.2-16, MQTT-3.1.2-17
#[test]
fn a_will_is_retained_if_it_says_so() {
    for retain in [false, true] {
        let mut rig = Rig::new(Config::default());
        let mut last = will(0);
        last.message = last.message.with_retain(retain);
        let device = rig.connect(v5("mortal").with_will(last));
        rig.cut(device);
        let late = rig.client("late");
        rig.subscribe(late, "will", QoS::AtMostOnce);
        let expected: &[&str] = if retain { &["will=gone"] } else { &[] };
        assert_eq!(rig.received(late), expected);
    }
}

// MQTT-3.1.3-10
#[test]
fn a_will_keeps_its_properties_and_its_qos() {
    let (mut rig, witness) = rig_with_witness();
    let message = at(QoS::ExactlyOnce, "will", "gone")
        .with_user_property(text("b"), text("1"))
        .with_user_property(text("a"), text("2"))
        .with_content_type(text("text/plain"))
        .with_response_topic(TopicName::from_static("re"));
    let device = rig.connect(v5("mortal").with_will(Will { message: message.clone(), delay_interval: 3 }));
    rig.cut(device);
    rig.advance_secs(3);
    assert_eq!(rig.take(witness), [message]);
}

// The interval counts from the publication, not from CONNECT.
#[test]
fn a_will_expires_after_it_was_published() {
    let (mut rig, witness) = rig_with_witness();
    let message = at(QoS::AtLeastOnce, "will", "gone").with_message_expiry_interval(10);
    let connect = v5("mortal").with_keep_alive(0).with_will(Will { message, delay_interval: 0 });
    let device = rig.connect(connect);
    rig.advance_secs(1_000);
    rig.cut(device);
    assert_eq!(rig.take(witness)[0].properties().message_expiry_interval(), Some(10));
}

#[test]
fn a_keep_alive_that_runs_out_leaves_the_will_to_its_delay() {
    let (mut rig, witness) = rig_with_witness();
    let device = rig.connect(mortal(7, 60).with_keep_alive(10));
    rig.devices[device].is_dead = true;
    rig.advance_secs(15);
    assert!(matches!(rig.links.len(), 1), "{:?}", Timer::KeepAlive);
    rig.advance(Duration::from_millis(6_999));
    assert!(rig.received(witness).is_empty());
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.received(witness), ["will=gone"]);
}

struct MayPublish(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Policy for MayPublish {
    fn publish(&mut self, client: &ClientInfo, message: &Message) -> Result<(), ReasonCode> {
        assert_eq!((client.client_id.as_str(), message.topic.as_str()), ("mortal", "will"));
        let is_allowed = self.0.load(std::sync::atomic::Ordering::Relaxed);
        if is_allowed { Ok(()) } else { Err(ReasonCode::NOT_AUTHORIZED) }
    }
}

// Bugs 38, 59
#[test]
fn the_policy_is_asked_about_a_will_at_connect_and_again_when_it_is_due() {
    let allowed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut rig = Rig::with_policy(Config::default(), MayPublish(allowed.clone()));
    let witness = rig.client("witness");
    rig.subscribe(witness, "will", QoS::AtMostOnce);
    let refused = rig.dial(mortal(0, 60), Session::new());
    assert!(rig.devices[refused].connack.is_none());
    for may_still in [true, false] {
        allowed.store(true, std::sync::atomic::Ordering::Relaxed);
        let device = rig.connect(mortal(0, 0));
        allowed.store(may_still, std::sync::atomic::Ordering::Relaxed);
        rig.cut(device);
        let expected: &[&str] = if may_still { &["will=gone"] } else { &[] };
        assert_eq!(rig.received(witness), expected);
    }
    // First what becomes of the will, then that the client is gone.
    let story: Vec<String> = rig.notices.iter().rev().take(3).map(|notice| format!("{notice:?}")).collect();
    assert!(story[0].starts_with("Disconnected") && story[2].starts_with("Dropped"), "{story:#?}");
}

// Messages wait for a client within its limits, and a shutdown publishes as many at once as there are clients.
#[test]
fn a_shutdown_publishes_wills_only_as_fast_as_those_who_are_there_take_them() {
    for is_deaf in [false, true] {
        let mut rig = Rig::new(Config { maximum_queued_messages: 10, ..Config::default() });
        let connects =
            ["witness", "deaf"].map(|id| v5(id).with_keep_alive(0).with_receive_maximum(std::num::NonZeroU16::MIN));
        let [witness, deaf] = connects.map(|connect| rig.connect(connect));
        rig.subscribe(witness, "will", QoS::AtLeastOnce);
        if is_deaf {
            rig.subscribe(deaf, "will", QoS::AtLeastOnce);
            rig.devices[deaf].holds_acks = true;
        }
        for number in 0..100 {
            rig.connect(v5(&format!("mortal-{number}")).with_will(Will::new(at(QoS::AtLeastOnce, "will", "gone"))));
        }
        rig.broker.shut_down(rig.now);
        rig.settle();
        rig.advance(Duration::from_millis(999));
        // One that takes nothing costs the others none.
        assert_eq!((rig.received(witness).len(), rig.devices[witness].closed.is_some()), (100, true));
        rig.advance(Duration::from_millis(1));
        for device in [witness, deaf] {
            let Some(Closed::Remote(disconnect)) = &rig.devices[device].closed else { panic!("no DISCONNECT") };
            assert_eq!(disconnect.reason, ReasonCode::SERVER_SHUTTING_DOWN);
        }
        assert!(rig.links.is_empty());
    }
}
