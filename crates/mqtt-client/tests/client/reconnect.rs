//! When the client comes back, and when it must not.

use std::time::Duration;

use crate::world::{World, endpoint, options};
use mqtt_client::{Backoff, Error, Event, Options, ReasonCode, Text, Version};
use mqtt_proto::{ConnAck, Disconnect, Instant, QoS, Session, Timer};

const EXACT: Backoff = Backoff {
    initial: Duration::from_millis(100),
    maximum: Duration::from_secs(1),
    factor: 2,
    jitter_percent: 0,
    stable_after: Duration::from_secs(20),
};

fn retrying() -> Options {
    options().retry_first_connect(true).backoff(EXACT)
}

fn fail_dial(world: &mut World) {
    world.client.poll_open(world.now).expect("the client wants to dial");
    world.client.handle_open_failed(world.now, &"connection refused");
    world.poll();
}

#[test]
fn waits_double_from_failure_to_failure_up_to_the_maximum() {
    let mut world = World::new(retrying());
    let mut waits = Vec::new();
    for _ in 0..6 {
        fail_dial(&mut world);
        waits.push(world.wait_for_dial().as_millis());
    }
    assert_eq!(waits, [100, 200, 400, 800, 1000, 1000]);
}

#[test]
fn the_same_seed_gives_the_same_jittered_waits() {
    let waits = |seed| {
        let mut world = World::new(options().retry_first_connect(true).seed(seed));
        Vec::from_iter((0..8).map(|_| {
            fail_dial(&mut world);
            world.wait_for_dial()
        }))
    };
    assert_eq!(waits(1), waits(1));
    assert_ne!(waits(1), waits(2));
}

#[test]
fn waits_start_anew_only_after_a_stable_connection() {
    let mut world = World::connected(retrying());
    world.cut();
    assert_eq!(world.wait_for_dial().as_millis(), 100);
    world.connect(None);
    world.advance(Duration::from_millis(19_999));
    world.cut();
    assert_eq!(world.wait_for_dial().as_millis(), 200, "the connection was too short to count");
    world.connect(None);
    world.advance(Duration::from_millis(20_000));
    world.cut();
    assert_eq!(world.wait_for_dial().as_millis(), 100);
}

#[test]
fn the_first_connection_is_tried_once_unless_asked_otherwise() {
    let mut world = World::new(options());
    fail_dial(&mut world);
    assert!(world.client.is_done());
    assert_eq!(world.stop_reason().unwrap().to_string(), "cannot reach broker.example:1883: connection refused");
}

// D31-downgrade
#[test]
fn refusals_that_waiting_cannot_cure_stop_the_client() {
    for reason in [0x81, 0x82, 0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C, 0x90, 0x95, 0x99, 0x9A, 0x9B, 0x9D].map(ReasonCode) {
        let mut world = World::new(retrying());
        world.dial();
        world.refuse(ConnAck::new(false, reason));
        assert!(world.client.is_done(), "{reason}");
        assert_eq!(world.stop_reason(), Some(&Error::Refused { reason, text: None }));
        assert_eq!(world.client.poll_timeout(), None);
    }
}

#[test]
fn refusals_that_pass_with_time_are_waited_out() {
    for reason in [0x80, 0x83, 0x88, 0x89, 0x97, 0x9C, 0x9F].map(ReasonCode) {
        let mut world = World::new(retrying());
        world.dial();
        world.refuse(ConnAck::new(false, reason));
        assert!(!world.client.is_done(), "{reason}");
        assert_eq!(world.wait_for_dial().as_millis(), 100, "{reason}");
    }
}

#[test]
fn the_refusal_reaches_the_user_in_words() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut world = World::new(options().version(version));
        world.dial();
        world.refuse(ConnAck::new(false, ReasonCode::BAD_USER_NAME_OR_PASSWORD));
        let said = world.stop_reason().unwrap().to_string();
        assert_eq!(said, "the server refused the connection: 0x86 bad user name or password", "{version}");
    }
}

#[test]
fn a_client_whose_session_was_taken_over_does_not_fight() {
    let mut world = World::connected(retrying());
    world.server.disconnect(world.now, Disconnect::new(ReasonCode::SESSION_TAKEN_OVER)).unwrap();
    world.settle();
    world.close();
    assert!(world.client.is_done());

    let mut world = World::connected(retrying().reconnect_when_taken_over(true));
    world.server.disconnect(world.now, Disconnect::new(ReasonCode::SESSION_TAKEN_OVER)).unwrap();
    world.settle();
    world.close();
    assert_eq!(world.wait_for_dial().as_millis(), 100);
}

// 0x9C is for a time, 0x9D is for good, whether it is allowed and possible to follow or not.
#[test]
fn a_server_that_has_moved_for_good_is_not_tried_again() {
    for (reason, follows, is_done) in [
        (ReasonCode::SERVER_MOVED, false, true),
        (ReasonCode::SERVER_MOVED, true, true),
        (ReasonCode::USE_ANOTHER_SERVER, false, false),
        (ReasonCode::USE_ANOTHER_SERVER, true, false),
    ] {
        // It does not say where to.
        let mut world = World::connected(retrying().follow_redirects(follows));
        world.server.disconnect(world.now, Disconnect::new(reason)).unwrap();
        world.settle();
        world.close();
        assert_eq!(world.client.is_done(), is_done, "{reason}, follows: {follows}");
    }
}

#[test]
fn a_server_that_shuts_down_is_waited_for() {
    let mut world = World::connected(retrying());
    world.server.disconnect(world.now, Disconnect::new(ReasonCode::SERVER_SHUTTING_DOWN)).unwrap();
    world.settle();
    world.close();
    assert_eq!(world.wait_for_dial().as_millis(), 100);
}

#[test]
fn without_reconnect_the_first_loss_is_the_end() {
    let mut world = World::connected(options().reconnect(false));
    world.cut();
    assert!(world.client.is_done());
    assert!(matches!(world.stop_reason(), Some(Error::ConnectionLost { .. })));
}

#[test]
fn redirects_are_followed_only_when_allowed_and_not_in_circles() {
    let elsewhere = || {
        let reference = Text::from_static("other.example:2883");
        ConnAck::new(false, ReasonCode::USE_ANOTHER_SERVER).with_server_reference(reference)
    };
    let mut world = World::new(options());
    world.dial();
    world.refuse(elsewhere());
    assert!(world.client.is_done(), "not allowed");

    let mut world = World::new(options().follow_redirects(true));
    world.dial();
    world.refuse(elsewhere());
    for _ in 0..3 {
        let server = world.client.poll_open(world.now).expect("at once, without a wait");
        assert_eq!(server.to_string(), endpoint("other.example", 2883));
        world.client.handle_open(world.now);
        world.server = mqtt_proto::Connection::listen(world.now, world.config.clone());
        world.settle();
        world.refuse(elsewhere());
    }
    world.dial();
    world.refuse(elsewhere());
    assert!(world.client.is_done(), "four in a row are enough");
}

#[test]
fn a_dial_without_an_answer_is_given_up_after_the_connect_timeout() {
    let mut world = World::new(retrying().connect_timeout(Duration::from_secs(3)));
    let server = world.client.poll_open(world.now).unwrap();
    assert_eq!(server.timeout, Duration::from_secs(3));
    assert_eq!(world.client.poll_timeout(), Some(Instant::from_millis(4_000)));
    world.advance(Duration::from_secs(3));
    assert!(world.client.wants_close());
    world.client.handle_open(world.now); // too late
    assert!(world.client.wants_close());
    world.close();
    assert!(matches!(
        world.events.first(),
        Some(Event::Disconnected { reason: Error::Unreachable { .. }, retry_in: Some(_) })
    ));
    assert_eq!(world.wait_for_dial().as_millis(), 100);
}

#[test]
fn a_silent_server_is_noticed_by_the_keep_alive() {
    let mut world = World::connected(retrying().keep_alive(10));
    // Nothing is carried: the link is half open.
    while !world.client.wants_close() {
        world.now = world.client.poll_timeout().unwrap();
        world.client.handle_timeout(world.now);
        world.poll();
    }
    assert!(matches!(
        world.events.last(),
        Some(Event::Disconnected { reason: Error::TimedOut(Timer::PingResponse), .. })
    ));
    assert_eq!(world.now.as_millis(), 1_000 + 8_750 + 10_000);
}

#[test]
fn clean_start_is_for_the_first_connection_of_a_client_that_can_resume() {
    let flags = |options: Options| {
        let mut world = World::new(options.retry_first_connect(true));
        let first = world.connect(None).clean_start;
        world.cut();
        world.wait_for_dial();
        (first, world.connect(Some(Session::continued())).clean_start)
    };
    assert_eq!(flags(options()), (true, false), "the default keeps the session while the client lives");
    assert_eq!(flags(options().session_expiry(5)), (true, false));
    assert_eq!(flags(options().clean_start(false)), (false, false));
    let never_kept = |version| {
        let mut world = World::new(options().version(version));
        let first = world.connect(None).clean_start;
        world.cut();
        world.wait_for_dial();
        (first, world.connect(None).clean_start)
    };
    assert_eq!(never_kept(Version::V311), (true, true), "the server has forgotten it");
    assert_eq!(never_kept(Version::V31), (true, true));
}

#[test]
fn a_session_that_nobody_can_resume_starts_clean_again() {
    let mut world = World::new(options().session_expiry(0));
    assert!(world.connect(None).clean_start);
    world.cut();
    world.wait_for_dial();
    assert!(world.connect(None).clean_start);
}

#[test]
fn a_client_that_continues_accepts_what_an_earlier_process_left() {
    let mut world = World::new(options().clean_start(false));
    let connect = world.connect(Some(Session::continued()));
    assert_eq!(connect.properties().session_expiry_interval(), Some(u32::MAX));
    assert!(matches!(world.events.first(), Some(Event::Connected(connack)) if connack.session_present));
}

#[test]
fn the_default_session_lives_as_long_as_the_client() {
    let mut world = World::new(options());
    let connect = world.connect(None);
    assert_eq!(connect.properties().session_expiry_interval(), Some(300));
    world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    world.poll();
    world.settle();
    assert_eq!(world.server.session_expiry_interval(), 0, "nothing stays behind");
}

// MQTT-3.2.2-16
#[test]
fn an_assigned_client_id_is_used_again() {
    let mut world = World::new(Options::new("h", 1).seed(1));
    assert_eq!(world.dial().client_id, "");
    let connack = ConnAck::new(false, ReasonCode::SUCCESS).with_assigned_client_identifier(Text::from_static("auto-1"));
    world.accept(connack, None);
    world.cut();
    world.wait_for_dial();
    assert_eq!(world.connect(Some(Session::continued())).client_id, "auto-1");
}

// D31-clientid
#[test]
fn mqtt_3_1_gets_a_client_id_made_from_the_seed() {
    let id = |seed| World::new(Options::new("h", 1).version(Version::V31).seed(seed)).dial().client_id.to_string();
    assert!((1..=23).contains(&id(1).len()) && id(1).bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}

#[test]
fn options_that_make_no_connect_packet_are_refused_at_once() {
    let error = |options: Options| mqtt_client::Client::new(options).unwrap_err().to_string();
    let nameless = Options::new("h", 1).version(Version::V311).clean_start(false);
    assert!(error(nameless).contains("set client_id"));
    assert!(error(options().version(Version::V311).session_expiry(9)).contains("MQTT 3.1.1"));
    assert!(error(options().version(Version::V311).password("x")).contains("CONNECT"));
    assert!(error(options().client_id("a\0b")).starts_with("client_id: "));
}

#[test]
fn a_disconnect_while_nothing_is_dialled_ends_at_once() {
    let mut world = World::new(retrying());
    fail_dial(&mut world);
    world.client.disconnect(world.now, Disconnect::new(ReasonCode::SUCCESS)).unwrap();
    world.poll();
    assert!(world.client.is_done());
    assert_eq!(world.stop_reason(), Some(&Error::Stopped));
    assert_eq!(world.client.publish(world.now, crate::world::message("a", QoS::AtMostOnce)), Err(Error::Stopped));
}
