//! SUBSCRIBE and UNSUBSCRIBE that cannot be sent yet, or were cut off before their answer.

use std::collections::VecDeque;

use mqtt_proto::Unsubscribe;

use super::event::{RequestId, SubscriberId};

/// One of them.
#[derive(Debug)]
pub(crate) enum Request {
    Subscribe(SubscriberId),
    /// Boxed, because it is rare and larger than the rest.
    Unsubscribe(RequestId, Box<Unsubscribe>),
}

/// All of them, in order. There is at most one for each subscription that the application holds, and one for each that it
/// gave up in this session.
#[derive(Debug, Default)]
pub(crate) struct Requests(VecDeque<Request>);

impl Requests {
    pub(crate) fn push(&mut self, request: Request) {
        self.0.push_back(request);
    }

    pub(crate) fn pop(&mut self) -> Option<Request> {
        self.0.pop_front()
    }

    pub(crate) fn unpop(&mut self, request: Request) {
        self.0.push_front(request);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes a subscription's own request out. Whether there was one.
    pub(crate) fn cancel(&mut self, id: SubscriberId) -> bool {
        let before = self.0.len();
        self.0.retain(|request| !matches!(request, Request::Subscribe(other) if *other == id));
        self.0.len() < before
    }

    /// What was in flight at a cut goes first: nobody knows whether the server has seen it.
    pub(crate) fn again(&mut self, mut in_flight: VecDeque<Request>) {
        in_flight.append(&mut self.0);
        self.0 = in_flight;
    }

    /// The server has forgotten everything: subscribe to all that is wanted, after what is to be unsubscribed.
    pub(crate) fn start_over(&mut self, wanted: impl Iterator<Item = SubscriberId>) {
        self.0.retain(|request| matches!(request, Request::Unsubscribe(..)));
        self.0.extend(wanted.map(Request::Subscribe));
    }
}
