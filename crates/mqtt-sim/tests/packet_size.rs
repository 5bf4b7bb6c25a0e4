//! Maximum Packet Size both ways (5.0 §3.1.2.11.4, §3.2.2.3.6); bugs.tsv 70.

use mqtt_proto::{
    Auth, CommandError, Config, ConnAck, Connect, Disconnect, Instant, Message, Packet, Publish, QoS, ReasonCode,
    Session, Text, TopicName, Version,
};
use mqtt_sim::pair::{Memory, Scenario, Side, Solo};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];
/// The Remaining Length takes one byte more from each of these on.
const BOUNDARIES: [u32; 4] = [20, 129, 130, 16_386];

/// A topic of a hundred bytes.
const TOPIC: &str =
    "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789";

/// A PUBLISH of exactly this length, if there is one: `None` where the Remaining Length grows.
fn publish_of(version: Version, len: u32) -> Option<Vec<u8>> {
    let body = [2, 3, 4].into_iter().find_map(|header| {
        let remaining = len.checked_sub(header)?;
        let varint = 1 + u32::from(remaining > 127) + u32::from(remaining > 16_383);
        (varint + 1 == header).then_some(remaining)
    })?;
    let properties = u32::from(version == Version::V5);
    let message = Message::new(TopicName::from_static("t"), vec![b'x'; (body - 3 - properties) as usize]);
    let mut bytes = bytes::BytesMut::new();
    Publish::new(message, None).encode(version, &mut bytes).unwrap();
    assert_eq!(bytes.len(), len as usize);
    Some(bytes.to_vec())
}

// U5-3.1.2.11.4b, U5-3.2.2.3.6, U5-4.13.1, U5-3.1.2.11.4a
#[test]
fn a_packet_of_the_limit_is_taken_and_one_byte_more_is_not() {
    for version in VERSIONS {
        for limit in BOUNDARIES {
            let config = Config { maximum_packet_size: limit, ..Config::default() };
            let connect = Connect::new(version, Text::from_static("c"));
            for len in [limit - 1, limit, limit + 1, limit + 2] {
                let Some(packet) = publish_of(version, len) else { continue };
                let mut server = Solo::accepted(connect.clone(), config.clone());
                let connack = ConnAck::new(false, ReasonCode::SUCCESS);
                let mut client = Solo::dialling(connect.clone(), config.clone(), Session::new()).welcome(connack);
                // The header alone tells: no byte of the body is waited for.
                let header = packet.len()
                    - (packet.len()
                        - if len <= 129 {
                            2
                        } else if len <= 16_386 {
                            3
                        } else {
                            4
                        });
                server.feed(&packet[..header]);
                client.feed(&packet[..header]);
                let is_refused = len > limit;
                assert_eq!(server.connection.is_closed(), is_refused, "{version} {limit} {len}");
                assert_eq!(client.connection.is_closed(), is_refused, "{version} {limit} {len}");
                if is_refused {
                    let id = if version == Version::V5 { "U5-3.2.2.3.6" } else { "MQTT-4.8.0-2" };
                    let expected = [format!("Closed: PUBLISH Remaining Length, 0x95, {id}")];
                    assert_eq!(server.events(), expected);
                    assert_eq!(client.events(), expected);
                    let goodbye: &[&str] = if version == Version::V5 { &["DISCONNECT 0x95"] } else { &[] };
                    assert_eq!(server.sent(), goodbye);
                    assert_eq!(client.sent(), goodbye);
                } else {
                    server.feed(&packet[header..]);
                    client.feed(&packet[header..]);
                    assert_eq!((server.events().len(), client.events().len()), (1, 1));
                }
            }
        }
    }
}

// U5-3.2.2.3.6
#[test]
fn an_acknowledgement_may_be_too_large_like_any_packet() {
    for version in VERSIONS {
        for (limit, is_taken) in [(3, false), (4, true), (5, true)] {
            let config = Config { maximum_packet_size: limit, ..Config::default() };
            let mut server = Solo::accepted(Connect::new(version, Text::from_static("c")), config);
            let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce);
            server.connection.publish(Instant::ZERO, message).unwrap();
            server.feed(&[0x40, 2, 0, 1]);
            assert_eq!(server.connection.is_open(), is_taken, "{version} {limit}");
        }
    }
}

// MQTT-3.1.2-24, MQTT-3.2.2-15
#[test]
fn a_message_larger_than_the_peer_takes_is_given_back() {
    for side in Side::BOTH {
        for limit in BOUNDARIES {
            let scenario = Scenario::new(Version::V5).with(|it| {
                it.client.maximum_packet_size = limit.max(60);
                it.server.maximum_packet_size = limit.max(60);
            });
            let limit = limit.max(60);
            let mut pair = scenario.connected();
            for len in [limit - 1, limit, limit + 1, limit + 2] {
                let Some(packet) = publish_of(Version::V5, len) else { continue };
                let Packet::Publish(publish) = Packet::decode(Version::V5, packet.into()).unwrap() else { panic!() };
                match pair.send(side, publish.message.clone()) {
                    Ok(_) => assert!(len <= limit),
                    Err(error) => {
                        assert_eq!(error.kind(), &CommandError::TooLarge { size: len as usize, maximum: limit });
                        assert!(len > limit);
                        assert_eq!(error.into_inner(), publish.message);
                    }
                }
                pair.run();
            }
            assert!(pair.client.connection.is_open() && pair.server.connection.is_open());
        }
    }
}

#[test]
fn a_topic_counts_as_much_as_a_payload() {
    // Two bytes of header, two of the topic's length, one of properties.
    for (limit, is_sent) in [(104, false), (105, true)] {
        let connack = ConnAck::new(false, ReasonCode::SUCCESS).with_maximum_packet_size(limit.try_into().unwrap());
        let connect = Connect::new(Version::V5, Text::from_static("c"));
        let mut client = Solo::dialling(connect, Config::default(), Session::new()).welcome(connack);
        let result = client.connection.publish(client.instant(), Message::new(TopicName::from_static(TOPIC), ""));
        assert_eq!(result.is_ok(), is_sent, "{limit}: {result:?}");
        assert_eq!(client.sent().len(), usize::from(is_sent));
    }
}

#[test]
fn a_topic_alias_never_makes_a_message_too_large() {
    for limit in 60..80_u32 {
        let scenario = Scenario::new(Version::V5).with(|it| {
            it.server.maximum_packet_size = limit;
            it.server.topic_alias_maximum = 10;
        });
        let mut pair = scenario.connected();
        for len in 20..60 {
            let message = Message::new(TopicName::from_static("a/long/topic"), vec![b'x'; len]);
            let _ = pair.send(Side::Client, message.clone());
            let _ = pair.send(Side::Client, message);
            pair.run();
        }
        assert!(pair.server.connection.is_open());
    }
}

/// What the alias of a new topic may add, three bytes of its own and one for each length that grows, has room or it is left out.
#[test]
fn a_new_topic_gets_an_alias_only_where_its_longest_form_fits() {
    let (topic, limit) = (TopicName::from_static("a/long/topic"), 60);
    let connack = ConnAck::new(false, ReasonCode::SUCCESS)
        .with_topic_alias_maximum(1)
        .with_maximum_packet_size(limit.try_into().unwrap());
    // Two bytes of header, two and twelve of topic, one of properties.
    let plain = |payload: usize| 2 + 2 + 12 + 1 + payload;
    for (len, has_alias) in [(limit - 6, true), (limit - 5, true), (limit - 4, false), (limit, false)] {
        let connect = Connect::new(Version::V5, Text::from_static("c"));
        let mut client = Solo::dialling(connect, Config::default(), Session::new()).welcome(connack.clone());
        let payload = len as usize - plain(0);
        client.connection.publish(client.instant(), Message::new(topic.clone(), vec![b'x'; payload])).unwrap();
        let alias_len = if has_alias { 3 } else { 0 };
        assert_eq!(client.connection.outbox_len(), len as usize + alias_len, "{len}");
    }
}

// MQTT-3.4.2-2 and its like for other packets: the optional parts give way, User Properties first.
// MQTT-3.1.2-24, MQTT-3.2.2-19, MQTT-3.2.2-20, MQTT-3.14.2-3, MQTT-3.14.2-4
#[test]
fn reason_strings_give_way_to_the_limit() {
    let reason = Text::from_static("a reason that takes its room");
    let mut seen = Vec::new();
    for limit in 4..60 {
        let connect =
            Connect::new(Version::V5, Text::from_static("c")).with_maximum_packet_size(limit.try_into().unwrap());
        let mut server = Solo::asked(connect, Config::default());
        let user = || (Text::from_static("k"), Text::from_static("v"));
        let connack = ConnAck::new(false, ReasonCode::SUCCESS).with_reason_string(reason.clone());
        let connack = connack.with_user_property(user().0, user().1);
        if server.connection.accept(server.instant(), connack, None).is_err() {
            assert!(limit < 5);
            continue;
        }
        let connack = server.sent_bytes();
        assert!(connack.len() <= limit as usize);
        server.feed(&[0x32, 6, 0, 1, b't', 0, 1, 0]);
        let Some(mqtt_proto::ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
        let ack = delivery.ack.unwrap().with_reason(ReasonCode::NOT_AUTHORIZED).with_reason_string(reason.clone());
        server.connection.ack(server.instant(), ack).unwrap();
        let puback = server.sent_bytes();
        assert!(puback.len() <= limit as usize && !puback.is_empty());
        let goodbye = Disconnect::new(ReasonCode::SERVER_BUSY).with_reason_string(reason.clone());
        server.connection.disconnect(server.instant(), goodbye.with_user_property(user().0, user().1)).unwrap();
        let disconnect = server.sent_bytes();
        assert!(disconnect.len() <= limit as usize && !disconnect.is_empty());
        seen.push([connack.len(), puback.len(), disconnect.len()]);
    }
    seen.dedup();
    assert_eq!(seen.first(), Some(&[5, 5, 3]), "bare");
    assert_eq!(seen.last(), Some(&[43, 37, 42]), "with all there is");
}

// MQTT-3.1.2-29: Request Problem Information 0 leaves them out everywhere but in PUBLISH, CONNACK and DISCONNECT.
#[test]
fn a_client_that_wants_no_problem_information_gets_none() {
    let connect = Connect::new(Version::V5, Text::from_static("c")).with_request_problem_information(false);
    let mut server = Solo::asked(connect, Config::default());
    let reason = Text::from_static("why");
    let connack = ConnAck::new(false, ReasonCode::SUCCESS).with_reason_string(reason.clone());
    server.connection.accept(server.instant(), connack, None).unwrap();
    server.feed(&[0x32, 6, 0, 1, b't', 0, 1, 0]);
    let Some(mqtt_proto::ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
    server.connection.ack(server.instant(), delivery.ack.unwrap().with_reason_string(reason.clone())).unwrap();
    let goodbye = Disconnect::new(ReasonCode::SERVER_BUSY).with_reason_string(reason);
    server.connection.disconnect(server.instant(), goodbye).unwrap();
    assert_eq!(server.sent(), ["CONNACK ReasonString 'why'", "PUBACK id 1", "DISCONNECT 0x89 ReasonString 'why'"]);
}

// MQTT-3.1.2-25: dropped, as if it had been sent.
#[test]
fn a_resumed_message_that_has_become_too_large_is_finished_with_0x95() {
    for side in Side::BOTH {
        let mut pair = Scenario::new(Version::V5).connected();
        let large = Message::new(TopicName::from_static("t"), vec![b'x'; 100]).with_qos(QoS::AtLeastOnce);
        let token = pair.send(side, large).unwrap();
        let small = pair.publish(side, QoS::AtLeastOnce, "small");
        match side {
            Side::Client => pair.scenario.server.maximum_packet_size = 60,
            Side::Server => pair.scenario.client.maximum_packet_size = 60,
        }
        pair.reconnect(Memory::Both);
        pair.run();
        assert_eq!(pair.finished(side), [(token, ReasonCode::PACKET_TOO_LARGE), (small, ReasonCode::SUCCESS)]);
        assert_eq!(pair.received(side.other()), ["small"]);
        pair.assert_quiet();
    }
}

#[test]
fn a_resumed_message_of_exactly_the_limit_is_sent_again() {
    let message = |topic, payload| Message::new(TopicName::from_static(topic), payload).with_qos(QoS::AtLeastOnce);
    let property = message("t", "x").with_user_property(Text::from_static("name"), Text::from_static(TOPIC));
    // What makes it as large: its payload, its topic, a property.
    for message in [message("t", "01234567890123456789"), message(TOPIC, ""), property] {
        let mut client = Solo::client(Version::V5);
        client.connection.publish(client.instant(), message).unwrap();
        let len = client.connection.outbox_len() as u32;
        let session = client.connection.into_session();
        for (limit, is_sent) in [(len - 1, false), (len, true)] {
            let connect = Connect::new(Version::V5, Text::from_static("c")).with_clean_start(false);
            let connack = ConnAck::new(true, ReasonCode::SUCCESS).with_maximum_packet_size(limit.try_into().unwrap());
            let mut client = Solo::dialling(connect, Config::default(), session.clone()).welcome(connack);
            assert_eq!(client.sent().len(), usize::from(is_sent), "{limit}");
            assert_eq!(client.events().len(), usize::from(!is_sent), "{limit}");
        }
    }
}

// STYLE: a five-byte header makes it allocate 268 MB. bugs.tsv 21, 22: the first packet comes from a stranger.
#[test]
fn a_connect_larger_than_64_kib_is_refused_at_its_header() {
    let mut server = Solo::listening(Config::default());
    server.feed(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F]);
    assert!(!server.connection.is_closed(), "seven bytes more tell whether to answer");
    server.feed(b"\0\x04MQTT\x05");
    assert_eq!(server.events(), ["Closed: CONNECT Remaining Length, 0x95, U5-3.2.2.3.6"]);
    assert_eq!(server.sent(), ["CONNACK 0x95"]);

    let mut server = Solo::listening(Config::default());
    server.feed(&[0x10, 0xFF, 0xFF, 0xFF, 0x7F]);
    server.feed(b"\0\x04MQTT\x04");
    assert!(server.connection.is_closed() && server.sent_bytes().is_empty());

    let mut server = Solo::listening(Config::default());
    for byte in b"\x10\xFF\xFF\xFF\x7F\0\x04MQTT" {
        server.feed(&[*byte]);
        assert!(!server.connection.is_closed(), "the level has not come");
    }
    server.feed(&[5]);
    assert_eq!(server.sent(), ["CONNACK 0x95"]);
}

// It is announced by CONNACK, so that the client cannot know it before. `maximum_connect_size` is the limit for strangers.
#[test]
fn a_servers_maximum_packet_size_does_not_limit_what_comes_before_connack() {
    let method = || Text::from_static("m");
    let long = Text::try_from("i".repeat(500)).unwrap();
    let config = Config { maximum_packet_size: 100, ..Config::default() };
    for version in [Version::V311, Version::V5] {
        let connect = Connect::new(version, long.clone());
        let connect = if version == Version::V5 { connect.with_authentication(method(), None) } else { connect };
        let mut server = Solo::asked(connect, config.clone());
        if version == Version::V5 {
            server.connection.auth(Instant::ZERO, Auth::new(ReasonCode::CONTINUE_AUTHENTICATION)).unwrap();
            let data =
                Auth::new(ReasonCode::CONTINUE_AUTHENTICATION).with_authentication(method(), Some(vec![7; 500].into()));
            server.feed_packet(&Packet::Auth(data));
        }
        server.connection.accept(Instant::ZERO, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
        server.events();
        assert_eq!(server.connection.own_limits().maximum_packet_size, 100);
        server.feed(&[0x30, 99]);
        assert_eq!(server.events().len(), 1, "from then on it counts");
        assert!(server.connection.is_closed());
    }
}
