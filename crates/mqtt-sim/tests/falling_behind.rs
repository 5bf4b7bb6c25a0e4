//! An application that lets events wait: the machine takes no more input, and the silence is not the server's.

use bytes::Buf;
use mqtt_proto::{
    AckPacket, Auth, Client, Config, ConnAck, Connect, Connection, Message, Packet, PacketId, Publish, QoS, ReasonCode,
    Role, Server, Session, SubAck, Subscribe, Subscription, Text, TopicFilter, TopicName, UnsubAck, Unsubscribe,
    Version,
};
use mqtt_sim::pair::Solo;

const LIMIT: usize = 10_000;

fn message(len: usize) -> Packet {
    let message = Message::new(TopicName::from_static("t"), vec![b'x'; len]);
    Packet::Publish(Publish { message, dup: false, packet_id: None, topic_alias: None })
}

fn client() -> Solo<Client> {
    let config = Config { event_bytes_limit: LIMIT, ..Config::default() };
    let connect = Connect::new(Version::V5, Text::from_static("c")).with_keep_alive(1);
    Solo::dialling(connect, config, Session::new()).welcome(ConnAck::new(false, ReasonCode::SUCCESS))
}

#[test]
fn large_messages_stop_the_input_before_there_are_many() {
    let mut client = client();
    for _ in 0..10 {
        client.feed_packet(&message(LIMIT / 2));
    }
    assert!(!client.connection.wants_input());
    assert_eq!(client.events().len(), 2, "together they reach the limit");
    assert!(client.connection.wants_input());
    client.feed(&[]);
    assert_eq!(client.events().len(), 2, "the next ones have waited");
}

#[test]
fn a_message_that_is_looked_at_first_makes_room_when_it_is_taken() {
    let mut client = client();
    for _ in 0..2 {
        client.feed_packet(&message(LIMIT / 2));
        client.feed_packet(&message(LIMIT / 2 + 1));
        assert!(!client.connection.wants_input());
        for len in [LIMIT / 2, LIMIT / 2 + 1] {
            let next = client.connection.peek_message().map(|next| next.message.payload.len());
            let taken = client.connection.poll_message().map(|taken| taken.message.payload.len());
            assert_eq!((next, taken), (Some(len), Some(len)));
            assert!(client.connection.wants_input());
        }
    }
    client.feed_packet(&message(LIMIT / 2));
    client.feed_packet(&message(LIMIT / 2 + 1));
    assert!(client.connection.poll_message().is_some());
    client.feed_packet(&message(LIMIT / 2));
    assert!(!client.connection.wants_input(), "the one that was not taken still counts");
    assert!(client.connection.poll_message().is_some() && client.connection.poll_message().is_some());
    client.connection.handle_eof(client.instant());
    assert!(client.connection.peek_message().is_none() && client.connection.poll_message().is_none());
    assert_eq!(client.events().len(), 1, "what is no message stays where it is");
}

#[test]
fn one_message_may_exceed_the_limit() {
    let mut client = client();
    client.feed_packet(&message(LIMIT * 3));
    client.feed_packet(&message(1));
    assert_eq!(client.events().len(), 1);
    client.feed(&[]);
    assert_eq!(client.events().len(), 1);
}

#[test]
fn a_server_whose_answer_waits_behind_large_messages_is_not_taken_for_dead() {
    let mut client = client();
    client.feed_packet(&message(LIMIT));
    for _ in 0..10 {
        client.now += 10_000;
        client.connection.handle_timeout(client.instant());
        assert!(!client.connection.is_closed());
    }
    client.events();
    for _ in 0..3 {
        client.now += 10_000;
        client.connection.handle_timeout(client.instant());
    }
    assert!(client.connection.is_closed(), "nothing came although it could");
}

#[test]
fn a_server_is_not_taken_for_dead_right_behind_what_had_to_wait() {
    type Take = fn(&mut Connection<Client>) -> bool;
    let takes: [Take; 2] = [|client| client.poll_event().is_some(), |client| client.poll_message().is_some()];
    for take in takes {
        let mut client = client();
        client.feed_packet(&message(LIMIT));
        client.connection.ping(client.instant()).unwrap();
        client.now += 10_000;
        assert!(take(&mut client.connection));
        client.connection.handle_timeout(client.instant());
        assert!(!client.connection.is_closed(), "PINGRESP may be behind it");
    }
}

#[test]
fn a_large_message_that_cannot_be_written_does_not_keep_the_machine_from_reading() {
    let mut client = client();
    let large = Message::new(TopicName::from_static("t"), vec![b'x'; 10 << 20]);
    client.connection.publish(client.instant(), large).expect("one message may exceed the outbox's limit");
    client.feed_packet(&message(1));
    assert_eq!(client.events().len(), 1, "the server may be writing, and read only afterwards");
    let before = client.connection.outbox_written();
    client.connection.outbox().advance(1_000);
    assert_eq!(client.connection.outbox_written(), before + 1_000);
}

/// Takes seven bytes as a property.
fn user_property() -> (Text, Text) {
    (Text::from_static("n"), Text::from_static("v"))
}

fn large_message() -> Message {
    let (name, value) = user_property();
    Message::new(TopicName::from_static("topic"), "eleven byte").with_user_property(name, value)
}

/// Takes ten bytes as properties.
fn auth(reason: ReasonCode) -> Auth {
    Auth::new(reason).with_authentication(Text::from_static("m"), Some("xyz".into()))
}

/// One event of `size` bytes fills a queue of as many bytes, and none of one byte more.
fn check_size<R: Role>(open: impl Fn(Config) -> Solo<R>, packet: &Packet, size: usize) {
    for (limit, is_full) in [(size, true), (size + 1, false)] {
        let mut solo = open(Config { event_bytes_limit: limit, ..Config::default() });
        assert!(solo.connection.wants_input());
        solo.feed_packet(packet);
        assert!(!solo.connection.is_closed(), "{packet:?}");
        assert_eq!(!solo.connection.wants_input(), is_full, "{size} of {limit} for {packet:?}");
        let is_taken = match packet {
            Packet::Publish(_) => solo.connection.poll_message().is_some(),
            _ => solo.connection.poll_event().is_some(),
        };
        assert!(is_taken && solo.connection.wants_input());
    }
}

#[test]
fn a_server_counts_the_bytes_that_its_clients_have_chosen() {
    let open = |config: Config| -> Solo<Server> {
        let connect = Connect::new(Version::V5, Text::from_static("c"));
        let mut server = Solo::accepted(connect.with_authentication(Text::from_static("m"), None), config);
        let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce);
        server.connection.publish(server.instant(), message).unwrap();
        server
    };
    let id = PacketId::new(1).unwrap();
    let (name, value) = user_property();
    check_size(open, &Packet::Publish(Publish::new(large_message(), None)), 5 + 11 + 7);
    let ack = AckPacket::new(id, ReasonCode::SUCCESS).with_user_property(name.clone(), value.clone());
    check_size(open, &Packet::PubAck(ack), 7);
    let filters = [TopicFilter::from_static("a/b"), TopicFilter::from_static("cd")];
    let subscriptions = filters.iter().map(|filter| Subscription::new(filter.clone(), QoS::AtMostOnce)).collect();
    let mut subscribe = Subscribe::new(subscriptions).with_user_property(name.clone(), value.clone());
    subscribe.packet_id = id;
    check_size(open, &Packet::Subscribe(subscribe), 2 * size_of::<Subscription>() + 3 + 2 + 7);
    let mut unsubscribe = Unsubscribe::new(filters.to_vec()).with_user_property(name, value);
    unsubscribe.packet_id = id;
    check_size(open, &Packet::Unsubscribe(unsubscribe), 2 * size_of::<TopicFilter>() + 3 + 2 + 7);
    check_size(open, &Packet::Auth(auth(ReasonCode::REAUTHENTICATE)), 4 + 6);
}

#[test]
fn a_client_counts_the_bytes_that_its_server_has_chosen() {
    let open = |config: Config| -> Solo<Client> {
        let connect = Connect::new(Version::V5, Text::from_static("c"));
        let connect = connect.with_authentication(Text::from_static("m"), None);
        let connack = ConnAck::new(false, ReasonCode::SUCCESS).with_authentication(Text::from_static("m"), None);
        let mut client = Solo::dialling(connect, config, Session::new()).welcome(connack);
        let (now, connection) = (client.instant(), &mut client.connection);
        let filters = vec![TopicFilter::from_static("a"); 3];
        let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce);
        let subscription = Subscription::new(filters[0].clone(), QoS::AtMostOnce);
        connection.publish(now, message).unwrap();
        connection.subscribe(now, Subscribe::new(vec![subscription; 3])).unwrap();
        connection.unsubscribe(now, Unsubscribe::new(filters)).unwrap();
        connection.auth(now, auth(ReasonCode::REAUTHENTICATE)).unwrap();
        client
    };
    let id = |id| PacketId::new(id).unwrap();
    let (name, value) = user_property();
    check_size(open, &Packet::Publish(Publish::new(large_message(), None)), 5 + 11 + 7);
    let ack = AckPacket::new(id(1), ReasonCode::SUCCESS).with_user_property(name.clone(), value.clone());
    check_size(open, &Packet::PubAck(ack), 7);
    let suback = SubAck::new(id(2), vec![ReasonCode::SUCCESS; 3]).with_user_property(name.clone(), value.clone());
    check_size(open, &Packet::SubAck(suback), 3 + 7);
    let unsuback = UnsubAck::new(id(3), vec![ReasonCode::SUCCESS; 3]).with_user_property(name, value);
    check_size(open, &Packet::UnsubAck(unsuback), 3 + 7);
    check_size(open, &Packet::Auth(auth(ReasonCode::CONTINUE_AUTHENTICATION)), 4 + 6);
}

#[test]
fn what_is_held_comes_in_when_it_is_let_in() {
    let mut client = client();
    client.connection.hold(true);
    assert!(!client.connection.wants_input());
    client.feed_packet(&message(1));
    assert!(client.events().is_empty());
    client.connection.hold(false);
    client.feed(&[]);
    assert_eq!(client.events().len(), 1);
}

#[test]
fn a_handshake_goes_on_although_messages_are_held() {
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let mut client = Solo::dialling(connect.clone(), Config::default(), Session::new());
    client.connection.hold(true);
    client.feed_packet(&Packet::ConnAck(ConnAck::new(false, ReasonCode::SUCCESS)));
    assert!(client.connection.is_open() && !client.connection.wants_input());
    let mut server = Solo::listening(Config::default());
    server.connection.hold(true);
    server.feed_packet(&Packet::Connect(Box::new(connect)));
    assert_eq!(server.events().len(), 1);
}

#[test]
fn silence_while_messages_were_held_is_not_the_peers() {
    let mut client = client();
    client.connection.ping(client.instant()).unwrap();
    client.sent();
    // However often it is said.
    for held in [true, true, true, false] {
        client.connection.hold(held);
    }
    client.now += 10_000;
    client.connection.handle_timeout(client.instant());
    assert!(client.connection.is_open(), "the answer may have waited until now");
    client.now += 10_000;
    client.connection.handle_timeout(client.instant());
    assert!(client.connection.is_closed());
}

/// Every answer to a peer that keeps to the protocol has room. One that sends on and reads none of them is left alone.
#[test]
fn a_peer_that_lets_too_many_answers_wait_is_not_read() {
    let config = Config { outbox_limit: 0, ..Config::default() };
    let mut server = Solo::accepted(Connect::new(Version::V5, Text::from_static("c")), config);
    // PUBREL of an unknown identifier; PUBCOMP with 0x92 takes five bytes.
    let room = 65_535 * 8 / 5;
    server.feed(&[0x62, 2, 0, 9].repeat(room - 1));
    assert_eq!((server.connection.outbox_len(), server.connection.wants_input()), ((room - 1) * 5, true));
    server.feed(&[0x62, 2, 0, 9]);
    assert_eq!((server.connection.outbox_len(), server.connection.wants_input()), (65_535 * 8, false));
    server.sent_bytes();
    assert!(server.connection.wants_input());
}
