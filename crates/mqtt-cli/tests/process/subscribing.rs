//! `mqtt sub` against a broker that follows the test's script.

use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::support::{Broker, Peer, finish, mqtt, run};
use mqtt_proto::{Disconnect, Packet, ReasonCode, SubAck};

const GRANTED: ReasonCode = ReasonCode::SUCCESS;

#[test]
fn messages_are_printed_until_the_count_is_reached() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::subscribe(listener, &[GRANTED, GRANTED]);
        peer.publish("a/1", b"one", None);
        peer.publish("out", b"filtered", None);
        peer.publish("b", b"two\n", None);
        peer.expect_disconnect();
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -t a/# -t b -T out -C 2 -v", broker.port));
    finished.assert(0, &[]);
    assert_eq!(finished.stdout, "a/1 one\nb two\n\n");
    assert_eq!(finished.stderr, "");
    broker.join();
}

#[test]
fn a_format_prints_the_packet_id_and_no_identifier_that_the_user_did_not_choose() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::welcome(listener);
        let Some(Packet::Subscribe(subscribe)) = peer.receive() else { panic!("not a SUBSCRIBE") };
        assert_eq!(subscribe.properties().subscription_identifiers().next(), None);
        peer.send(Packet::SubAck(SubAck::new(subscribe.packet_id, vec![GRANTED])));
        peer.publish("a", b"x", Some(513));
        peer.publish("a", b"y", None);
        while peer.receive().is_some() {}
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -V 5 -t a -q 1 -C 2 -F %p,%m,%S,%q", broker.port));
    finished.assert(0, &[]);
    assert_eq!(finished.stdout, "x,513,,1\ny,0,,0\n");
    broker.join();
}

#[test]
fn messages_beyond_the_count_are_not_acknowledged() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::subscribe(listener, &[GRANTED]);
        peer.publish("a", b"mine", Some(1));
        peer.publish("a", b"the next run's", Some(2));
        let mut acknowledged = Vec::new();
        while let Some(packet) = peer.receive() {
            if let Packet::PubAck(ack) = packet {
                acknowledged.push(ack.packet_id.get());
            }
        }
        acknowledged
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -t a -q 1 -c -i me -C 1", broker.port));
    finished.assert(0, &[]);
    assert_eq!(finished.stdout, "mine\n");
    assert_eq!(broker.join(), [1]);
}

#[test]
fn a_session_message_that_comes_before_the_subscription_is_printed() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::welcome(listener);
        peer.publish("earlier", b"queued", Some(9));
        let mut acknowledged = 0;
        while let Some(packet) = peer.receive() {
            match packet {
                Packet::Subscribe(subscribe) => {
                    peer.send(Packet::SubAck(SubAck::new(subscribe.packet_id, vec![GRANTED])));
                }
                Packet::PubAck(_) => acknowledged += 1,
                _ => {}
            }
        }
        assert_eq!(acknowledged, 1);
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -t a -q 1 -c -i me -C 1", broker.port));
    finished.assert(0, &[]);
    assert_eq!(finished.stdout, "queued\n");
    broker.join();
}

#[test]
fn subscriptions_that_are_all_refused_are_code_2_and_some_a_warning() {
    let broker = Broker::start(|listener| {
        Peer::subscribe(listener, &[ReasonCode::NOT_AUTHORIZED, ReasonCode::NOT_AUTHORIZED]).expect_disconnect();
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -V 5 -t a -t b", broker.port));
    finished.assert(2, &["refused", "not authorized"]);
    broker.join();

    let broker = Broker::start(|listener| {
        let mut peer = Peer::subscribe(listener, &[ReasonCode::NOT_AUTHORIZED, GRANTED]);
        peer.publish("b", b"x", None);
        peer.expect_disconnect();
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -V 5 -t a -t b -C 1", broker.port));
    finished.assert(0, &["mqtt: warning: ", "'a'", "not authorized"]);
    assert_eq!(finished.stdout, "x\n");
    broker.join();
}

#[test]
fn the_time_of_w_ends_it_with_code_27_and_a_good_bye() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::subscribe(listener, &[GRANTED]);
        peer.publish("a", b"x", None);
        peer.expect_disconnect();
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -t a -W 1", broker.port));
    finished.assert(27, &[]);
    assert_eq!(finished.stdout, "x\n");
    broker.join();
}

#[test]
fn e_ends_it_when_the_subscription_is_answered() {
    let broker = Broker::start(|listener| Peer::subscribe(listener, &[GRANTED]).expect_disconnect());
    run(&format!("sub -h 127.0.0.1 -p {} -t a -E", broker.port)).assert(0, &[]);
    broker.join();
}

#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly_without_another_message() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::subscribe(listener, &[GRANTED]);
        peer.publish("a", b"x", None);
        peer.expect_disconnect();
    });
    let mut child = mqtt(&format!("sub -h 127.0.0.1 -p {} -t a", broker.port));
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "x\n");
    drop(stdout);
    let finished = finish(child);
    finished.assert(0, &[]);
    assert_eq!(finished.stderr, "");
    broker.join();
}

#[cfg(unix)]
#[test]
fn a_signal_ends_it_with_a_good_bye() {
    for signal in ["INT", "TERM"] {
        let broker = Broker::start(|listener| {
            let mut peer = Peer::subscribe(listener, &[GRANTED]);
            peer.publish("a", b"x", None);
            peer.expect_disconnect();
        });
        let mut child = mqtt(&format!("sub -h 127.0.0.1 -p {} -t a", broker.port));
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut String::new()).unwrap();
        let kill = Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        assert!(kill.success());
        finish(child).assert(0, &[]);
        broker.join();
    }
}

#[test]
fn a_session_that_another_client_takes_over_is_code_2_and_not_fought_for() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::subscribe(listener, &[GRANTED]);
        peer.send(Packet::Disconnect(Disconnect::new(ReasonCode::SESSION_TAKEN_OVER)));
        peer.receive()
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -V 5 -t a -i me", broker.port));
    finished.assert(2, &["mqtt: the server ended the connection: 0x8E session taken over"]);
    assert_eq!(broker.join(), None);
}

#[test]
fn it_connects_again_after_a_loss_and_subscribes_anew() {
    let broker = Broker::start(|listener| {
        let mut peer = Peer::subscribe(listener, &[GRANTED]);
        peer.publish("a", b"before", None);
        drop(peer);
        let mut peer = Peer::subscribe(listener, &[GRANTED]);
        peer.publish("a", b"after", None);
        peer.expect_disconnect();
    });
    let finished = run(&format!("sub -h 127.0.0.1 -p {} -t a -C 2", broker.port));
    finished.assert(0, &["mqtt: warning: the connection broke"]);
    assert_eq!(finished.stdout, "before\nafter\n");
    broker.join();
}
