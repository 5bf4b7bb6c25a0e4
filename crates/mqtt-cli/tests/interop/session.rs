//! A subscriber that comes back finds what was sent meanwhile.

use crate::broker::Broker;
use crate::program::Whose::Ours;
use crate::program::{PAIRINGS, Program, Running, Version, Whose, in_every_version};

#[test]
fn a_session_keeps_what_came_while_its_subscriber_was_away() {
    in_every_version(|version| {
        for (publisher, subscriber) in PAIRINGS {
            let broker = Broker::start();
            keeper(&broker, version, subscriber).kill();
            broker.wait_for("Client keeper closed its connection");
            publish_three(&broker, version, publisher);
            let again = keeper(&broker, version, subscriber);
            assert_eq!(again.finish().lines(), ["1 one", "2 two", "2 three"]);
        }
    });
}

#[test]
fn a_session_outlives_our_subscriber_that_was_told_to_end() {
    in_every_version(|version| {
        let broker = Broker::start();
        let first = keeper(&broker, version, Ours);
        first.interrupt();
        first.finish();
        broker.wait_for("Client keeper disconnected");
        publish_three(&broker, version, Ours);
        let again = keeper(&broker, version, Ours);
        assert_eq!(again.finish().lines(), ["1 one", "2 two", "2 three"]);
    });
}

#[test]
fn without_a_session_nothing_is_kept() {
    in_every_version(|version| {
        let broker = Broker::start();
        let subscriber = || {
            Program::subscriber(Ours, &broker, version)
                .id("passer-by")
                .args(["-t", "kept/#", "-q", "2", "-C", "1", "-F", "%q %p"])
        };
        let first = subscriber().subscribed(&broker);
        first.interrupt();
        first.finish();
        broker.wait_for("Client passer-by disconnected");
        publish_three(&broker, version, Ours);

        let again = subscriber().start();
        broker.wait_for_times("Sending SUBACK to passer-by", 2);
        Program::publisher(Ours, &broker, version).args(["-t", "kept/4", "-m", "four"]).publish();
        assert_eq!(again.finish().lines(), ["0 four"]);
    });
}

/// The subscriber with a session, subscribed. It leaves after three messages.
fn keeper(broker: &Broker, version: Version, whose: Whose) -> Running {
    Program::subscriber(whose, broker, version)
        .id("keeper")
        .args(["-c", "-t", "kept/#", "-q", "2", "-C", "3", "-F", "%q %p"])
        .subscribed(broker)
}

fn publish_three(broker: &Broker, version: Version, whose: Whose) {
    for (topic, qos, payload) in [("kept/1", "1", "one"), ("kept/2", "2", "two"), ("kept/3", "2", "three")] {
        Program::publisher(whose, broker, version).args(["-t", topic, "-q", qos, "-m", payload]).publish();
    }
}
