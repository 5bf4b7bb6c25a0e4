//! CONNECT, CONNACK, and what a server announces (5.0 §3.1, §3.2).

use mqtt_proto::{
    Capability, Closed, CommandError, Config, ConnAck, Connect, Message, Packet, QoS, ReasonCode, Server, Session,
    Subscribe, Subscription, SubscriptionId, Text, TopicFilter, TopicName, Version, Will,
};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn hello(version: Version) -> Connect {
    Connect::new(version, Text::from_static("c"))
}

// MQTT-3.1.0-1, MQTT-3.2.0-1, MQTT-3.1.4-4, MQTT-3.1.4-5
#[test]
fn a_client_connects_and_is_accepted() {
    for (version, name) in VERSIONS.into_iter().zip(["3.1", "3.1.1", "5.0"]) {
        let mut pair = Scenario::new(version).with(|it| it.connect = hello(version)).latency(10).begun();
        pair.run();
        assert_eq!(
            pair.timed_wire(),
            [format!("0 client: CONNECT {name} 'c' keep alive 60 clean"), "10 server: CONNACK".into()]
        );
        assert_eq!(pair.events(), ["server: Connect 'c'", "client: Connected"]);
        assert_eq!(pair.server.connection.version(), version);
        assert!(pair.client.connection.is_open() && pair.server.connection.is_open());
    }
}

// MQTT-3.2.0-1
#[test]
fn nothing_can_be_published_before_connack() {
    for version in VERSIONS {
        let mut pair = Scenario::new(version).with(|it| it.accepts = false).begun();
        pair.run();
        for side in Side::BOTH {
            let error = pair.send(side, Message::new(TopicName::from_static("t"), "x")).unwrap_err();
            assert_eq!(error.kind(), &CommandError::NotConnected);
        }
        assert_eq!(pair.subscribe(&["f"], QoS::AtMostOnce), Err(CommandError::NotConnected));
        pair.accept(true);
        pair.run();
        assert!(pair.client.connection.is_open());
    }
}

// MQTT-3.2.2-7, U5-3.2.2.2; 3.1.1 MQTT-3.2.2-5, MQTT-3.2.2-6: a reason without a return code closes without a word.
// MQTT-3.1.3-8, MQTT-3.1.3-9, MQTT-3.1.4-2, MQTT-3.2.2-4, MQTT-4.13.2-1, U311-3.1.4
#[test]
fn a_refused_client_hears_why() {
    let reasons = [
        ReasonCode::UNSUPPORTED_PROTOCOL_VERSION,
        ReasonCode::CLIENT_IDENTIFIER_NOT_VALID,
        ReasonCode::SERVER_UNAVAILABLE,
        ReasonCode::BAD_USER_NAME_OR_PASSWORD,
        ReasonCode::NOT_AUTHORIZED,
        ReasonCode::BANNED,
        ReasonCode::QUOTA_EXCEEDED,
    ];
    for version in VERSIONS {
        for (index, reason) in reasons.into_iter().enumerate() {
            let mut pair = Scenario::new(version).with(|it| it.accepts = false).begun();
            pair.run();
            pair.server.connection.refuse(pair.instant(), ConnAck::new(true, reason)).unwrap();
            pair.run();
            assert_eq!(pair.server.closed, Some(Closed::Local));
            if version == Version::V5 || index < 5 {
                let Some(Closed::Refused(connack)) = &pair.client.closed else { panic!("{:?}", pair.client.closed) };
                assert_eq!((connack.reason, connack.session_present), (reason, false));
            } else {
                assert_eq!(pair.client.closed, Some(Closed::Eof));
            }
        }
    }
}

#[test]
fn accept_and_refuse_take_what_they_are_for_and_only_once() {
    let now = mqtt_proto::Instant::ZERO;
    let (good, bad) = (ConnAck::new(false, ReasonCode::SUCCESS), ConnAck::new(false, ReasonCode::BANNED));
    let accept = |server: &mut Solo<Server>, connack: &ConnAck| {
        server.connection.accept(now, connack.clone(), None).map_err(CommandError::from)
    };
    let mut server = Solo::listening(Config::default());
    assert!(matches!(accept(&mut server, &good), Err(CommandError::NotAllowed(_))));
    assert!(matches!(server.connection.refuse(now, bad.clone()), Err(CommandError::NotAllowed(_))));
    let mut server = Solo::asked(hello(Version::V5), Config::default());
    assert!(matches!(accept(&mut server, &bad), Err(CommandError::NotAllowed(_))));
    assert!(matches!(server.connection.refuse(now, good.clone()), Err(CommandError::NotAllowed(_))));
    accept(&mut server, &good).unwrap();
    // MQTT-3.2.0-2
    assert!(matches!(accept(&mut server, &good), Err(CommandError::NotAllowed(_))));
    assert!(matches!(server.connection.refuse(now, bad.clone()), Err(CommandError::NotAllowed(_))));
    server.connection.handle_eof(now);
    assert_eq!(accept(&mut server, &good), Err(CommandError::Closed));
    assert_eq!(server.connection.refuse(now, bad), Err(CommandError::Closed));
    assert_eq!(server.sent(), ["CONNACK"]);
}

// What 3.x has no words for is left out. In 5.0 it is the application's mistake, and the client waits on.
#[test]
fn a_refusal_that_cannot_be_encoded_is_told_in_5_0_and_closes_in_3_x() {
    let now = mqtt_proto::Instant::ZERO;
    let refusal = ConnAck::new(false, ReasonCode::NOT_AUTHORIZED);
    let data = vec![0; 65_536].into();
    let too_long = refusal.clone().with_authentication(Text::from_static("m"), Some(data));
    let mut server = Solo::asked(hello(Version::V5), Config::default());
    assert!(matches!(server.connection.refuse(now, too_long.clone()), Err(CommandError::Encode(_))));
    assert!(!server.connection.is_closed() && server.sent().is_empty());
    server.connection.refuse(now, refusal).unwrap();
    assert_eq!(server.sent(), ["CONNACK 0x87"]);
    for version in [Version::V31, Version::V311] {
        let mut server = Solo::asked(hello(version), Config::default());
        server.connection.refuse(now, too_long.clone()).unwrap();
        assert!(server.connection.is_closed() && server.sent_bytes().is_empty());
    }
}

// MQTT-3.1.0-2, MQTT-3.2.0-2: what may come next depends on the packet before, in the same bytes too.
#[test]
fn a_second_connect_or_connack_is_refused_though_it_comes_with_the_first() {
    for version in VERSIONS {
        let mut connect = bytes::BytesMut::new();
        hello(version).encode(&mut connect).unwrap();
        let mut server = Solo::listening(Config::default());
        server.feed(&connect.repeat(2));
        assert_eq!(server.events(), ["Connect 'c'"]);
        server.connection.accept(server.instant(), ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
        server.feed(&[]);
        assert_eq!(server.events(), ["Closed: CONNECT packet type, 0x82, MQTT-3.1.0-2"]);

        let connack: &[u8] = if version == Version::V5 { &[0x20, 3, 0, 0, 0] } else { &[0x20, 2, 0, 0] };
        let mut client = Solo::dialling(hello(version), Config::default(), Session::new());
        client.feed(&connack.repeat(2));
        let statement = if version == Version::V5 { "MQTT-3.2.0-2" } else { "MQTT-3.2.0-1" };
        assert_eq!(client.events(), ["Connected".into(), format!("Closed: CONNACK packet type, 0x82, {statement}")]);
    }
}

// MQTT-3.1.4-5 (3.1.1), MQTT-3.1.4-6 (5.0): what stands behind a refused CONNECT is not looked at.
#[test]
fn what_is_pipelined_behind_connect_waits_for_the_decision() {
    for version in VERSIONS {
        for accepts in [false, true] {
            let mut server = Solo::listening(Config::default());
            let mut bytes = bytes::BytesMut::new();
            hello(version).encode(&mut bytes).unwrap();
            bytes.extend_from_slice(if version == Version::V5 {
                &[0x30, 4, 0, 1, b't', 0]
            } else {
                &[0x30, 3, 0, 1, b't']
            });
            server.feed(&bytes);
            assert_eq!(server.events(), ["Connect 'c'"]);
            assert!(!server.connection.wants_input());
            let now = server.instant();
            if accepts {
                server.connection.accept(now, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
                server.feed(&[]);
                assert_eq!(server.events(), ["Message QoS 0 't' ''"]);
            } else {
                server.connection.refuse(now, ConnAck::new(false, ReasonCode::NOT_AUTHORIZED)).unwrap();
                server.feed(&[]);
                assert_eq!(server.events(), ["Closed by us"]);
            }
        }
    }
}

// MQTT-3.1.3-7 and MQTT-3.1.3-8 of 3.1.1; MQTT-3.1.3-7 and MQTT-3.2.2-16 of 5.0; 3.1 wants 1 to 23 characters.
#[test]
fn an_empty_client_identifier() {
    let now = mqtt_proto::Instant::ZERO;
    let empty = |version, clean_start| {
        let mut connect = Connect::new(version, Text::default());
        connect.clean_start = clean_start;
        connect
    };
    for (version, clean_start) in [(Version::V31, true), (Version::V31, false), (Version::V311, false)] {
        let ours = mqtt_proto::Connection::connect(now, empty(version, clean_start), Config::default(), Session::new());
        assert!(matches!(ours.unwrap_err().kind(), CommandError::NotAllowed(_)));
    }
    for (version, clean_start) in [(Version::V311, true), (Version::V5, true), (Version::V5, false)] {
        let ours = Solo::dialling(empty(version, clean_start), Config::default(), Session::new());
        assert_eq!(ours.connection.version(), version);
    }
    // 3.1.1 without a clean session: CONNACK 0x02.
    let mut server = Solo::listening(Config::default());
    server.feed(b"\x10\x0C\0\x04MQTT\x04\0\0\x3C\0\0");
    assert_eq!(server.sent_bytes(), [0x20, 2, 0, 2]);
    assert!(server.connection.is_closed());
    // 3.1.1 with one.
    let mut server = Solo::asked(empty(Version::V311, true), Config::default());
    server.connection.accept(now, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
    // 5.0: the server assigns one.
    let mut server = Solo::asked(empty(Version::V5, true), Config::default());
    let connack = ConnAck::new(false, ReasonCode::SUCCESS);
    let rejected = server.connection.accept(now, connack.clone(), None).unwrap_err();
    assert!(matches!(rejected.kind(), CommandError::NotAllowed(_)));
    let connack = connack.with_assigned_client_identifier(Text::from_static("assigned"));
    server.connection.accept(now, connack, None).unwrap();
    assert_eq!(server.sent(), ["CONNACK AssignedClientIdentifier 'assigned'"]);
}

// MQTT-3.1.2-28
#[test]
fn response_information_is_given_to_those_who_asked() {
    for wanted in [false, true] {
        let mut server = Solo::asked(hello(Version::V5).with_request_response_information(wanted), Config::default());
        let connack = ConnAck::new(false, ReasonCode::SUCCESS).with_response_information(Text::from_static("here"));
        server.connection.accept(server.instant(), connack, None).unwrap();
        assert_eq!(server.sent()[0].contains("here"), wanted);
    }
}

#[test]
fn a_will_reaches_the_server() {
    for version in VERSIONS {
        let message = Message::new(TopicName::from_static("gone"), "by").with_qos(QoS::AtLeastOnce).with_retain(true);
        let mut pair =
            Scenario::new(version).with(|it| it.connect = hello(version).with_will(Will::new(message))).begun();
        pair.run();
        assert!(pair.wire()[0].ends_with("clean will (retain 'gone' 'by')"), "{:?}", pair.wire());
        assert!(pair.client.connection.is_open());
    }
}

// MQTT-3.2.2-12, MQTT-3.2.2-13
#[test]
fn a_will_that_the_server_cannot_keep_is_refused() {
    let message = Message::new(TopicName::from_static("gone"), "by").with_qos(QoS::AtLeastOnce).with_retain(true);
    let connect = hello(Version::V5).with_will(Will::new(message));
    for (config, answer) in [
        (Config { maximum_qos: QoS::AtMostOnce, ..Config::default() }, "CONNACK 0x9B"),
        (Config { retain_available: false, ..Config::default() }, "CONNACK 0x9A"),
    ] {
        let mut server = Solo::asked(connect.clone(), config);
        assert_eq!(server.sent(), [answer]);
        assert!(server.connection.is_closed());
    }
}

/// A server that offers nothing it need not.
fn modest() -> Config {
    Config {
        maximum_qos: QoS::AtMostOnce,
        retain_available: false,
        wildcard_subscription_available: false,
        subscription_identifiers_available: false,
        shared_subscription_available: false,
        ..Config::default()
    }
}

// MQTT-3.2.2-9, MQTT-3.2.2-11, MQTT-3.2.2-14, U5-3.2.2.3.11, U5-3.2.2.3.12, U5-3.2.2.3.13
#[test]
fn a_client_asks_for_nothing_that_the_server_does_not_offer() {
    let mut pair = Scenario::new(Version::V5).with(|it| it.server = modest()).begun();
    pair.run();
    assert_eq!(
        pair.wire()[1],
        "server: CONNACK MaximumQoS 0 RetainAvailable 0 WildcardSubscriptionAvailable 0 \
         SubscriptionIdentifierAvailable 0 SharedSubscriptionAvailable 0"
    );
    let message = Message::new(TopicName::from_static("t"), "x");
    let error = |pair: &mut Pair, message: Message| pair.send(Side::Client, message).unwrap_err().kind().clone();
    assert_eq!(
        error(&mut pair, message.clone().with_qos(QoS::AtLeastOnce)),
        CommandError::NotAvailable(Capability::Qos)
    );
    assert_eq!(error(&mut pair, message.with_retain(true)), CommandError::NotAvailable(Capability::Retain));
    let mut ask = |filter: &'static str, id: Option<SubscriptionId>| {
        let mut subscribe = Subscribe::new(vec![Subscription::new(TopicFilter::from_static(filter), QoS::AtMostOnce)]);
        if let Some(id) = id {
            subscribe = subscribe.with_subscription_identifier(id);
        }
        pair.client.connection.subscribe(mqtt_proto::Instant::ZERO, subscribe)
    };
    assert_eq!(ask("a/+", None), Err(CommandError::NotAvailable(Capability::WildcardSubscription)));
    assert_eq!(ask("$share/s/a", None), Err(CommandError::NotAvailable(Capability::SharedSubscription)));
    let id = Some(SubscriptionId::MIN);
    assert_eq!(ask("a", id), Err(CommandError::NotAvailable(Capability::SubscriptionIdentifier)));
    assert!(ask("a", None).is_ok());
    // The server may publish at any QoS, and retained.
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::ExactlyOnce).with_retain(true);
    assert!(pair.send(Side::Server, message).is_ok());
    pair.assert_quiet();
}

// U5-3.2.2.3.4b, U5-3.2.2.3.5b, U5-3.2.2.3.11, U5-3.2.2.3.12, U5-3.2.2.3.13, MQTT-3.3.4-6, U5-3.3.2.3.8c, U5-4.13.1,
// MQTT-4.13.1-1
#[test]
fn a_client_that_asks_all_the_same_is_told_why_it_has_to_go() {
    let cases: [(&[u8], &str); 6] = [
        (&[0x32, 6, 0, 1, b't', 0, 1, 0], "0x9B"),
        (&[0x31, 4, 0, 1, b't', 0], "0x9A"),
        (&[0x82, 7, 0, 1, 0, 0, 1, b'#', 0], "0xA2"),
        (&[0x82, 9, 0, 1, 2, 0x0B, 1, 0, 1, b'a', 0], "0xA1"),
        (b"\x82\x10\0\x01\0\0\x0a$share/s/a\0", "0x9E"),
        (&[0x30, 6, 0, 1, b't', 2, 0x0B, 1], "0x82"),
    ];
    for (bytes, reason) in cases {
        let mut server = Solo::accepted(hello(Version::V5), modest());
        server.feed(bytes);
        assert_eq!(server.sent(), [format!("DISCONNECT {reason}")], "{bytes:?} {:?}", server.events());
    }
}

// Found by reading: a server that comes back with less must not be sent what it does not take.
#[test]
fn a_resumed_session_keeps_to_what_the_server_offers_now() {
    let mut pair = Scenario::new(Version::V5).connected();
    let message = Message::new(TopicName::from_static("t"), "x");
    let two = pair.send(Side::Client, message.clone().with_qos(QoS::ExactlyOnce)).unwrap();
    let retained = pair.send(Side::Client, message.clone().with_qos(QoS::AtLeastOnce).with_retain(true)).unwrap();
    let plain = pair.send(Side::Client, message.with_qos(QoS::AtLeastOnce)).unwrap();
    pair.scenario.server = Config { maximum_qos: QoS::AtLeastOnce, ..modest() };
    pair.reconnect(Memory::Both);
    pair.run();
    // The QoS 2 message ends with its handshake: PUBREL without PUBREC, which frees the id at both ends.
    assert_eq!(
        pair.client.finished,
        [
            (retained, ReasonCode::RETAIN_NOT_SUPPORTED),
            (two, ReasonCode::QOS_NOT_SUPPORTED),
            (plain, ReasonCode::SUCCESS)
        ]
    );
    pair.assert_quiet();
}

#[test]
fn each_thing_a_server_no_longer_offers_ends_the_messages_that_need_it_and_no_others() {
    for (maximum_qos, retain_available) in [(QoS::AtLeastOnce, true), (QoS::ExactlyOnce, false)] {
        let mut pair = Scenario::new(Version::V5).connected();
        let message = Message::new(TopicName::from_static("t"), "x");
        let two = pair.send(Side::Client, message.clone().with_qos(QoS::ExactlyOnce)).unwrap();
        let retained = pair.send(Side::Client, message.with_qos(QoS::AtLeastOnce).with_retain(true)).unwrap();
        pair.scenario.server = Config { maximum_qos, retain_available, ..Config::default() };
        pair.reconnect(Memory::Both);
        pair.run();
        let mut finished = pair.client.finished.clone();
        finished.sort_by_key(|(_, reason)| reason.is_failure());
        let expected = if retain_available {
            [(retained, ReasonCode::SUCCESS), (two, ReasonCode::QOS_NOT_SUPPORTED)]
        } else {
            [(two, ReasonCode::SUCCESS), (retained, ReasonCode::RETAIN_NOT_SUPPORTED)]
        };
        assert_eq!(finished, expected);
        pair.assert_quiet();
    }
}

#[test]
fn limits_are_announced_once_and_the_callers_own_win() {
    let config = Config {
        receive_maximum: 7.try_into().unwrap(),
        maximum_packet_size: 1_000,
        topic_alias_maximum: 3,
        ..Config::default()
    };
    let connect = hello(Version::V5).with_receive_maximum(5.try_into().unwrap());
    let mut pair = Scenario::new(Version::V5)
        .with(|it| (it.connect, it.client, it.server) = (connect, config.clone(), config))
        .begun();
    pair.run();
    assert_eq!(
        pair.wire(),
        [
            "client: CONNECT 5.0 'c' keep alive 60 clean ReceiveMaximum 5 MaximumPacketSize 1000 TopicAliasMaximum 3",
            "server: CONNACK ReceiveMaximum 7 MaximumPacketSize 1000 TopicAliasMaximum 3",
        ]
    );
    assert_eq!(pair.server.connection.limits().receive_maximum, 5);
    assert_eq!(pair.client.connection.own_limits().receive_maximum, 5);
    assert_eq!(pair.client.connection.limits().receive_maximum, 7);
}

// MQTT-3.1.2-1, MQTT-3.1.2-2, MQTT-3.1.4-1: who is told what.
// MQTT-3.1.2-3
#[test]
fn a_connect_that_cannot_be_read() {
    let cases: [(&[u8], &[u8]); 8] = [
        // A version that does not exist: 3.1.1's return code 1, which every version understands.
        (b"\x10\x0D\0\x04MQTT\x06\x02\0\x3C\0\x01c", &[0x20, 2, 0, 1]),
        // Another protocol (5.0 allows the answer, 3.1.1 is silent about it).
        (b"\x10\x0D\0\x04QTTM\x04\x02\0\x3C\0\x01c", &[0x20, 2, 0, 1]),
        // 3.1.1 with the reserved flag: closed without a word.
        (b"\x10\x0D\0\x04MQTT\x04\x03\0\x3C\0\x01c", &[]),
        // 5.0 with it: CONNACK 0x81.
        (b"\x10\x0E\0\x04MQTT\x05\x03\0\x3C\0\0\x01c", &[0x20, 3, 0, 0x81, 0]),
        // 5.0 with Receive Maximum 0: CONNACK 0x82.
        (b"\x10\x11\0\x04MQTT\x05\x02\0\x3C\x03\x21\0\0\0\x01c", &[0x20, 3, 0, 0x82, 0]),
        // 5.0 with authentication data and no method.
        (b"\x10\x12\0\x04MQTT\x05\x02\0\x3C\x04\x16\0\x01x\0\x01c", &[0x20, 3, 0, 0x82, 0]),
        // No CONNECT at all.
        (b"\x40\x02\0\x01", &[]),
        (b"GET / HTTP/1.1\r\n\r\n", &[]),
    ];
    for (bytes, answer) in cases {
        for dribble in [false, true] {
            let mut server = Solo::listening(Config::default());
            if dribble {
                server.dribble(bytes)
            } else {
                server.feed(bytes)
            }
            assert!(server.connection.is_closed(), "{bytes:?}");
            assert_eq!(server.sent_bytes(), answer, "{bytes:?} {:?}", server.events());
        }
    }
}

// bugs.tsv 10: every property of CONNECT at its limits. MQTT-3.1.2-1
#[test]
fn legal_extremes_in_connect_are_taken() {
    let connects = [
        hello(Version::V5).with_topic_alias_maximum(0),
        hello(Version::V5).with_topic_alias_maximum(u16::MAX),
        hello(Version::V5).with_receive_maximum(1.try_into().unwrap()),
        hello(Version::V5).with_receive_maximum(u16::MAX.try_into().unwrap()),
        hello(Version::V5).with_maximum_packet_size(u32::MAX.try_into().unwrap()),
        hello(Version::V5).with_session_expiry_interval(0),
        hello(Version::V5).with_session_expiry_interval(u32::MAX),
        hello(Version::V5).with_user_property(Text::default(), Text::default()),
        hello(Version::V5).with_authentication(Text::default(), Some(bytes::Bytes::new())),
    ];
    for connect in connects {
        let mut server = Solo::accepted(connect.clone(), Config::default());
        let now = server.instant();
        for number in 0..20_u8 {
            let topic = TopicName::try_from(format!("topic/{number}")).unwrap();
            server.connection.publish(now, Message::new(topic, "x")).unwrap();
        }
        assert_eq!(server.sent().len(), 20);
        let mut client = Solo::dialling(connect, Config::default(), Session::new());
        client.feed_packet(&Packet::ConnAck(ConnAck::new(false, ReasonCode::BANNED)));
        assert_eq!(client.events(), ["Closed: refused 0x8A"]);
    }
}
