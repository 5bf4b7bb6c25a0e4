//! Messages that the broker keeps for those who come later.

use crate::broker::Broker;
use crate::program::Whose::Ours;
use crate::program::{Program, in_every_pairing, in_every_version};

#[test]
fn a_retained_message_meets_a_later_subscriber_until_it_is_cleared() {
    in_every_pairing(|version, publisher, subscriber| {
        let broker = Broker::start();
        let publish = || Program::publisher(publisher, &broker, version).args(["-t", "state"]);
        let subscribe = || {
            Program::subscriber(subscriber, &broker, version)
                .args(["-t", "state", "-q", "1", "-C", "1", "-F", "%r %p"])
                .subscribed(&broker)
        };

        publish().args(["-q", "1", "-r", "-m", "on"]).publish();
        assert_eq!(subscribe().finish().lines(), ["1 on"], "kept, and marked as such");

        let online = subscribe();
        assert_eq!(online.finish().lines(), ["1 on"], "kept for everyone");

        publish().args(["-q", "1", "-r", "-n"]).publish();
        let after = subscribe();
        publish().args(["-m", "live"]).publish();
        assert_eq!(after.finish().lines(), ["0 live"], "nothing is kept any more");
    });
}

#[test]
fn our_subscriber_leaves_out_what_was_retained_if_asked() {
    in_every_version(|version| {
        let broker = Broker::start();
        let publish = || Program::publisher(Ours, &broker, version).args(["-t", "state", "-q", "1"]);
        publish().args(["-r", "-m", "stale"]).publish();
        let received =
            Program::subscriber(Ours, &broker, version).args(["-t", "state", "-R", "-C", "1"]).subscribed(&broker);
        publish().args(["-m", "fresh"]).publish();
        assert_eq!(received.finish().lines(), ["fresh"]);
    });
}
