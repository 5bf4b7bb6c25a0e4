//! `mqtt pub` against a broker that follows the test's script.

use std::io::Write;

use crate::support::{Broker, Peer, finish, mqtt, run};
use mqtt_proto::{ConnAck, Packet, QoS, ReasonCode};

#[test]
fn a_refusal_is_code_2_and_gives_the_brokers_reason_in_words() {
    for version in ["31", "311", "5"] {
        let broker = Broker::start(|listener| {
            let (mut peer, _) = Peer::accept(listener);
            peer.send(Packet::ConnAck(ConnAck::new(false, ReasonCode::BAD_USER_NAME_OR_PASSWORD)));
        });
        let finished = run(&format!("pub -h 127.0.0.1 -p {} -V {version} -t a -m b", broker.port));
        finished.assert(2, &["mqtt: the server refused the connection", "bad user name or password"]);
        broker.join();
    }
}

#[test]
fn a_message_is_sent_with_what_the_options_say_and_followed_by_a_good_bye() {
    let broker = Broker::start(|listener| {
        let (mut peer, connect) = Peer::accept(listener);
        assert_eq!(connect.client_id.as_str(), "me");
        assert_eq!(connect.username.as_deref(), Some("user"));
        assert_eq!(connect.password.as_deref(), Some(&b"pass"[..]));
        assert_eq!(connect.keep_alive, 7);
        assert_eq!(connect.properties().user_properties().collect::<Vec<_>>(), [("k", "v")]);
        let will = connect.will.unwrap();
        assert_eq!((will.message.topic.as_str(), &will.message.payload[..]), ("w", &b"gone"[..]));
        peer.send(Packet::ConnAck(ConnAck::new(false, ReasonCode::SUCCESS)));
        let publish = peer.receive_publish();
        assert_eq!((publish.message.topic.as_str(), &publish.message.payload[..]), ("a/b", &b"hello"[..]));
        assert_eq!((publish.message.qos, publish.message.retain), (QoS::AtLeastOnce, true));
        assert_eq!(publish.message.properties().content_type(), Some("text"));
        peer.puback(publish.packet_id.unwrap(), ReasonCode::SUCCESS);
        peer.expect_disconnect();
    });
    let finished = run(&format!(
        "pub -h 127.0.0.1 -p {} -i me -u user -P pass -k 7 -t a/b -m hello -q 1 -r --will-topic w --will-payload gone \
         -D publish content-type text -D connect user-property k v",
        broker.port
    ));
    finished.assert(0, &[]);
    assert_eq!(finished.stderr, "");
    broker.join();
}

#[test]
fn a_refused_message_is_code_2_and_says_why() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::welcome(listener);
        let publish = peer.receive_publish();
        peer.puback(publish.packet_id.unwrap(), ReasonCode::NOT_AUTHORIZED);
        peer.expect_disconnect();
    });
    let finished = run(&format!("pub -h 127.0.0.1 -p {} -V 5 -t a -m b -q 1", broker.port));
    finished.assert(2, &["mqtt: the server refused the message: 0x87 not authorized"]);
    broker.join();
}

#[test]
fn lines_are_pipelined_and_each_is_a_message() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::welcome(listener);
        // Nothing is acknowledged before twenty have come: a sender that waits for each would wait for ever.
        let publishes: Vec<_> = (0..20).map(|_| peer.receive_publish()).collect();
        for publish in &publishes {
            peer.puback(publish.packet_id.unwrap(), ReasonCode::SUCCESS);
        }
        peer.expect_disconnect();
        publishes.iter().map(|publish| publish.message.payload.to_vec()).collect::<Vec<_>>()
    });
    let mut child = mqtt(&format!("pub -h 127.0.0.1 -p {} -t a -l -q 1", broker.port));
    let lines: Vec<Vec<u8>> = (0..20).map(|number| format!("line {number}\r").into_bytes()).collect();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(&lines.join(&b'\n')).unwrap();
    drop(stdin);
    finish(child).assert(0, &[]);
    assert_eq!(broker.join(), lines);
}

#[test]
fn no_line_is_lost_when_the_connection_breaks() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::welcome(listener);
        let mut seen: Vec<String> = Vec::new();
        let mut note = |payload: &[u8]| {
            let text = String::from_utf8(payload.to_vec()).unwrap();
            if !seen.contains(&text) {
                seen.push(text);
            }
        };
        for _ in 0..5 {
            let publish = peer.receive_publish();
            note(&publish.message.payload);
            peer.puback(publish.packet_id.unwrap(), ReasonCode::SUCCESS);
        }
        // Two that arrive and are not acknowledged, then the cut.
        let _unacknowledged = [peer.receive_publish(), peer.receive_publish()];
        drop(peer);
        let mut peer = Peer::welcome(listener);
        loop {
            match peer.receive() {
                Some(Packet::Publish(publish)) => {
                    note(&publish.message.payload);
                    peer.puback(publish.packet_id.unwrap(), ReasonCode::SUCCESS);
                }
                Some(Packet::Disconnect(_)) => break,
                other => panic!("{other:?}"),
            }
        }
        seen
    });
    let mut child = mqtt(&format!("pub -h 127.0.0.1 -p {} -t a -l -q 1", broker.port));
    let lines: Vec<String> = (0..100).map(|number| format!("line {number}")).collect();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(lines.join("\n").as_bytes()).unwrap();
    drop(stdin);
    finish(child).assert(0, &["mqtt: warning: the connection broke"]);
    assert_eq!(broker.join(), lines);
}

#[cfg(target_os = "linux")]
#[test]
fn a_connection_comes_from_the_address_that_the_user_names() {
    let broker = Broker::start(|listener| {
        let (mut peer, _) = Peer::accept(listener);
        peer.send(Packet::ConnAck(ConnAck::new(false, ReasonCode::SUCCESS)));
        peer.receive_publish();
        peer.expect_disconnect();
        peer.address()
    });
    // All of 127/8 is this machine on Linux.
    run(&format!("pub -h 127.0.0.1 -p {} -A 127.0.0.9 -t a -m x", broker.port)).assert(0, &[]);
    assert_eq!(broker.join().to_string(), "127.0.0.9");

    let finished = run("pub -h 127.0.0.1 -A ::1 -t a -m x");
    finished.assert(2, &["no address of the kind of ::1"]);
}

#[test]
fn a_message_is_repeated_as_often_as_asked() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::welcome(listener);
        let mut count = 0;
        while let Some(Packet::Publish(publish)) = peer.receive() {
            assert_eq!(&publish.message.payload[..], b"x");
            count += 1;
        }
        count
    });
    run(&format!("pub -h 127.0.0.1 -p {} -t a -m x --repeat 3 --repeat-delay 0.01", broker.port)).assert(0, &[]);
    assert_eq!(broker.join(), 3);
}
