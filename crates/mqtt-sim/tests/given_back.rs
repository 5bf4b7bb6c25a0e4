//! What a command was given and did not take comes back: sessions, messages, duties.

use mqtt_proto::{
    Ack, CommandError, Config, ConnAck, Connect, Connection, Instant, Message, PacketId, QoS, ReasonCode, ServerEvent,
    Session, Text, TopicName, Version,
};
use mqtt_sim::pair::Solo;

const NOW: Instant = Instant::ZERO;

fn welcome() -> ConnAck {
    ConnAck::new(false, ReasonCode::SUCCESS)
}

fn returning(version: Version) -> Connect {
    Connect::new(version, Text::from_static("c")).with_clean_start(false)
}

/// A server's session that owes the client a message, and the duty to answer a QoS 2 message of the client.
fn unfinished(version: Version) -> (Session, Ack) {
    let mut server = Solo::accepted(returning(version), Config::default());
    server.connection.publish(NOW, Message::new(TopicName::from_static("t"), "x").with_qos(QoS::AtLeastOnce)).unwrap();
    server.feed(if version == Version::V5 { &[0x34, 6, 0, 1, b't', 0, 9, 0] } else { &[0x34, 5, 0, 1, b't', 0, 9] });
    let Some(ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!("a message") };
    (server.connection.into_session(), delivery.ack.unwrap())
}

#[test]
fn a_client_that_went_before_it_was_accepted_leaves_its_session_with_the_server() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let (session, _ack) = unfinished(version);
        let mut gone = Solo::asked(returning(version), Config::default());
        gone.connection.handle_eof(NOW);
        let rejected = gone.connection.accept(NOW, welcome(), Some(session.clone())).unwrap_err();
        assert_eq!(rejected.to_string(), rejected.kind().to_string());
        assert_eq!(*rejected.kind(), CommandError::Closed);
        assert_eq!(rejected.into_inner(), Some(session));
    }
}

#[test]
fn a_connack_that_cannot_be_sent_leaves_the_session_with_the_server() {
    let (session, _ack) = unfinished(Version::V311);
    let mut server = Solo::asked(returning(Version::V311), Config::default());
    let connack = welcome().with_reason_string(Text::from_static("3.1.1 has no such thing"));
    let rejected = server.connection.accept(NOW, connack, Some(session.clone())).unwrap_err();
    assert!(matches!(rejected.kind(), CommandError::Encode(_)));
    let session = rejected.into_inner();
    assert!(server.sent().is_empty());
    // Nothing has changed: it can be accepted by another one.
    server.connection.accept(NOW, welcome(), session).unwrap();
    assert_eq!(server.sent(), ["CONNACK session present", "PUBLISH id 1 QoS 1 dup 't' 'x'"]);
}

#[test]
fn a_connect_that_cannot_be_sent_leaves_the_session_with_the_client() {
    let session = Session::continued();
    let nameless = Connect::new(Version::V311, Text::default()).with_clean_start(false);
    let in_v5_only = Connect::new(Version::V311, Text::from_static("c")).with_session_expiry_interval(9);
    for connect in [nameless, in_v5_only] {
        let rejected = Connection::connect(NOW, connect, Config::default(), session.clone()).unwrap_err();
        assert_eq!(rejected.into_inner(), session);
    }
}

// The answer belongs to the stored session. It is the same for a connection that has ended before it was accepted.
#[test]
fn an_acknowledgement_before_accept_is_given_back() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for ends in [false, true] {
            let (mut session, ack) = unfinished(version);
            let mut server = Solo::asked(returning(version), Config::default());
            if ends {
                server.connection.handle_eof(NOW);
            }
            let rejected = server.connection.ack(NOW, ack).unwrap_err();
            assert_eq!(*rejected.kind(), CommandError::NotConnected);
            session.ack(rejected.into_inner());
            assert_eq!(session.unreleased().collect::<Vec<_>>(), PacketId::new(9).into_iter().collect::<Vec<_>>());
            let mut server = Solo::asked(returning(version), Config::default());
            server.connection.accept(NOW, welcome(), Some(session)).unwrap();
            server.sent();
            server.feed(if version == Version::V5 {
                &[0x3C, 6, 0, 1, b't', 0, 9, 0]
            } else {
                &[0x3C, 5, 0, 1, b't', 0, 9]
            });
            assert_eq!((server.sent(), server.events()), (vec!["PUBREC id 9".to_owned()], Vec::new()));
        }
    }
}

#[test]
fn an_acknowledgement_with_a_code_of_another_packet_is_given_back() {
    let mut server = Solo::server(Version::V5);
    server.feed(&[0x32, 6, 0, 1, b't', 0, 9, 0]);
    let Some(ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!("a message") };
    let ack = delivery.ack.unwrap().with_reason(ReasonCode::SERVER_MOVED);
    let rejected = server.connection.ack(NOW, ack).unwrap_err();
    assert!(matches!(rejected.kind(), CommandError::NotAllowed(_)));
    server.connection.ack(NOW, rejected.into_inner().with_reason(ReasonCode::SUCCESS)).unwrap();
    assert_eq!(server.sent(), ["PUBACK id 9"]);
}

// The next session of the client counts everything anew: the old answer would stand for a message that nobody has processed.
#[test]
fn an_acknowledgement_of_a_discarded_session_is_given_back() {
    for version in [Version::V31, Version::V311, Version::V5] {
        for header in [0x32, 0x34] {
            let publish: &[u8] =
                if version == Version::V5 { &[header, 6, 0, 1, b't', 0, 9, 0] } else { &[header, 5, 0, 1, b't', 0, 9] };
            let mut acks = Vec::new();
            let mut sessions = Vec::new();
            for now in [0, 1] {
                let mut server = Solo::asked(Connect::new(version, Text::from_static("c")), Config::default());
                server.now = now;
                server.connection.accept(server.instant(), welcome(), None).unwrap();
                server.feed(publish);
                let Some(ServerEvent::Message(delivery)) = server.connection.poll_event() else { panic!("a message") };
                acks.extend(delivery.ack);
                sessions.push(server);
            }
            let [old, new] = <[Ack; 2]>::try_from(acks).unwrap();
            let mut server = sessions.pop().unwrap();
            server.sent();
            let rejected = server.connection.ack(NOW, old).unwrap_err();
            assert!(matches!(rejected.kind(), CommandError::NotAllowed(_)));
            let mut stored = server.connection.session().clone();
            stored.ack(rejected.into_inner());
            assert_eq!(stored, *server.connection.session(), "nor is anything left to be done between connections");
            assert!(server.sent().is_empty());
            server.connection.ack(NOW, new).unwrap();
            assert_eq!(server.sent().len(), 1);
        }
    }
}
