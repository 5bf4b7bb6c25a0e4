//! Our own clients of a [`Daemon`].

use std::fs;
use std::process::Child;

use crate::daemon::Daemon;
use crate::support::{Finished, mqtt, run};

/// What tests ask of a broker by `mqtt pub`, `mqtt sub` and `mqtt passwd`.
pub(crate) trait Clients {
    /// The arguments of a client of it: `command` is `pub` or `sub` and its options.
    fn client(&self, command: &str) -> String;
    /// Runs a client to its end.
    fn run(&self, command: &str) -> Finished {
        run(&self.client(command))
    }
    /// Starts a subscriber whose client id is `sub`; its subscription stands when this returns. The broker must log
    /// subscriptions.
    fn subscriber(&self, command: &str) -> Child;
    /// Makes these the users in the file `users`.
    fn passwords(&self, users: &[(&str, &str)]);
}

impl Clients for Daemon {
    fn client(&self, command: &str) -> String {
        let (verb, rest) = command.split_once(' ').unwrap();
        format!("{verb} -h 127.0.0.1 -p {} {rest}", self.port)
    }

    fn subscriber(&self, command: &str) -> Child {
        let times = self.log.count(": sub ");
        let child = mqtt(&self.client(command));
        self.wait_for(": sub ", times + 1);
        child
    }

    fn passwords(&self, users: &[(&str, &str)]) {
        let file = self.path("users");
        fs::write(&file, "").unwrap();
        for (user, password) in users {
            run(&format!("passwd -b {} {user} {password}", file.display())).assert(0, &[]);
        }
    }
}
