//! One message from every publisher to every subscriber, in every version.

use crate::broker::Broker;
use crate::program::Whose::{Ours, Theirs};
use crate::program::{Program, in_every_pairing, in_every_version};

#[test]
fn a_message_arrives_at_the_lower_of_both_qualities() {
    let broker = Broker::start();
    in_every_pairing(|version, publisher, subscriber| {
        for (sent, asked) in [(0, 0), (1, 1), (2, 2), (2, 1), (1, 2), (0, 2)] {
            let received = Program::subscriber(subscriber, &broker, version)
                .args(["-t", "a/+/c", "-q", &asked.to_string(), "-C", "1"])
                .args(["-F", "%t %q %r %l %p"])
                .subscribed(&broker);
            Program::publisher(publisher, &broker, version)
                .args(["-t", "a/b/c", "-q", &sent.to_string(), "-m", "hello"])
                .publish();
            let granted = sent.min(asked);
            assert_eq!(received.finish().lines(), [format!("a/b/c {granted} 0 5 hello")]);
        }
    });
}

#[test]
fn our_programs_speak_the_version_they_are_told() {
    in_every_version(|version| {
        let broker = Broker::start();
        Program::publisher(Ours, &broker, version).id("speaks").args(["-t", "a", "-n"]).publish();
        broker.wait_for(&format!("as speaks {}", version.logged()));
    });
}

#[test]
fn lines_of_the_input_arrive_as_messages_in_their_order() {
    let broker = Broker::start();
    in_every_pairing(|version, publisher, subscriber| {
        // Mosquitto 2.0.11 sends a 5.0 subscriber more QoS 2 messages at once than its Receive Maximum allows, one of
        // them twice, and mosquitto_sub leaves at that. Within its window of 20 it cannot happen.
        let count = if subscriber == Theirs { 20 } else { 200 };
        let lines: Vec<String> = (1..=count).map(|number| format!("line {number}")).collect();
        for qos in ["0", "1", "2"] {
            let received = Program::subscriber(subscriber, &broker, version)
                .args(["-t", "lines", "-q", qos, "-C", &count.to_string()])
                .subscribed(&broker);
            Program::publisher(publisher, &broker, version)
                .args(["-t", "lines", "-q", qos, "-l"])
                .publish_input(format!("{}\n", lines.join("\n")).as_bytes());
            assert_eq!(received.finish().lines(), lines);
        }
    });
}

/// Letters whose UTF-8 has one, two, three and four bytes, and a level that is empty.
#[test]
fn topics_may_hold_any_letter() {
    let broker = Broker::start();
    in_every_pairing(|version, publisher, subscriber| {
        for topic in ["z", "ß", "水", "🦀", "z/ß/水/🦀", "a//b", "/"] {
            let received = Program::subscriber(subscriber, &broker, version)
                .args(["-t", topic, "-q", "1", "-C", "1", "-v"])
                .subscribed(&broker);
            Program::publisher(publisher, &broker, version).args(["-t", topic, "-q", "1", "-m", "ok 🦀"]).publish();
            assert_eq!(received.finish().lines(), [format!("{topic} ok 🦀")]);
        }
    });
}
