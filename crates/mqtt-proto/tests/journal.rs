//! The journal of a session: stored changes build the session again, and an end that crashed goes on from them.

use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{
    Change, ClientEvent, Config, ConnAck, Connect, Connection, Instant, Message, QoS, ReasonCode, Role, Server,
    ServerEvent, Session, Text, TopicName, Version,
};

const NOW: Instant = Instant::ZERO;

fn config() -> Config {
    Config { journal: true, ..Config::default() }
}

fn client(session: Session) -> Connection<mqtt_proto::Client> {
    let mut connect = Connect::new(Version::V5, Text::from_static("c")).with_session_expiry_interval(600);
    connect.clean_start = false;
    Connection::connect(NOW, connect, config(), session).unwrap()
}

/// Stores what an end has to store, as bytes, then carries what it has to say.
fn carry<A: Role, B: Role>(store: &mut Vec<Bytes>, from: &mut Connection<A>, to: &mut Connection<B>) {
    while let Some(change) = from.poll_change() {
        let mut bytes = BytesMut::new();
        change.encode(&mut bytes).unwrap();
        store.push(bytes.freeze());
    }
    let outbox = from.outbox();
    let mut bytes = BytesMut::from(&outbox.copy_to_bytes(outbox.remaining())[..]);
    while to.handle_input(NOW, &mut bytes) > 0 {}
    assert!(bytes.is_empty());
}

fn stored(store: &[Bytes]) -> Session {
    Session::import(store.iter().map(|bytes| Change::decode(bytes.clone()).unwrap()))
}

fn export(session: &Session) -> Vec<Change> {
    session.export().collect()
}

fn message(number: u8, qos: QoS) -> Message {
    Message::new(TopicName::from_static("t"), vec![number; 3]).with_qos(qos).with_content_type(Text::from_static("n"))
}

/// Lets the server in with what it has stored.
fn accept(server: &mut Connection<Server>, session: Option<Session>) {
    let Some(ServerEvent::Connect(_)) = server.poll_event() else { panic!("no CONNECT") };
    server.accept(NOW, ConnAck::new(false, ReasonCode::SUCCESS), session).unwrap();
}

#[test]
fn what_is_stored_is_the_session_after_every_step() {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    let mut client = client(Session::new());
    let mut server = Connection::<Server>::listen(NOW, config());
    carry(&mut at_client, &mut client, &mut server);
    accept(&mut server, None);
    carry(&mut at_server, &mut server, &mut client);
    for (number, qos) in [(1, QoS::ExactlyOnce), (2, QoS::AtLeastOnce), (3, QoS::ExactlyOnce), (4, QoS::AtMostOnce)] {
        client.publish(NOW, message(number, qos)).unwrap();
        server.publish(NOW, message(number + 10, qos)).unwrap();
    }
    let mut finished = 0;
    for _ in 0..6 {
        carry(&mut at_client, &mut client, &mut server);
        assert_eq!(export(&stored(&at_client)), export(client.session()));
        while let Some(event) = server.poll_event() {
            match event {
                ServerEvent::Message(delivery) => {
                    delivery.ack.map_or(Ok(()), |ack| server.ack(NOW, ack)).unwrap();
                }
                ServerEvent::Acknowledged(_) => finished += 1,
                other => panic!("{other:?}"),
            }
        }
        carry(&mut at_server, &mut server, &mut client);
        assert_eq!(export(&stored(&at_server)), export(server.session()));
        while let Some(event) = client.poll_event() {
            match event {
                ClientEvent::Message(delivery) => {
                    delivery.ack.map_or(Ok(()), |ack| client.ack(NOW, ack)).unwrap();
                }
                ClientEvent::Acknowledged(_) => finished += 1,
                ClientEvent::Connected(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(finished, 6);
    assert_eq!(export(&stored(&at_client)), [Change::Cleared]);
    assert_eq!(export(&stored(&at_server)), [Change::Cleared, Change::Confirmed]);
}

/// One QoS 2 message from client to server; both ends crash after `crash` exchanges and go on from their stores.
fn deliveries_with_a_crash_after(crash: usize) -> usize {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    let mut deliveries = 0;
    let mut sent = false;
    for life in 0..2 {
        let mut client = client(if at_client.is_empty() { Session::new() } else { stored(&at_client) });
        let mut server = Connection::<Server>::listen(NOW, config());
        carry(&mut at_client, &mut client, &mut server);
        accept(&mut server, Some(stored(&at_server)).filter(Session::is_confirmed));
        for step in 0..5 {
            if life == 0 && step == crash {
                break; // both ends are dropped: nothing but the stores is left
            }
            carry(&mut at_server, &mut server, &mut client);
            while let Some(event) = client.poll_event() {
                match event {
                    ClientEvent::Connected(_) if !sent => {
                        sent = true;
                        client.publish(NOW, message(7, QoS::ExactlyOnce)).unwrap();
                    }
                    // The server has crashed before it stored that the client had spoken.
                    ClientEvent::Unacknowledged { message, .. } => {
                        client.publish(NOW, message.unwrap()).unwrap();
                    }
                    _ => {}
                }
            }
            carry(&mut at_client, &mut client, &mut server);
            while let Some(event) = server.poll_event() {
                if let ServerEvent::Message(delivery) = event {
                    deliveries += 1;
                    server.ack(NOW, delivery.ack.unwrap()).unwrap();
                }
            }
        }
    }
    assert_eq!(export(&stored(&at_client)), [Change::Cleared]);
    deliveries
}

#[test]
fn a_crash_of_both_ends_delivers_a_qos_2_message_once() {
    // Before the second exchange the application's acknowledgement was not stored: it has the message again.
    assert_eq!(deliveries_with_a_crash_after(1), 2, "accepted in memory only, so it comes again");
    for crash in [0, 2, 3, 4, 5] {
        assert_eq!(deliveries_with_a_crash_after(crash), 1, "crash after {crash} exchanges");
    }
}

/// What a server of this version has stored of a QoS 2 message that its application refused.
fn stored_of_a_refusal(version: Version) -> Vec<Change> {
    let connect = Connect::new(version, Text::from_static("c"));
    let mut client = Connection::connect(NOW, connect, Config::default(), Session::new()).unwrap();
    let mut server = Connection::<Server>::listen(NOW, config());
    let (mut nothing, mut store) = (Vec::new(), Vec::new());
    carry(&mut nothing, &mut client, &mut server);
    accept(&mut server, None);
    carry(&mut store, &mut server, &mut client);
    let message = Message::new(TopicName::from_static("t"), "x").with_qos(QoS::ExactlyOnce);
    client.publish(NOW, message).unwrap();
    carry(&mut nothing, &mut client, &mut server);
    while let Some(event) = server.poll_event() {
        if let ServerEvent::Message(delivery) = event {
            server.ack(NOW, delivery.ack.unwrap().with_reason(ReasonCode::NOT_AUTHORIZED)).unwrap();
        }
    }
    store.clear();
    carry(&mut store, &mut server, &mut client);
    store.into_iter().map(|bytes| Change::decode(bytes).unwrap()).collect()
}

// In 3.x PUBREC cannot refuse: the client sends PUBREL for it, and must not be thought to begin another message.
#[test]
fn a_refusal_is_stored_where_the_client_will_not_hear_of_it() {
    let packet_id = mqtt_proto::PacketId::MIN;
    assert_eq!(stored_of_a_refusal(Version::V311), [Change::Confirmed, Change::Accepted { packet_id }]);
    assert_eq!(stored_of_a_refusal(Version::V5), [Change::Confirmed]);
}

#[test]
#[cfg(debug_assertions)]
#[should_panic(expected = "poll and store the session's changes")]
fn an_outbox_that_is_written_before_its_changes_are_stored_panics_in_debug_builds() {
    let mut client = client(Session::new());
    client.handle_input(NOW, &mut BytesMut::from(&[0x20, 3, 0, 0, 0][..]));
    client.publish(NOW, message(1, QoS::AtLeastOnce)).unwrap();
    client.outbox();
}

// It is sent once more if that is lost, and the peer knows it.
#[test]
fn that_a_message_is_finished_need_not_be_stored_before_the_outbox_is_written() {
    let mut client = client(Session::new());
    client.handle_input(NOW, &mut BytesMut::from(&[0x20, 3, 0, 0, 0][..]));
    client.publish(NOW, message(1, QoS::AtLeastOnce)).unwrap();
    while client.poll_change().is_some() {}
    client.handle_input(NOW, &mut BytesMut::from(&[0x40, 2, 0, 1][..]));
    assert!(client.outbox().has_remaining(), "the message, still");
    assert!(matches!(client.poll_change(), Some(Change::Finished { .. })));
}

#[test]
fn an_acknowledgement_that_waits_behind_others_is_exported_and_a_refusal_is_not() {
    let (mut at_client, mut at_server) = (Vec::new(), Vec::new());
    let mut client = client(Session::new());
    let mut server = Connection::<Server>::listen(NOW, config());
    carry(&mut at_client, &mut client, &mut server);
    accept(&mut server, None);
    carry(&mut at_server, &mut server, &mut client);
    client.poll_event();
    for (number, qos) in [(1, QoS::AtLeastOnce), (2, QoS::ExactlyOnce), (3, QoS::ExactlyOnce), (4, QoS::ExactlyOnce)] {
        client.publish(NOW, message(number, qos)).unwrap();
    }
    carry(&mut at_client, &mut client, &mut server);
    let ack = |event| match event {
        Some(ServerEvent::Message(delivery)) => delivery.ack.unwrap(),
        other => panic!("{other:?}"),
    };
    let [_first, second, third, fourth] = [(); 4].map(|()| ack(server.poll_event()));
    server.ack(NOW, second).unwrap();
    server.ack(NOW, third.with_reason(ReasonCode::QUOTA_EXCEEDED)).unwrap();
    carry(&mut at_server, &mut server, &mut client);
    let accepted = Change::Accepted { packet_id: mqtt_proto::PacketId::new(2).unwrap() };
    assert_eq!(export(server.session()), [Change::Cleared, Change::Confirmed, accepted]);
    assert_eq!(export(&stored(&at_server)), export(server.session()));
    assert_eq!(fourth.qos(), QoS::ExactlyOnce);
}

#[test]
fn an_export_has_all_messages_in_order_and_then_what_became_of_them() {
    let mut client = client(Session::new());
    client.handle_input(NOW, &mut BytesMut::from(&[0x20, 3, 0, 0, 0][..]));
    let messages = [(1, QoS::ExactlyOnce), (2, QoS::AtLeastOnce), (3, QoS::ExactlyOnce)];
    let messages = messages.map(|(number, qos)| message(number, qos));
    let tokens = messages.clone().map(|message| client.publish(NOW, message).unwrap());
    while client.poll_change().is_some() {}
    // PUBREC with 0x10 for the last one.
    client.handle_input(NOW, &mut BytesMut::from(&[0x50, 3, 0, 3, 0x10][..]));
    let session = client.into_session();
    let id = |id| mqtt_proto::PacketId::new(id).unwrap();
    let published = |index: usize, message: Message| Change::Published {
        packet_id: id(index as u16 + 1),
        token: tokens[index],
        message,
    };
    let [first, second, _] = messages.clone();
    let stand_in = Message::new(TopicName::from_static("-"), "").with_qos(QoS::ExactlyOnce);
    let expected = [
        Change::Cleared,
        published(2, stand_in),
        published(0, first),
        published(1, second),
        Change::Released { packet_id: id(3), reason: ReasonCode::NO_MATCHING_SUBSCRIBERS },
    ];
    assert_eq!(export(&session), expected);
    let unfinished = |session: &Session| -> Vec<_> { session.unacknowledged().collect() };
    let [first, second, _] = messages;
    let in_order = [(tokens[2], None), (tokens[0], Some(first)), (tokens[1], Some(second))];
    assert_eq!(unfinished(&session), in_order);
    assert_eq!(unfinished(&Session::import(expected)), in_order);
}

#[test]
fn a_message_that_is_stored_under_any_id_leaves_the_others_free() {
    for (id, last) in [(1, 10), (2, 10), (300, 310), (u16::MAX, u16::MAX)] {
        let packet_id = mqtt_proto::PacketId::new(id).unwrap();
        let published = Change::Published { packet_id, token: client_token(), message: message(1, QoS::AtLeastOnce) };
        let mut client = client(Session::import([Change::Cleared, published]));
        client.handle_input(NOW, &mut BytesMut::from(&[0x20, 3, 1, 0, 0][..]));
        // All identifiers but the one, in their order.
        for expected in (1..=last).filter(|other| *other != id) {
            client.publish(NOW, message(2, QoS::AtLeastOnce)).unwrap();
            let Some(Change::Published { packet_id, .. }) = client.poll_change() else { panic!("no change") };
            assert_eq!(packet_id.get(), expected);
            drop(client.outbox().take());
        }
        assert_eq!(client.can_publish(QoS::AtLeastOnce), last < u16::MAX);
    }
}

#[test]
fn a_stored_change_that_is_damaged_is_refused() {
    let change = Change::Published {
        packet_id: mqtt_proto::PacketId::new(9).unwrap(),
        token: client_token(),
        message: message(1, QoS::AtLeastOnce),
    };
    let mut bytes = BytesMut::new();
    change.encode(&mut bytes).unwrap();
    let bytes = bytes.freeze();
    assert_eq!(Change::decode(bytes.clone()).unwrap(), change);
    for len in 0..bytes.len() {
        assert!(Change::decode(bytes.slice(..len)).is_err(), "cut to {len} bytes");
    }
    assert_eq!(
        Change::decode(Bytes::from_static(&[99])).unwrap_err().to_string(),
        "a stored session change cannot be read: its kind is unknown: was it written by a later version?"
    );
    assert!(Change::decode(Bytes::from_static(&[3, 0, 0])).is_err(), "packet identifier 0");
    assert!(Change::decode(Bytes::from_static(&[3, 0, 1, 0])).is_err(), "a byte too many");
}

fn client_token() -> mqtt_proto::Token {
    let (mut store, mut client) = (Vec::new(), client(Session::new()));
    let mut server = Connection::<Server>::listen(NOW, config());
    carry(&mut store, &mut client, &mut server);
    accept(&mut server, None);
    carry(&mut store, &mut server, &mut client);
    client.publish(NOW, message(1, QoS::AtLeastOnce)).unwrap()
}
