//! What the broker says for a program that can no longer speak.

use crate::broker::Broker;
use crate::program::Whose::{Ours, Theirs};
use crate::program::{PAIRINGS, Program, Running, Version, Whose, in_every_version};

const WILL: [&str; 6] = ["--will-topic", "wills", "--will-payload", "gone", "--will-qos", "1"];

#[test]
fn the_will_of_a_killed_subscriber_is_published() {
    in_every_version(|version| {
        for (doomed, watcher) in PAIRINGS {
            let broker = Broker::start();
            let watcher = watch(&broker, version, watcher);
            let doomed =
                Program::subscriber(doomed, &broker, version).args(["-t", "anything"]).args(WILL).subscribed(&broker);
            doomed.kill();
            assert_eq!(watcher.finish().lines(), ["wills 1 gone"]);
        }
    });
}

#[test]
fn the_will_of_our_killed_publisher_is_published() {
    in_every_version(|version| {
        let broker = Broker::start();
        let watcher = watch(&broker, version, Theirs);
        // It has more lines to come, so it stays.
        let mut doomed =
            Program::publisher(Ours, &broker, version).args(["-t", "anything", "-q", "1", "-l"]).args(WILL).start();
        doomed.write(b"first\n");
        broker.wait_for(&format!("Sending PUBACK to {}", doomed.id()));
        doomed.kill();
        assert_eq!(watcher.finish().lines(), ["wills 1 gone"]);
    });
}

#[test]
fn a_will_may_be_retained_and_empty() {
    in_every_version(|version| {
        let broker = Broker::start();
        let doomed = Program::subscriber(Ours, &broker, version)
            .args(["-t", "anything", "--will-topic", "wills", "--will-retain"])
            .args(["--will-payload", "gone"])
            .subscribed(&broker);
        let id = doomed.id().to_owned();
        doomed.kill();
        broker.wait_for(&format!("Client {id} closed its connection"));
        let late =
            Program::subscriber(Theirs, &broker, version).args(["-t", "wills", "-C", "1", "-F", "%r %p"]).start();
        assert_eq!(late.finish().lines(), ["1 gone"]);
    });
}

#[test]
fn our_subscriber_says_goodbye_on_ctrl_c_and_its_will_is_forgotten() {
    in_every_version(|version| {
        let broker = Broker::start();
        let watcher = watch(&broker, version, Theirs);
        let polite =
            Program::subscriber(Ours, &broker, version).args(["-t", "anything"]).args(WILL).subscribed(&broker);
        polite.interrupt();
        let goodbye = format!("Received DISCONNECT from {}", polite.id());
        polite.finish();
        broker.wait_for(&goodbye);

        Program::publisher(Theirs, &broker, version).args(["-t", "wills", "-q", "1", "-m", "no will"]).publish();
        assert_eq!(watcher.finish().lines(), ["wills 1 no will"], "the first that comes");
    });
}

fn watch(broker: &Broker, version: Version, whose: Whose) -> Running {
    Program::subscriber(whose, broker, version)
        .args(["-t", "wills", "-q", "1", "-C", "1", "-F", "%t %q %p"])
        .subscribed(broker)
}
