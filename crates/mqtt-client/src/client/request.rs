//! SUBSCRIBE and UNSUBSCRIBE that cannot be sent yet, or were cut off before their answer.

use std::collections::{BTreeMap, VecDeque};

use mqtt_proto::{Token, Unsubscribe};

use super::event::{RequestId, SubscriberId};

/// One of them.
#[derive(Debug)]
pub(crate) enum Request {
    Subscribe(SubscriberId),
    /// Boxed, because it is rare and larger than the rest.
    Unsubscribe(RequestId, Box<Unsubscribe>),
}

/// All of them. There is at most one for each subscription that the application holds, and one for each that it gave up in
/// this session. On the heap while there are any.
#[derive(Debug, Default)]
pub(crate) struct Requests(Option<Box<Unanswered>>);

#[derive(Debug, Default)]
struct Unanswered {
    /// To be sent, in order.
    waiting: VecDeque<Request>,
    /// Sent on this connection.
    asked: BTreeMap<Token, Request>,
}

impl Requests {
    pub(crate) fn push(&mut self, request: Request) {
        self.0.get_or_insert_default().waiting.push_back(request);
    }

    pub(crate) fn pop(&mut self) -> Option<Request> {
        self.0.as_mut()?.waiting.pop_front()
    }

    pub(crate) fn unpop(&mut self, request: Request) {
        self.0.get_or_insert_default().waiting.push_front(request);
    }

    /// Whether none waits to be sent.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|requests| requests.waiting.is_empty())
    }

    /// How many wait to be sent or to be answered.
    pub(crate) fn unanswered(&self) -> usize {
        self.0.as_ref().map_or(0, |requests| requests.waiting.len() + requests.asked.len())
    }

    /// Takes note of a request that was sent.
    pub(crate) fn sent(&mut self, token: Token, request: Request) {
        self.0.get_or_insert_default().asked.insert(token, request);
    }

    /// The request that is answered.
    pub(crate) fn answered(&mut self, token: Token) -> Option<Request> {
        self.0.as_mut()?.asked.remove(&token)
    }

    /// Takes a subscription's own request out of those to be sent.
    pub(crate) fn cancel(&mut self, id: SubscriberId) {
        if let Some(Unanswered { waiting, .. }) = self.0.as_deref_mut() {
            waiting.retain(|request| !matches!(request, Request::Subscribe(other) if *other == id));
        }
    }

    /// What was in flight at a cut goes first: nobody knows whether the server has seen it.
    pub(crate) fn again(&mut self) {
        let Some(Unanswered { waiting, asked }) = self.0.as_deref_mut() else { return };
        for request in core::mem::take(asked).into_values().rev() {
            waiting.push_front(request);
        }
    }

    /// The server has forgotten everything: subscribe to all that is wanted, after what is to be unsubscribed.
    pub(crate) fn start_over(&mut self, wanted: impl Iterator<Item = SubscriberId>) {
        if let Some(Unanswered { waiting, .. }) = self.0.as_deref_mut() {
            waiting.retain(|request| matches!(request, Request::Unsubscribe(..)));
        }
        wanted.for_each(|id| self.push(Request::Subscribe(id)));
    }

    /// Gives back the room of what is empty.
    pub(crate) fn shrink(&mut self) {
        if self.unanswered() == 0 {
            self.0 = None;
        }
    }
}
