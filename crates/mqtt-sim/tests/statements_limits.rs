//! Statements about limits and announcements that no scenario of another file shows.

use mqtt_proto::{
    Auth, Client, ClientEvent, CommandError, Config, ConnAck, Connect, Delivery, Disconnect, FixedHeader, Instant,
    Message, PROTOCOL_MAXIMUM_PACKET_SIZE, Packet, QoS, ReasonCode, Role, Server, ServerEvent, Session, Subscribe,
    Subscription, SubscriptionId, Text, TopicFilter, TopicName, Unsubscribe, Version, Will,
};
use mqtt_sim::pair::{Scenario, Side, Solo};

const NOW: Instant = Instant::ZERO;

fn hello() -> Connect {
    Connect::new(Version::V5, Text::from_static("c"))
}

fn welcome() -> ConnAck {
    ConnAck::new(false, ReasonCode::SUCCESS)
}

fn message(qos: QoS) -> Message {
    Message::new(TopicName::from_static("t"), "x").with_qos(qos)
}

fn words() -> Text {
    Text::from_static("a reason that takes its room")
}

fn method() -> Text {
    Text::from_static("m")
}

/// An AUTH with all that may give way.
fn wordy_auth(reason: ReasonCode) -> Auth {
    Auth::new(reason).with_reason_string(words()).with_user_property(Text::from_static("k"), Text::from_static("v"))
}

/// PUBLISH of this QoS and id.
fn publish(qos: u8, id: u8) -> [u8; 8] {
    [0x30 | qos << 1, 6, 0, 1, b't', 0, id, 0]
}

/// A client whose server takes no more than `limit` bytes, with a method.
fn client(limit: u32) -> Solo<Client> {
    let connack = welcome().with_maximum_packet_size(limit.try_into().unwrap()).with_authentication(method(), None);
    Solo::dialling(hello().with_authentication(method(), None), Config::default(), Session::new()).welcome(connack)
}

/// A server whose client takes no more than `limit` bytes, with a method.
fn asked(limit: u32) -> Solo<Server> {
    let hello = hello().with_authentication(method(), None).with_maximum_packet_size(limit.try_into().unwrap());
    Solo::asked(hello, Config::default())
}

/// Refuses a QoS 1 and a QoS 2 message with words, and leaves with words; returns how long each packet was.
fn speak<R: Role>(solo: &mut Solo<R>, deliver: impl Fn(&mut Solo<R>) -> Delivery) -> [usize; 3] {
    let answers = [1, 2].map(|qos| {
        solo.feed(&publish(qos, qos));
        let ack = deliver(solo).ack.unwrap().with_reason(ReasonCode::NOT_AUTHORIZED).with_reason_string(words());
        solo.connection.ack(NOW, ack).unwrap();
        solo.sent_bytes().len()
    });
    let goodbye = Disconnect::new(ReasonCode::UNSPECIFIED_ERROR).with_reason_string(words());
    let goodbye = goodbye.with_user_property(Text::from_static("k"), Text::from_static("v"));
    solo.connection.disconnect(NOW, goodbye).unwrap();
    [answers[0], answers[1], solo.sent_bytes().len()]
}

// MQTT-3.4.2-2, MQTT-3.5.2-2, MQTT-3.14.2-3, MQTT-3.14.2-4, MQTT-3.15.2-2, MQTT-3.15.2-3
#[test]
fn words_give_way_in_every_packet_that_can_carry_them() {
    let (mut from_client, mut from_server) = (Vec::new(), Vec::new());
    for limit in 15..70 {
        let mut client = client(limit);
        client.connection.auth(NOW, wordy_auth(ReasonCode::REAUTHENTICATE)).unwrap();
        let auth = client.sent_bytes().len();
        let [puback, pubrec, disconnect] = speak(&mut client, |client| match client.connection.poll_event() {
            Some(ClientEvent::Message(delivery)) => delivery,
            other => panic!("{other:?}"),
        });
        from_client.push([auth, puback, pubrec, disconnect]);

        let mut server = asked(limit);
        server.connection.auth(NOW, wordy_auth(ReasonCode::CONTINUE_AUTHENTICATION)).unwrap();
        let auth = server.sent_bytes().len();
        server.feed(&[0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm']);
        server.events();
        server.connection.accept(NOW, welcome(), None).unwrap();
        server.sent_bytes();
        let [puback, pubrec, disconnect] = speak(&mut server, |server| match server.connection.poll_event() {
            Some(ServerEvent::Message(delivery)) => delivery,
            other => panic!("{other:?}"),
        });
        from_server.push([auth, puback, pubrec, disconnect]);
        for lens in [from_client.last(), from_server.last()] {
            assert!(lens.unwrap().iter().all(|len| *len > 0 && *len <= limit as usize), "{limit} {lens:?}");
        }
    }
    for seen in [from_client, from_server] {
        assert_eq!(seen.first(), Some(&[8, 5, 5, 3]), "bare");
        assert_eq!(seen.last(), Some(&[46, 37, 37, 42]), "with all there is");
        // Nothing is left out of a packet that is exactly as long as allowed.
        let at = |limit: usize| seen[limit - 15];
        assert_eq!((at(46)[0], at(37)[1], at(37)[2], at(42)[3]), (46, 37, 37, 42));
        assert!(at(45)[0] < 45 && at(36)[1] < 36 && at(36)[2] < 36 && at(41)[3] < 41);
        // In between AUTH and DISCONNECT have the reason and no User Property.
        assert!(seen.iter().any(|lens| lens[0] == 39) && seen.iter().any(|lens| lens[3] == 35));
    }
}

/// The lengths of the packets that were sent.
fn lengths<R: Role>(solo: &mut Solo<R>) -> Vec<usize> {
    let bytes = solo.sent_bytes();
    let (mut rest, mut lens) = (&bytes[..], Vec::new());
    while let Some(header) = FixedHeader::parse(rest).unwrap() {
        lens.push(header.frame_len());
        rest = &rest[header.frame_len()..];
    }
    lens
}

/// What both roles can say. The packets that answer a message that does not fit are no mistake of ours to report.
fn say_everything<R: Role>(solo: &mut Solo<R>) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let _ = solo.connection.publish(NOW, message(qos));
    }
    for answer in [[0x40, 2, 0, 1], [0x50, 2, 0, 2], [0x70, 2, 0, 2], [0x50, 2, 0, 9], [0x62, 2, 0, 9]] {
        solo.feed(&answer);
    }
}

// MQTT-3.1.2-24, MQTT-3.2.2-15: the smallest limits that can be said at all.
#[test]
fn nothing_that_leaves_is_larger_than_the_peer_takes() {
    for limit in 1..=12 {
        let mut client = client(limit);
        say_everything(&mut client);
        for qos in 1..=2 {
            client.feed(&publish(qos, qos));
        }
        while let Some(event) = client.connection.poll_event() {
            if let ClientEvent::Message(Delivery { ack: Some(ack), .. }) = event {
                client.connection.ack(NOW, ack).unwrap();
            }
        }
        let filter = TopicFilter::from_static("f");
        let subscribe = Subscribe::new(vec![Subscription::new(filter.clone(), QoS::AtMostOnce)]);
        let _ = client.connection.subscribe(NOW, subscribe);
        let _ = client.connection.unsubscribe(NOW, Unsubscribe::new(vec![filter]));
        let _ = client.connection.auth(NOW, wordy_auth(ReasonCode::REAUTHENTICATE));
        let _ = client.connection.ping(NOW);
        client.connection.handle_timeout(Instant::from_millis(55_000));
        let _ = client.connection.disconnect(NOW, Disconnect::new(ReasonCode::UNSPECIFIED_ERROR));
        let lens = lengths(&mut client);
        assert!(lens.iter().all(|len| *len <= limit as usize), "{limit} {lens:?}");

        // A server that cannot say CONNACK never gets further.
        let hello = hello().with_maximum_packet_size(limit.try_into().unwrap());
        let mut server = Solo::asked(hello, Config::default());
        if server.connection.accept(NOW, welcome(), None).is_ok() {
            say_everything(&mut server);
            for bytes in [&publish(1, 1)[..], &publish(2, 2), &[0xC0, 0], b"\x82\x0B\0\x01\0\0\x01a\0\0\x01b\0"] {
                server.feed(bytes);
            }
            while let Some(event) = server.connection.poll_event() {
                match event {
                    ServerEvent::Message(Delivery { ack: Some(ack), .. }) => server.connection.ack(NOW, ack).unwrap(),
                    ServerEvent::Subscribe(request) => {
                        let answered = server.connection.suback(NOW, request, &[ReasonCode::SUCCESS; 2]);
                        assert_eq!(answered.is_ok(), limit >= 7, "a SUBACK of two codes has 7 bytes");
                    }
                    _ => {}
                }
            }
            let _ = server.connection.disconnect(NOW, Disconnect::new(ReasonCode::SERVER_BUSY));
        }
        let lens = lengths(&mut server);
        assert!(lens.iter().all(|len| *len <= limit as usize), "{limit} {lens:?}");
    }
}

// MQTT-3.1.2-29
#[test]
fn no_problem_information_leaves_auth_and_pubrec_without_words() {
    let hello = hello().with_request_problem_information(false).with_authentication(method(), None);
    let mut server = Solo::asked(hello, Config::default());
    server.connection.auth(NOW, wordy_auth(ReasonCode::CONTINUE_AUTHENTICATION)).unwrap();
    server.feed(&[0xF0, 6, 0x18, 4, 0x15, 0, 1, b'm']);
    server.events();
    server.connection.accept(NOW, welcome(), None).unwrap();
    server.feed(&publish(2, 1));
    let Some(ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!() };
    server.connection.ack(NOW, delivery.ack.unwrap().with_reason_string(words())).unwrap();
    assert_eq!(
        server.sent(),
        ["AUTH 0x18 AuthenticationMethod 'm'", "CONNACK AuthenticationMethod 'm'", "PUBREC id 1"]
    );
}

// U5-3.1.2.11.7b: a client may leave; ours reads what it is told.
#[test]
fn words_that_a_client_did_not_want_are_no_reason_to_leave() {
    let hello = hello().with_request_problem_information(false);
    let mut client = Solo::dialling(hello, Config::default(), Session::new()).welcome(welcome());
    client.connection.publish(NOW, message(QoS::AtLeastOnce)).unwrap();
    client.feed(&[0x40, 8, 0, 1, 0, 4, 0x1F, 0, 1, b'r']);
    assert_eq!(client.events(), ["Acknowledged 1"]);
    assert!(client.connection.is_open());
}

// MQTT-3.2.2-15
#[test]
fn a_request_larger_than_the_server_takes_is_not_sent() {
    let long = || TopicFilter::try_from("f".repeat(30)).unwrap();
    let subscribe = |filter| Subscribe::new(vec![Subscription::new(filter, QoS::AtMostOnce)]);
    let mut client = client(38);
    assert!(client.connection.subscribe(NOW, subscribe(long())).is_ok(), "38 bytes");
    assert_eq!(client.sent_bytes().len(), 38);
    let error = |size| Err(CommandError::TooLarge { size, maximum: 30 });
    let mut client = self::client(30);
    assert_eq!(client.connection.subscribe(NOW, subscribe(long())), error(38));
    assert_eq!(client.connection.unsubscribe(NOW, Unsubscribe::new(vec![long()])), error(37));
    assert!(client.sent_bytes().is_empty() && client.connection.is_open());
}

// U5-3.1.2.11.3, U5-3.1.2.11.4a
#[test]
fn a_limit_that_is_not_named_has_its_default() {
    let limits = [Solo::client(Version::V5).connection.limits(), Solo::server(Version::V5).connection.limits()];
    for limits in limits {
        assert_eq!(limits.receive_maximum, 65_535);
        assert_eq!(limits.maximum_packet_size, PROTOCOL_MAXIMUM_PACKET_SIZE);
    }
}

// U5-4.9: answers that nobody waits for give nothing back.
#[test]
fn no_answer_raises_the_window_above_its_size() {
    let connack = welcome().with_receive_maximum(2.try_into().unwrap());
    let mut client = Solo::dialling(hello(), Config::default(), Session::new()).welcome(connack);
    client.connection.publish(NOW, message(QoS::AtLeastOnce)).unwrap();
    let (ack, refusal, end) = ([0x40, 2, 0, 1], [0x50, 3, 0, 9, 0x97], [0x70, 2, 0, 9]);
    for answer in [&ack[..], &ack, &refusal, &end, &ack] {
        client.feed(answer);
    }
    for _ in 0..2 {
        client.connection.publish(NOW, message(QoS::AtLeastOnce)).unwrap();
    }
    assert_eq!(client.connection.publish(NOW, message(QoS::AtLeastOnce)).unwrap_err().kind(), &CommandError::Full);
}

/// PUBLISH QoS 0 with this alias, and with topic `t` or none.
fn aliased(number: u16, has_topic: bool) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    if has_topic { vec![0x30, 7, 0, 1, b't', 3, 0x23, high, low] } else { vec![0x30, 6, 0, 0, 3, 0x23, high, low] }
}

// MQTT-3.3.2-10, MQTT-3.3.2-12
#[test]
fn every_alias_up_to_the_limit_is_taken() {
    let config = Config { topic_alias_maximum: 300, ..Config::default() };
    let mut client = Solo::dialling(hello(), config.clone(), Session::new()).welcome(welcome());
    let mut server = Solo::accepted(hello(), config);
    for has_topic in [true, false] {
        for number in 1..=300 {
            client.feed(&aliased(number, has_topic));
            server.feed(&aliased(number, has_topic));
            assert_eq!(client.events(), ["Message QoS 0 't' ''"], "{number}");
            assert_eq!(server.events(), ["Message QoS 0 't' ''"], "{number}");
        }
    }
    client.feed(&aliased(301, true));
    server.feed(&aliased(301, true));
    assert_eq!((client.sent(), server.sent()), (vec!["DISCONNECT 0x94".into()], vec!["DISCONNECT 0x94".into()]));
}

// MQTT-3.3.4-6
#[test]
fn a_clients_message_never_has_a_subscription_identifier() {
    let mut pair = Scenario::new(Version::V5).connected();
    let named = message(QoS::AtLeastOnce).with_subscription_identifier(SubscriptionId::MIN);
    let error = pair.send(Side::Client, named.clone()).unwrap_err();
    assert!(matches!(error.kind(), CommandError::NotAllowed(_)), "{error:?}");
    assert!(pair.send(Side::Server, named).is_ok());
}

// MQTT-3.2.2-10
#[test]
fn a_server_of_low_qos_takes_subscriptions_of_every_qos() {
    for maximum_qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let config = Config { maximum_qos, ..Config::default() };
        for qos in 0..=2 {
            let mut server = Solo::accepted(hello(), config.clone());
            server.feed(&[0x82, 7, 0, 1, 0, 0, 1, b'a', qos]);
            let Some(ServerEvent::Subscribe(request)) = server.connection.poll_event() else { panic!() };
            server.connection.suback(NOW, request, &[ReasonCode::SUCCESS]).unwrap();
            assert_eq!(server.sent(), ["SUBACK id 1 0x00"]);
        }
    }
}

// MQTT-3.8.3-2 of 3.1.1, which has no words to refuse with.
#[test]
fn a_3_x_server_without_shared_subscriptions_closes() {
    let config = Config { shared_subscription_available: false, ..Config::default() };
    let mut server = Solo::accepted(Connect::new(Version::V311, Text::from_static("c")), config);
    server.feed(b"\x82\x0f\0\x01\0\x0a$share/s/a\0");
    assert_eq!(server.events(), ["Closed: SUBSCRIBE Topic Filter, 0x9E, MQTT-4.8.0-1"]);
}

// MQTT-3.8.3-2 of 3.1.1, which has no words to refuse with.
#[test]
fn a_3_x_server_without_wildcards_closes() {
    for version in [Version::V31, Version::V311] {
        let config = Config { wildcard_subscription_available: false, ..Config::default() };
        let mut server = Solo::accepted(Connect::new(version, Text::from_static("c")), config);
        server.feed(&[0x82, 6, 0, 1, 0, 1, b'a', 0]);
        assert!(server.connection.is_open() && server.events().len() == 1);
        server.feed(&[0x82, 6, 0, 2, 0, 1, b'#', 0]);
        assert_eq!(server.events(), ["Closed: SUBSCRIBE Topic Filter, 0xA2, MQTT-3.8.3-2"]);
        assert!(server.sent_bytes().is_empty());
    }
}

// 3.x has no words to announce these with, either.
#[test]
fn a_3_x_server_without_retained_messages_or_a_qos_closes() {
    for (config, taken, refused) in [
        (Config { retain_available: false, ..Config::default() }, 0x30, [0x31, 4, 0, 1, b't', b'x'].to_vec()),
        (Config { maximum_qos: QoS::AtLeastOnce, ..Config::default() }, 0x31, [0x34, 5, 0, 1, b't', 0, 1].to_vec()),
    ] {
        let mut server = Solo::accepted(Connect::new(Version::V311, Text::from_static("c")), config);
        server.feed(&[taken, 4, 0, 1, b't', b'x']);
        assert!(server.connection.is_open() && server.events().len() == 1);
        server.feed(&refused);
        assert!(server.connection.is_closed());
    }
}

// MQTT-3.2.2-12
#[test]
fn a_will_may_have_the_highest_qos_that_the_server_takes_and_no_higher() {
    for (qos, expected) in [(QoS::AtLeastOnce, "Connect 'c'"), (QoS::ExactlyOnce, "Closed by us")] {
        let mut server = Solo::listening(Config { maximum_qos: QoS::AtLeastOnce, ..Config::default() });
        server.feed_packet(&Packet::Connect(Box::new(hello().with_will(Will::new(message(qos))))));
        assert_eq!(server.events().first().map(String::as_str), Some(expected));
    }
}

// D31-clientid
#[test]
fn a_3_1_client_identifier_is_not_empty_and_may_be_long() {
    let mut server = Solo::listening(Config::default());
    server.feed(b"\x10\x0E\0\x06MQIsdp\x03\x02\0\x3C\0\0");
    assert_eq!(server.sent_bytes(), [0x20, 2, 0, 2]);
    assert!(server.connection.is_closed());
    let mut server = Solo::listening(Config::default());
    server.feed(b"\x10\x26\0\x06MQIsdp\x03\x02\0\x3C\0\x18twenty-four_characters__");
    assert_eq!(server.events(), ["Connect 'twenty-four_characters__'"]);
}
