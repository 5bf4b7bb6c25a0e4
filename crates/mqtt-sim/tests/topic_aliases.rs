//! Topic aliases both ways (5.0 §3.3.2.3.4).

use mqtt_proto::{CommandError, Config, ConnAck, Connect, Message, QoS, ReasonCode, Session, Text, TopicName, Version};
use mqtt_sim::pair::{Memory, Pair, Scenario, Side, Solo};

/// Both ends take and use so many aliases.
fn aliases(maximum: u16) -> Pair {
    let scenario = Scenario::new(Version::V5).with(|it| {
        it.client.topic_alias_maximum = maximum;
        it.server.topic_alias_maximum = maximum;
    });
    scenario.connected()
}

fn send(pair: &mut Pair, side: Side, topic: &'static str) {
    let message = Message::new(TopicName::from_static(topic), "x").with_qos(QoS::AtMostOnce);
    pair.send(side, message).unwrap();
    pair.run();
}

/// What one end put on the wire, without the payload.
fn publishes(pair: &Pair) -> Vec<String> {
    let lines = pair.wire().into_iter().filter_map(|line| Some(line.split_once("QoS 0 ")?.1.replace(" 'x'", "")));
    lines.collect()
}

fn topics(pair: &Pair) -> Vec<String> {
    let events = pair.events().into_iter();
    events.filter_map(|line| Some(line.split('\'').nth(1)?.to_owned()).filter(|_| line.contains("Message"))).collect()
}

// STYLE: an incoming topic alias reaches the application as an empty topic.
#[test]
fn a_topic_is_written_once_and_arrives_every_time() {
    for side in Side::BOTH {
        let mut pair = aliases(2);
        for topic in ["first", "second", "first", "second"] {
            send(&mut pair, side, topic);
        }
        assert_eq!(publishes(&pair), ["alias 1 'first'", "alias 2 'second'", "alias 1 ''", "alias 2 ''"]);
        assert_eq!(topics(&pair), ["first", "second", "first", "second"]);
    }
}

// MQTT-3.1.2-26, MQTT-3.2.2-17, MQTT-3.3.2-9, MQTT-3.3.2-11
#[test]
fn the_least_recently_used_alias_is_given_up() {
    for side in Side::BOTH {
        let mut pair = aliases(2);
        for topic in ["first", "second", "first", "third", "second", "first"] {
            send(&mut pair, side, topic);
        }
        assert_eq!(
            publishes(&pair),
            [
                "alias 1 'first'",
                "alias 2 'second'",
                "alias 1 ''",
                "alias 2 'third'",
                "alias 1 'second'",
                "alias 2 'first'"
            ]
        );
        assert_eq!(topics(&pair), ["first", "second", "first", "third", "second", "first"]);
    }
}

// MQTT-3.1.2-26, MQTT-3.1.2-27, MQTT-3.2.2-17, MQTT-3.2.2-18; STYLE: Topic Alias Maximum 0 panics a server.
// MQTT-3.3.2-9, MQTT-3.3.2-11
#[test]
fn a_peer_that_takes_no_aliases_gets_none() {
    for side in Side::BOTH {
        let mut pair = aliases(0);
        for _ in 0..3 {
            send(&mut pair, side, "first");
        }
        assert_eq!(publishes(&pair), ["'first'"; 3]);
    }
    let connect = Connect::new(Version::V5, Text::from_static("c")).with_topic_alias_maximum(0);
    let mut server = Solo::accepted(connect, Config::default());
    server.connection.publish(server.instant(), Message::new(TopicName::from_static("first"), "x")).unwrap();
    assert_eq!(server.sent(), ["PUBLISH QoS 0 'first' 'x'"]);
}

#[test]
fn a_short_topic_gets_no_alias() {
    let mut pair = aliases(2);
    send(&mut pair, Side::Client, "abc");
    send(&mut pair, Side::Client, "abcd");
    assert_eq!(publishes(&pair), ["'abc'", "alias 1 'abcd'"]);
}

// MQTT-3.3.2-7; bugs.tsv 71: what is sent again carries its topic.
#[test]
fn aliases_do_not_survive_the_connection() {
    for side in Side::BOTH {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut pair = aliases(2);
            for payload in ["a", "b", "c"] {
                let message = Message::new(TopicName::from_static("topic"), payload).with_qos(qos);
                pair.send(side, message).unwrap();
            }
            pair.forget_log();
            pair.reconnect(Memory::Both);
            pair.run();
            let wire = pair.wire();
            let again: Vec<_> = wire.iter().filter(|line| line.contains("dup")).cloned().collect();
            assert_eq!(again.len(), 3);
            assert!(again[0].ends_with("dup alias 1 'topic' 'a'"), "{again:?}");
            assert!(again[1].ends_with("dup alias 1 '' 'b'"), "{again:?}");
            assert_eq!(topics(&pair), ["topic"; 3]);
            pair.assert_quiet();
        }
    }
}

#[test]
fn a_new_connection_that_takes_no_aliases_gets_topics() {
    for side in Side::BOTH {
        let mut pair = aliases(2);
        for payload in ["a", "b"] {
            let message = Message::new(TopicName::from_static("topic"), payload).with_qos(QoS::AtLeastOnce);
            pair.send(side, message).unwrap();
        }
        pair.scenario.client.topic_alias_maximum = 0;
        pair.scenario.server.topic_alias_maximum = 0;
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(topics(&pair), ["topic"; 2]);
        pair.assert_quiet();
    }
}

/// A client and a server that take two aliases, open.
fn both() -> (Solo<mqtt_proto::Client>, Solo<mqtt_proto::Server>) {
    let config = Config { topic_alias_maximum: 2, ..Config::default() };
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let connack = ConnAck::new(false, ReasonCode::SUCCESS);
    let client = Solo::dialling(connect.clone(), config.clone(), Session::new()).welcome(connack);
    (client, Solo::accepted(connect, config))
}

/// PUBLISH QoS 0 with this alias, and with topic `t` or none.
fn alias(number: u8, has_topic: bool) -> Vec<u8> {
    if has_topic { vec![0x30, 7, 0, 1, b't', 3, 0x23, 0, number] } else { vec![0x30, 6, 0, 0, 3, 0x23, 0, number] }
}

// U5-3.3.2.3.4a, U5-3.3.2.3.4b, U5-3.3.2.1
// MQTT-3.3.2-8, MQTT-3.3.2-9, MQTT-3.3.2-11
#[test]
fn wrong_aliases_close_with_the_right_reason() {
    let cases: [(&[u8], &str); 5] = [
        (&alias(0, true), "0x94"),
        (&alias(3, true), "0x94"),
        (&alias(3, false), "0x94"),
        (&alias(2, false), "0x82"),
        (&[0x30, 3, 0, 0, 0], "0x82"),
    ];
    for (bytes, reason) in cases {
        let (mut client, mut server) = both();
        client.feed(bytes);
        server.feed(bytes);
        assert_eq!(client.sent(), [format!("DISCONNECT {reason}")], "{bytes:?}");
        assert_eq!(server.sent(), [format!("DISCONNECT {reason}")], "{bytes:?}");
        let (client, server) = (client.events(), server.events());
        assert_eq!(client, server);
        assert!(client[0].to_lowercase().starts_with("closed: publish topic"), "{client:?}");
    }
}

// U5-3.3.2.3.4b
#[test]
fn an_alias_can_be_mapped_anew() {
    let (mut client, mut server) = both();
    for bytes in [&alias(1, true)[..], &alias(1, false), &[0x30, 7, 0, 1, b'u', 3, 0x23, 0, 1], &alias(1, false)] {
        client.feed(bytes);
        server.feed(bytes);
    }
    let expected = ["t", "t", "u", "u"].map(|topic| format!("Message QoS 0 '{topic}' ''"));
    assert_eq!(client.events(), expected);
    assert_eq!(server.events(), expected);
}

// A peer that announced no aliases of ours is told 0x94 for any.
// U5-3.3.2.3.4a
#[test]
fn an_alias_nobody_allowed_is_invalid() {
    let mut server = Solo::server(Version::V5);
    server.feed(&alias(1, true));
    assert_eq!(server.sent(), ["DISCONNECT 0x94"]);
}

// Or the next message would come under an alias that the peer has never heard of.
#[test]
fn a_message_that_cannot_be_encoded_leaves_neither_bytes_nor_an_alias_behind() {
    let message = Message::new(TopicName::from_static("topic"), "x");
    let long = message.clone().with_correlation_data(vec![0; 65_536]);
    let named = message.clone().with_content_type(Text::from_static("text"));
    for (version, impossible) in [(Version::V5, long), (Version::V311, named)] {
        let connack = ConnAck::new(false, ReasonCode::SUCCESS);
        let connack = if version == Version::V5 { connack.with_topic_alias_maximum(1) } else { connack };
        let connect = Connect::new(version, Text::from_static("c"));
        let mut client = Solo::dialling(connect, Config::default(), Session::new()).welcome(connack);
        let rejected = client.connection.publish(client.instant(), impossible).unwrap_err();
        assert!(matches!(rejected.kind(), CommandError::Encode(_)), "{rejected:?}");
        assert_eq!(client.connection.outbox_len(), 0);
        client.connection.publish(client.instant(), message.clone()).unwrap();
        let alias = if version == Version::V5 { "alias 1 " } else { "" };
        assert_eq!(client.sent(), [format!("PUBLISH QoS 0 {alias}'topic' 'x'")]);
    }
}
