//! Messages to share groups that look alike to one member and not to another.
//!
//! A message of QoS 1 and one of QoS 2 are the same to a member with QoS 0. When it is sent one of them, the reference can
//! only guess which; when another member is then sent the one that was crossed off, the guess was wrong, and is put right.

use std::rc::Rc;

use super::Reference;
use super::state::{Due, Sent, SharedDue};

/// A message that could have been another one.
#[derive(Debug)]
pub(super) struct Guess {
    /// Who was sent it.
    client: String,
    taken: SharedDue,
    /// What it could have been as well: messages to groups, and what they are to this client.
    others: Vec<(Rc<Sent>, Rc<str>, Due)>,
}

impl Reference {
    /// Remembers what else could have been sent to the client than the message that was taken.
    pub(super) fn guess(&mut self, client: &str, taken: &SharedDue, is_it: impl Fn(&Due) -> bool) {
        let alike = |shared: &SharedDue| {
            let due = shared.find(client, &is_it)?;
            Some((shared.sent.clone(), shared.group.clone(), due.clone()))
        };
        let others: Vec<_> = self.shared.iter().filter_map(alike).collect();
        let shared = &self.shared;
        self.guesses.retain(|guess| shared.iter().any(|shared| guess.other(shared).is_some()));
        if !others.is_empty() {
            self.guesses.push(Guess { client: client.to_owned(), taken: taken.clone(), others });
        }
    }

    /// A client is sent what nobody owes it. If that was crossed off for a message that could have been another one, it is
    /// owed again, in place of that other one. Where it stands then.
    pub(super) fn guess_again(&mut self, client: &str, is_it: impl Fn(&Due) -> bool) -> Option<usize> {
        for guess in self.guesses.iter_mut().filter(|guess| guess.taken.find(client, &is_it).is_some()) {
            let found =
                self.shared.iter().enumerate().find_map(|(at, shared)| Some((at, guess.other(shared)?.clone())));
            let Some((at, right)) = found else { continue };
            std::mem::swap(&mut guess.taken, &mut self.shared[at]);
            let wrong = &self.shared[at];
            let session = self.sessions.iter_mut().find(|session| session.client == guess.client);
            for flight in session.into_iter().flat_map(|session| &mut session.flights) {
                if flight.group.as_ref() == Some(&wrong.group) && Rc::ptr_eq(&flight.due.sent, &wrong.sent) {
                    flight.due = Due { is_certain: flight.due.is_certain, ..right.clone() };
                    flight.group = Some(guess.taken.group.clone());
                }
            }
            return Some(at);
        }
        None
    }
}

impl Guess {
    /// What this message is to the client, if it could have been this one.
    fn other(&self, shared: &SharedDue) -> Option<&Due> {
        let is_it =
            |(sent, group, _): &&(Rc<Sent>, Rc<str>, Due)| Rc::ptr_eq(sent, &shared.sent) && *group == shared.group;
        self.others.iter().find(is_it).map(|(_, _, due)| due)
    }
}

impl SharedDue {
    /// What it is to a member, if it is that.
    pub(super) fn find(&self, client: &str, is_it: impl Fn(&Due) -> bool) -> Option<&Due> {
        self.candidates.iter().find(|(member, due)| member == client && is_it(due)).map(|(_, due)| due)
    }
}
