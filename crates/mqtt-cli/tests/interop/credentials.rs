//! Who may come in, and what those who may not are told.

use crate::broker::Broker;
use crate::program::Whose::Ours;
use crate::program::{Finished, Program, in_every_pairing, in_every_version};

const RIGHT: [&str; 4] = ["-u", "anna", "-P", "open sesame"];

/// The exit code of a program that could not connect.
const NOT_CONNECTED: i32 = 2;

fn broker() -> Broker {
    Broker::with_users(&[("anna", "open sesame"), ("ünal", "päß 水")])
}

#[test]
fn the_right_password_opens() {
    let broker = broker();
    in_every_pairing(|version, publisher, subscriber| {
        for user in [RIGHT, ["-u", "ünal", "-P", "päß 水"]] {
            let received = Program::subscriber(subscriber, &broker, version)
                .args(user)
                .args(["-t", "a", "-C", "1"])
                .subscribed(&broker);
            Program::publisher(publisher, &broker, version).args(user).args(["-t", "a", "-m", "in"]).publish();
            assert_eq!(received.finish().lines(), ["in"]);
        }
    });
}

#[test]
fn a_url_may_hold_the_password() {
    let broker = broker();
    in_every_version(|version| {
        let url = format!("mqtt://anna:open%20sesame@127.0.0.1:{}", broker.port());
        let publisher = Program::publisher(Ours, &broker, version).url(&url);
        publisher.args(["-t", "a", "-q", "1", "-m", "in"]).publish();
    });
}

#[test]
fn a_refusal_ends_the_program_and_gives_the_brokers_reason() {
    let broker = broker();
    in_every_version(|version| {
        for user in [["-u", "anna", "-P", "wrong"], ["-u", "nobody", "-P", "open sesame"]] {
            let publisher = Program::publisher(Ours, &broker, version).args(["-t", "a", "-m", "b"]);
            refused(publisher.args(user).start().finish());
            let subscriber = Program::subscriber(Ours, &broker, version).args(["-t", "a"]);
            refused(subscriber.args(user).start().finish());
        }
        let nameless = Program::publisher(Ours, &broker, version).args(["-t", "a", "-m", "b"]);
        refused(nameless.start().finish());
    });
}

/// Mosquitto calls a wrong password "not authorized" in every version.
fn refused(finished: Finished) {
    let Finished { line, status, stderr, .. } = finished;
    assert_eq!(status.code(), Some(NOT_CONNECTED), "{line}: {stderr}");
    assert!(stderr.to_lowercase().contains("not authorized"), "{line}: {stderr}");
}
