//! SUBSCRIBE and UNSUBSCRIBE with their answers (5.0 §3.8 to §3.11).

use mqtt_proto::{
    CommandError, Config, Connect, Instant, Packet, PacketId, QoS, ReasonCode, ServerEvent, Subscribe, Subscription,
    Text, TopicFilter, Unsubscribe, Version,
};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn undecided(version: Version) -> Pair {
    Scenario::new(version).with(|it| it.grants = false).connected()
}

// MQTT-3.8.4-1, MQTT-3.8.4-2, MQTT-3.8.4-6, MQTT-3.9.3-1, MQTT-3.10.4-4
// MQTT-2.2.1-6, MQTT-2.3.1-7, MQTT-3.8.4-7, MQTT-3.11.3-1
#[test]
fn each_filter_gets_its_answer_in_its_place() {
    for version in VERSIONS {
        let mut pair = undecided(version);
        let token = pair.subscribe(&["a", "b/+", "c/#"], QoS::ExactlyOnce).unwrap();
        pair.run();
        let request = pair.server.subscribes.pop_front().unwrap();
        let granted = [ReasonCode::GRANTED_QOS_2, ReasonCode::SUCCESS, ReasonCode::GRANTED_QOS_1];
        pair.server.connection.suback(pair.instant(), request, &granted).unwrap();
        pair.run();
        assert_eq!(
            pair.wire(),
            ["client: SUBSCRIBE id 1 'a' QoS 2 'b/+' QoS 2 'c/#' QoS 2", "server: SUBACK id 1 0x02 0x00 0x01"]
        );
        assert_eq!(pair.events()[1], format!("client: Subscribed {token} 0x02 0x00 0x01"));
        pair.forget_log();
        let filters = ["a", "c/#"].map(TopicFilter::from_static).to_vec();
        let token = pair.client.connection.unsubscribe(pair.instant(), Unsubscribe::new(filters)).unwrap();
        pair.run();
        let request = pair.server.unsubscribes.pop_front().unwrap();
        let done = [ReasonCode::SUCCESS, ReasonCode::NO_SUBSCRIPTION_EXISTED];
        pair.server.connection.unsuback(pair.instant(), request, &done).unwrap();
        pair.run();
        // MQTT-3.10.4-5; 3.x has no codes here.
        let codes = if version == Version::V5 { " 0x00 0x11" } else { "" };
        assert_eq!(
            pair.wire(),
            ["client: UNSUBSCRIBE id 1 'a' 'c/#'".to_owned(), format!("server: UNSUBACK id 1{codes}")]
        );
        assert_eq!(pair.events()[1], format!("client: Unsubscribed {token}{codes}"));
        pair.assert_quiet();
    }
}

// 3.1 has no failure code, 3.1.1 has one, 5.0 has several (MQTT-3.9.3-2).
// D31-suback
#[test]
fn failures_are_told_as_the_version_can() {
    let failure = ReasonCode::NOT_AUTHORIZED;
    for (version, code) in VERSIONS.into_iter().zip([None, Some(0x80), Some(0x87)]) {
        let mut pair = undecided(version);
        pair.subscribe(&["a"], QoS::AtMostOnce).unwrap();
        pair.run();
        let request = pair.server.subscribes.pop_front().unwrap();
        let result = pair.server.connection.suback(pair.instant(), request, &[failure]);
        pair.run();
        match code {
            Some(code) => assert_eq!(pair.wire()[1], format!("server: SUBACK id 1 0x{code:02X}")),
            None => assert!(result.is_err() && pair.wire().len() == 1),
        }
    }
}

// MQTT-3.8.4-6, MQTT-3.11.3-2
// MQTT-3.8.4-5, U5-3.9.2
#[test]
fn the_servers_application_must_answer_every_filter() {
    for version in VERSIONS {
        for count in [0, 1, 3] {
            let mut pair = undecided(version);
            pair.subscribe(&["a", "b"], QoS::AtMostOnce).unwrap();
            let filters = ["a", "b"].map(TopicFilter::from_static).to_vec();
            pair.client.connection.unsubscribe(pair.instant(), Unsubscribe::new(filters)).unwrap();
            pair.run();
            let codes = vec![ReasonCode::SUCCESS; count];
            let request = pair.server.subscribes.pop_front().unwrap();
            let rejected = pair.server.connection.suback(pair.instant(), request, &codes).unwrap_err();
            assert!(matches!(rejected.kind(), CommandError::NotAllowed(_)));
            // It is given back, and can be answered as it should.
            pair.server.connection.suback(pair.instant(), rejected.into_inner(), &[ReasonCode::SUCCESS; 2]).unwrap();
            let request = pair.server.unsubscribes.pop_front().unwrap();
            let rejected = pair.server.connection.unsuback(pair.instant(), request, &codes).unwrap_err();
            assert!(matches!(rejected.kind(), CommandError::NotAllowed(_)));
            pair.server.connection.unsuback(pair.instant(), rejected.into_inner(), &[ReasonCode::SUCCESS; 2]).unwrap();
            pair.run();
            assert_eq!(pair.wire().iter().filter(|line| line.contains("SUBACK")).count(), 2);
        }
    }
}

// MQTT-3.9.2-1, MQTT-3.9.2-2, MQTT-3.11.2-1, MQTT-3.11.2-2: a Maximum Packet Size goes before the reasons. MQTT-3.1.2-29: as
// does a client that wants no problem information.
#[test]
fn an_answer_says_why_if_the_client_can_hear_it() {
    let why = || Text::from_static("quota");
    let pair = || Text::from_static("used");
    let hello = || Connect::new(Version::V5, Text::from_static("c"));
    let cases = [
        (hello(), " ReasonString 'quota' UserProperty 'used=used'"),
        (hello().with_maximum_packet_size(20.try_into().unwrap()), " ReasonString 'quota'"),
        (hello().with_maximum_packet_size(10.try_into().unwrap()), ""),
        (hello().with_request_problem_information(false), ""),
        (Connect::new(Version::V311, Text::from_static("c")), ""),
    ];
    for (connect, extra) in cases {
        let version = connect.version;
        let mut server = Solo::accepted(connect, Config::default());
        let filter = TopicFilter::from_static("a");
        let mut subscribe = Subscribe::new(vec![Subscription::new(filter.clone(), QoS::AtMostOnce)]);
        let mut unsubscribe = Unsubscribe::new(vec![filter]);
        (subscribe.packet_id, unsubscribe.packet_id) = (PacketId::new(7).unwrap(), PacketId::new(8).unwrap());
        server.feed_packet(&Packet::Subscribe(subscribe));
        server.feed_packet(&Packet::Unsubscribe(unsubscribe));
        let Some(ServerEvent::Subscribe(request)) = server.connection.poll_event() else { panic!("a SUBSCRIBE") };
        let request = request.with_reason_string(why()).with_user_property(pair(), pair());
        server.connection.suback(Instant::ZERO, request, &[ReasonCode::SUCCESS]).unwrap();
        let Some(ServerEvent::Unsubscribe(request)) = server.connection.poll_event() else { panic!("an UNSUBSCRIBE") };
        let request = request.with_reason_string(why()).with_user_property(pair(), pair());
        server.connection.unsuback(Instant::ZERO, request, &[ReasonCode::SUCCESS]).unwrap();
        let code = if version == Version::V5 { " 0x00" } else { "" };
        assert_eq!(server.sent(), [format!("SUBACK id 7 0x00{extra}"), format!("UNSUBACK id 8{code}{extra}")]);
    }
}

fn ask(version: Version, filters: &[&'static str]) -> Solo<mqtt_proto::Client> {
    let mut client = Solo::client(version);
    let one = |filter: &&'static str| Subscription::new(TopicFilter::from_static(filter), QoS::AtMostOnce);
    client.connection.subscribe(Instant::ZERO, Subscribe::new(filters.iter().map(one).collect())).unwrap();
    let filters = filters.iter().map(|filter| TopicFilter::from_static(filter)).collect();
    client.connection.unsubscribe(Instant::ZERO, Unsubscribe::new(filters)).unwrap();
    client.sent();
    client
}

// bugs.tsv 15: none, fewer, more codes. MQTT-3.8.4-6; MQTT-3.8.4-5 of 3.1.1.
#[test]
fn a_suback_with_the_wrong_number_of_codes_closes() {
    for version in VERSIONS {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        for count in [0_u8, 1, 3] {
            for first in [0x90, 0xB0] {
                if first == 0xB0 && version != Version::V5 {
                    continue;
                }
                let mut client = ask(version, &["a", "b"]);
                let id = if first == 0x90 { 1 } else { 2 };
                let body = [&[0, id], properties, &vec![0; count.into()]].concat();
                client.feed(&[&[first, body.len() as u8][..], &body].concat());
                let events = client.events();
                assert!(client.connection.is_closed(), "{version} {count} {events:?}");
                assert!(events[0].contains("reason code") || events[0].contains("return code"), "{events:?}");
            }
        }
    }
}

// MQTT-2.2.1-6; bugs.tsv 50: SUBACK confirms the wrong request.
#[test]
fn an_answer_to_another_request_closes() {
    let cases: [(&[u8], &str); 6] = [
        (&[0x90, 4, 0, 2, 0, 0], "SUBACK"),   // the id of an UNSUBSCRIBE
        (&[0xB0, 4, 0, 1, 0, 0], "UNSUBACK"), // the id of a SUBSCRIBE
        (&[0x90, 4, 0, 9, 0, 0], "SUBACK"),   // the id of nothing
        (&[0xB0, 4, 0, 9, 0, 0], "UNSUBACK"),
        (&[0x40, 2, 0, 1], "PUBACK"),
        (&[0x50, 2, 0, 2], "PUBREC"),
    ];
    for (bytes, packet) in cases {
        let mut client = ask(Version::V5, &["a"]);
        client.feed(bytes);
        assert!(client.events()[0].starts_with(&format!("Closed: {packet} packet identifier, 0x82, MQTT-2.2.1-")));
        assert_eq!(client.sent(), ["DISCONNECT 0x82"]);
    }
    // An answer comes once.
    let mut client = ask(Version::V5, &["a"]);
    client.feed(&[0x90, 4, 0, 1, 0, 0]);
    assert!(client.connection.is_open());
    client.feed(&[0x90, 4, 0, 1, 0, 0]);
    assert!(client.connection.is_closed());
}

// MQTT-2.2.1-6, MQTT-2.3.1-7
#[test]
fn answers_may_come_in_any_order() {
    for version in VERSIONS {
        let mut pair = undecided(version);
        let tokens: Vec<_> = ["a", "b", "c"].map(|filter| pair.subscribe(&[filter], QoS::AtMostOnce).unwrap()).into();
        pair.run();
        while let Some(request) = pair.server.subscribes.pop_back() {
            pair.server.connection.suback(pair.instant(), request, &[ReasonCode::SUCCESS]).unwrap();
        }
        pair.run();
        let subscribed: Vec<_> = pair.events().into_iter().filter(|line| line.contains("Subscribed")).collect();
        let expected: Vec<_> = tokens.iter().rev().map(|token| format!("client: Subscribed {token} 0x00")).collect();
        assert_eq!(subscribed, expected);
        pair.assert_quiet();
    }
}

// U311-3.8.4
#[test]
fn a_message_may_come_before_suback() {
    for version in VERSIONS {
        let mut pair = undecided(version);
        pair.subscribe(&["t"], QoS::AtLeastOnce).unwrap();
        pair.run();
        pair.publish(Side::Server, QoS::AtLeastOnce, "early");
        pair.run();
        assert_eq!(pair.client.received, ["early"]);
    }
}

// Found by reading: the answer to a request of an earlier connection would close the new one.
#[test]
fn a_request_of_an_earlier_connection_gets_no_answer() {
    for version in VERSIONS {
        let mut server = Solo::server(version);
        let filter: &[u8] =
            if version == Version::V5 { &[0x82, 7, 0, 1, 0, 0, 1, b'a', 0] } else { &[0x82, 6, 0, 1, 0, 1, b'a', 0] };
        server.feed(filter);
        let Some(ServerEvent::Subscribe(request)) = server.connection.poll_event() else { panic!() };
        let session = server.connection.into_session();
        let mut connect = mqtt_proto::Connect::new(version, mqtt_proto::Text::from_static("c"));
        connect.clean_start = false;
        let mut server = Solo::asked(connect, mqtt_proto::Config::default());
        let connack = mqtt_proto::ConnAck::new(false, ReasonCode::SUCCESS);
        server.connection.accept(Instant::ZERO, connack, Some(session)).unwrap();
        server.sent();
        server.connection.suback(Instant::ZERO, request, &[ReasonCode::SUCCESS]).unwrap();
        assert!(server.sent().is_empty());
    }
}

// One allocator: the three kinds of packet never share an id (I9).
// MQTT-2.2.1-3, MQTT-2.3.1-2
#[test]
fn subscribe_unsubscribe_and_publish_take_different_ids() {
    for version in VERSIONS {
        let mut pair = undecided(version);
        pair.server.acks_at_once = false;
        pair.publish(Side::Client, QoS::AtLeastOnce, "a");
        pair.subscribe(&["a"], QoS::AtMostOnce).unwrap();
        pair.publish(Side::Client, QoS::ExactlyOnce, "b");
        let unsubscribe = Unsubscribe::new(vec![TopicFilter::from_static("a")]);
        pair.client.connection.unsubscribe(pair.instant(), unsubscribe).unwrap();
        pair.run();
        let ids: Vec<_> = pair.wire().iter().map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect();
        assert_eq!(ids, ["1", "2", "3", "4"]);
        pair.reconnect(Memory::Both);
        pair.run();
    }
}

#[test]
fn a_request_that_cannot_be_written_changes_nothing() {
    for version in VERSIONS {
        let mut client = Solo::client(version);
        let before = client.connection.clone();
        assert!(client.connection.subscribe(Instant::ZERO, Subscribe::new(Vec::new())).is_err());
        assert!(client.connection.unsubscribe(Instant::ZERO, Unsubscribe::new(Vec::new())).is_err());
        assert!(client.connection == before && client.sent_bytes().is_empty());
    }
}
