//! Keep alive and the other timers, to the millisecond (5.0 §3.1.2.10, §3.2.2.3.14).

use core::time::Duration;

use mqtt_proto::{Closed, Config, Connect, Instant, QoS, Session, Text, Timer, Version};
use mqtt_sim::pair::{Pair, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// A minute of keep alive: PINGREQ is due after 52.5 s, the server closes after 90 s.
fn minute(version: Version) -> Pair {
    Scenario::new(version).keep_alive(60).connected()
}

fn with_keep_alive(version: Version, seconds: u16) -> Connect {
    let mut connect = Connect::new(version, Text::from_static("c"));
    connect.keep_alive = seconds;
    connect
}

fn pings(pair: &Pair) -> Vec<u64> {
    let lines = pair.timed_wire().into_iter().filter(|line| line.ends_with("client: PINGREQ"));
    lines.map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect()
}

// MQTT-3.1.2-20; MQTT-3.1.2-23 of 3.1.1; MQTT-3.12.4-1
#[test]
fn an_idle_client_pings_an_eighth_before_the_interval_ends() {
    for version in VERSIONS {
        let mut pair = minute(version);
        pair.run_until(120_000);
        assert_eq!(
            pair.timed_wire(),
            ["52500 client: PINGREQ", "52500 server: PINGRESP", "105000 client: PINGREQ", "105000 server: PINGRESP"]
        );
        assert!(pair.client.connection.is_open() && pair.server.connection.is_open());
        assert!(!pair.client.connection.awaits_ping_response());
    }
}

#[test]
fn what_the_client_sends_puts_the_ping_off() {
    for version in VERSIONS {
        for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = minute(version);
            pair.run_until(30_000);
            pair.publish(Side::Client, qos, "a");
            pair.run_until(90_000);
            assert_eq!(pings(&pair), [82_500]);
        }
    }
}

// STYLE: keep alive measured from the last received packet, or skipped while data flows in.
// MQTT-3.1.2-20, MQTT-3.1.2-23
#[test]
fn what_the_client_receives_does_not_put_the_ping_off() {
    for version in VERSIONS {
        let mut pair = minute(version);
        for second in 1..60 {
            pair.run_until(second * 1_000);
            pair.publish(Side::Server, QoS::AtMostOnce, "a");
        }
        assert_eq!(pings(&pair), [52_500]);
    }
}

#[test]
fn an_acknowledgement_is_something_sent() {
    let mut pair = minute(Version::V5);
    pair.run_until(30_000);
    pair.publish(Side::Server, QoS::AtLeastOnce, "a");
    pair.run_until(90_000);
    assert_eq!(pings(&pair), [82_500]);
}

#[test]
fn a_client_that_only_sends_finds_a_dead_link_too() {
    for version in VERSIONS {
        let mut pair = minute(version);
        pair.half_open();
        for second in (10..=100).step_by(10) {
            pair.run_until(second * 1_000);
            if pair.client.connection.is_open() {
                pair.publish(Side::Client, QoS::AtMostOnce, "into the void");
            }
        }
        pair.run_until(100_000);
        assert_eq!(pair.client.closed, Some(Closed::TimedOut(Timer::PingResponse)));
        assert_eq!(pings(&pair), [90_000]);
    }
}

#[test]
fn a_half_open_link_is_found_ten_seconds_after_the_ping() {
    for version in VERSIONS {
        let mut pair = minute(version);
        pair.half_open();
        pair.run_until(52_499);
        assert!(!pair.client.connection.awaits_ping_response());
        pair.run_until(62_499);
        assert!(pair.client.connection.awaits_ping_response() && pair.client.connection.is_open());
        assert!(pair.step());
        assert_eq!(pair.now(), 62_500);
        assert_eq!(pair.client.closed, Some(Closed::TimedOut(Timer::PingResponse)));
    }
}

#[test]
fn the_ping_timeout_can_be_chosen_and_a_late_answer_counts() {
    let scenario = Scenario::new(Version::V5).keep_alive(60).with(|it| {
        it.client.ping_timeout = Duration::from_millis(1_500);
        it.latency = [0, 1_499];
    });
    let mut pair = scenario.connected();
    pair.run_until(200_000);
    assert!(pair.client.connection.is_open());
    pair.scenario.latency = [0, 1_500];
    pair.reconnect(mqtt_sim::pair::Memory::Both);
    pair.run_until(400_000);
    assert!(pair.client.connection.is_open(), "what comes at the deadline comes before the timer");
    pair.scenario.latency = [0, 1_501];
    pair.reconnect(mqtt_sim::pair::Memory::Both);
    pair.run_until(600_000);
    assert_eq!(pair.client.closed, Some(Closed::TimedOut(Timer::PingResponse)));
}

// MQTT-3.1.2-22; MQTT-3.1.2-24 of 3.1.1. bugs.tsv 73.
// MQTT-3.2.2-22
#[test]
fn the_server_closes_after_one_and_a_half_intervals() {
    for version in VERSIONS {
        for seconds in [1, 10, 60, u16::MAX] {
            let mut server = Solo::accepted(with_keep_alive(version, seconds), Config::default());
            let deadline = u64::from(seconds) * 1_500;
            assert_eq!(server.connection.poll_timeout(), Some(Instant::from_millis(deadline)));
            server.connection.handle_timeout(Instant::from_millis(deadline - 1));
            assert!(server.connection.is_open());
            server.connection.handle_timeout(Instant::from_millis(deadline));
            assert_eq!(server.events(), ["Closed: timed out, KeepAlive"]);
            // MQTT-3.14.1: a 3.x server has no DISCONNECT.
            let goodbye: &[&str] = if version == Version::V5 { &["DISCONNECT 0x8D"] } else { &[] };
            assert_eq!(server.sent(), goodbye);
        }
    }
}

#[test]
fn the_server_counts_from_the_last_packet_received_and_not_sent() {
    for version in VERSIONS {
        let mut server = Solo::accepted(with_keep_alive(version, 10), Config::default());
        server.now = 7_000;
        server.feed(&[0xC0, 0]);
        assert_eq!(server.sent(), ["PINGRESP"]);
        assert_eq!(server.connection.poll_timeout(), Some(Instant::from_millis(22_000)));
        server.now = 9_000;
        // Half a packet is no packet.
        server.feed(&[0x30]);
        assert_eq!(server.connection.poll_timeout(), Some(Instant::from_millis(22_000)));
    }
}

#[test]
fn nothing_that_the_server_sends_moves_its_deadline() {
    let message = mqtt_proto::Message::new(mqtt_proto::TopicName::from_static("t"), "x");
    for version in VERSIONS {
        let mut server = Solo::accepted(with_keep_alive(version, 60), Config::default());
        assert_eq!(server.connection.poll_timeout(), Some(Instant::from_millis(90_000)));
        server.connection.publish(Instant::from_millis(1_000), message.clone()).unwrap();
        assert_eq!(server.connection.poll_timeout(), Some(Instant::from_millis(90_000)));
    }
}

// MQTT-3.1.2-21, MQTT-3.2.2-21, MQTT-3.2.2-22
#[test]
fn the_server_can_choose_the_interval_in_5_0() {
    for by_config in [false, true] {
        let scenario = Scenario::new(Version::V5).keep_alive(60).with(|it| {
            if by_config {
                it.server.server_keep_alive = Some(10);
            } else {
                it.connack = it.connack.clone().with_server_keep_alive(10);
            }
        });
        let mut pair = scenario.connected();
        assert_eq!(pair.client.connection.keep_alive(), Duration::from_secs(10));
        assert_eq!(pair.server.connection.keep_alive(), Duration::from_secs(10));
        pair.run_until(8_750);
        assert_eq!(pings(&pair), [8_750]);
        pair.half_open();
        pair.run_until(8_750 + 15_000);
        assert_eq!(pair.server.closed, Some(Closed::TimedOut(Timer::KeepAlive)));
    }
    let off = Scenario::new(Version::V5).keep_alive(60).with(|it| it.server.server_keep_alive = Some(0)).connected();
    assert_eq!(off.next(), None);
    for version in [Version::V31, Version::V311] {
        let pair = Scenario::new(version).keep_alive(60).with(|it| it.server.server_keep_alive = Some(10)).connected();
        assert_eq!(pair.server.connection.keep_alive(), Duration::from_secs(60), "3.x has no words for it");
    }
}

#[test]
fn an_interval_of_zero_means_no_timers_at_all() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).keep_alive(0).connected();
        assert_eq!(pair.next(), None);
        pair.publish(Side::Client, QoS::ExactlyOnce, "a");
        pair.publish(Side::Server, QoS::ExactlyOnce, "b");
        pair.run();
        assert_eq!(pair.next(), None);
    }
}

#[test]
fn an_application_that_does_not_read_does_not_kill_the_link() {
    for version in VERSIONS {
        for side in Side::BOTH {
            let scenario = Scenario::new(version).keep_alive(60).with(|it| {
                it.client.event_limit = 2;
                it.server.event_limit = 2;
            });
            let mut pair = scenario.connected();
            match side {
                Side::Client => pair.client.reads = false,
                Side::Server => pair.server.reads = false,
            }
            for payload in ["a", "b", "c"] {
                pair.publish(side.other(), QoS::AtLeastOnce, payload);
            }
            pair.run();
            // The other end is asleep: only the reader's own machine could close.
            let end = 3_600_000 + 7;
            match side {
                Side::Client => {
                    while pair.client.connection.poll_timeout().is_some_and(|at| at.as_millis() < end) {
                        pair.settle();
                        let at = pair.client.connection.poll_timeout().unwrap();
                        pair.client.connection.handle_timeout(at);
                    }
                    assert!(pair.client.connection.is_open());
                }
                Side::Server => {
                    pair.settle();
                    while pair.server.connection.poll_timeout().is_some_and(|at| at.as_millis() < end) {
                        let at = pair.server.connection.poll_timeout().unwrap();
                        pair.server.connection.handle_timeout(at);
                    }
                    assert!(pair.server.connection.is_open());
                }
            }
        }
    }
}

// The timer fires right after the application has begun to read again, and before the bytes that waited are handed in.
#[test]
fn an_application_that_reads_again_gives_the_peer_a_full_period() {
    for version in VERSIONS {
        let config = Config { event_limit: 1, ..Config::default() };
        let connect = with_keep_alive(version, 10);
        let mut server = Solo::accepted(connect, config);
        server.feed(
            &[0x30, if version == Version::V5 { 4 } else { 3 }, 0, 1, b't', 0]
                [..if version == Version::V5 { 6 } else { 5 }],
        );
        server.now = 14_999;
        assert_eq!(server.events().len(), 1);
        server.connection.handle_timeout(Instant::from_millis(15_000));
        assert!(server.connection.is_open());
        server.connection.handle_timeout(Instant::from_millis(29_999));
        assert!(server.connection.is_open());
        server.connection.handle_timeout(Instant::from_millis(30_000));
        assert!(server.connection.is_closed());
    }
}

#[test]
fn early_and_spurious_timeouts_do_nothing_and_time_never_goes_back() {
    let mut pair = minute(Version::V5);
    pair.run_until(50_000);
    pair.publish(Side::Client, QoS::AtLeastOnce, "a");
    pair.run();
    let next = pair.client.connection.poll_timeout();
    for millis in [0, 1, 50_000, 102_499] {
        pair.client.connection.handle_timeout(Instant::from_millis(millis));
        pair.server.connection.handle_timeout(Instant::from_millis(0));
        assert_eq!(pair.client.connection.poll_timeout(), next);
    }
    assert_eq!(next, Some(Instant::from_millis(102_500)));
    // An hour back: what is sent now is sent at the last moment heard of.
    let message = mqtt_proto::Message::new(mqtt_proto::TopicName::from_static("t"), "");
    pair.client.connection.publish(Instant::ZERO, message).unwrap();
    assert_eq!(pair.client.connection.poll_timeout(), Some(Instant::from_millis(140_000)));
    // A day forward: one ping, not a thousand.
    pair.client.connection.handle_timeout(Instant::from_millis(86_400_000));
    pair.settle();
    assert_eq!(pings(&pair).len(), 1);
}

#[test]
fn connack_must_come_within_ten_seconds() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).latency(5_000).begun();
        pair.run();
        assert!(pair.client.connection.is_open(), "what comes at the deadline comes before the timer");
        let mut pair = Scenario::new(version).latency(5_001).begun();
        pair.run();
        assert_eq!(pair.client.closed, Some(Closed::TimedOut(Timer::Handshake)));
        assert_eq!(pair.events().last().map(String::as_str), Some("server: Closed: end of transport"));
    }
}

// bugs.tsv 78
#[test]
fn connect_must_come_within_ten_seconds() {
    let mut server = Solo::listening(Config::default());
    server.feed(&[0x10]);
    server.connection.handle_timeout(Instant::from_millis(9_999));
    assert!(!server.connection.is_closed());
    server.connection.handle_timeout(Instant::from_millis(10_000));
    assert_eq!(server.events(), ["Closed: timed out, Handshake"]);
    assert!(server.sent_bytes().is_empty());
    assert_eq!(server.connection.poll_timeout(), None);
}

#[test]
fn the_servers_application_may_take_its_time_to_accept() {
    let mut pair = Scenario::new(Version::V5).with(|it| it.accepts = false).begun();
    pair.client.connection = mqtt_proto::Connection::connect(
        Instant::ZERO,
        pair.scenario.connect.clone(),
        Config { handshake_timeout: Duration::from_secs(3_600), ..Config::default() },
        Session::new(),
    )
    .unwrap();
    pair.run();
    pair.run_until(3_599_000);
    pair.accept(false);
    pair.run();
    assert!(pair.client.connection.is_open() && pair.server.connection.is_open());
}

// I1: no call hangs, at whatever time.
#[test]
fn the_end_of_time_is_no_endless_loop() {
    for version in VERSIONS {
        let mut pair = minute(version);
        let end = Instant::from_millis(u64::MAX);
        for _ in 0..5 {
            pair.client.connection.handle_timeout(end);
            pair.server.connection.handle_timeout(end);
        }
        assert!(pair.server.connection.is_closed());
    }
}

#[test]
fn a_closed_connection_has_no_timers() {
    for version in VERSIONS {
        let mut pair = minute(version);
        pair.cut();
        assert_eq!(pair.next(), None);
    }
}

/// Writes so many bytes each second, and returns how many seconds the client lived of `seconds`.
fn upload(client: &mut Solo<mqtt_proto::Client>, each_second: usize, seconds: u64) -> u64 {
    use bytes::Buf;
    for second in 1..=seconds {
        let now = Instant::from_millis(second * 1_000);
        client.connection.handle_timeout(now);
        if client.connection.is_closed() {
            return second;
        }
        let outbox = client.connection.outbox();
        for _ in 0..each_second {
            if outbox.has_remaining() {
                outbox.advance(1);
            }
        }
    }
    seconds
}

fn uploading(keep_alive: u16, size: usize) -> Solo<mqtt_proto::Client> {
    let connect = with_keep_alive(Version::V311, keep_alive);
    let connack = mqtt_proto::ConnAck::new(false, mqtt_proto::ReasonCode::SUCCESS);
    let mut client = Solo::dialling(connect, Config::default(), Session::new()).welcome(connack);
    let message = mqtt_proto::Message::new(mqtt_proto::TopicName::from_static("t"), vec![0; size]);
    client.connection.publish(Instant::ZERO, message).unwrap();
    client
}

// Found by thinking of 100 MB over 1 MB/s: PINGREQ waits behind the message, and its answer cannot come in time.
#[test]
fn a_slow_upload_does_not_kill_the_link() {
    let mut client = uploading(10, 100_000);
    assert_eq!(upload(&mut client, 1_000, 105), 105);
    // All is out, and still nothing comes: the server had two periods at most.
    let end = upload(&mut client, 1_000, 300);
    assert!((105..=125).contains(&end), "{end}");
}

#[test]
fn an_upload_that_does_not_move_is_found_in_time() {
    let mut client = uploading(10, 100_000);
    assert_eq!(upload(&mut client, 0, 300), 19, "8.75 s, and ten more");
}

// bugs.tsv 79
#[test]
fn the_server_waits_for_a_large_packet_as_long_as_it_grows_by_kilobytes() {
    let mut server = Solo::accepted(with_keep_alive(Version::V311, 10), Config::default());
    server.feed(&[0x30, 0xFF, 0xFF, 0x7F, 0, 1, b't']);
    for second in 1..100 {
        server.now = second * 1_000;
        server.connection.handle_timeout(server.instant());
        server.feed(&[0; 100]);
        assert!(server.connection.is_open(), "{second}");
    }
    for second in 100..130 {
        server.now = second * 1_000;
        server.connection.handle_timeout(server.instant());
        server.feed(&[0]);
    }
    assert!(server.connection.is_closed());
}
