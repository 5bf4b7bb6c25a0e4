//! Messages that cannot be sent yet: bounded, in order, with a policy for what is beyond the bound.

use std::collections::VecDeque;

use mqtt_proto::{Instant, Message, QoS};

use super::event::MessageId;
use crate::{Options, QueuePolicy};

/// Messages between `publish` and the connection. On the heap while there are any, for mostly there are none.
#[derive(Debug, Default)]
pub(crate) struct Queue(Option<Box<Stretches>>);

/// Three stretches that are one order: those that come back from a lost session, those that were accepted, those that wait to be
/// accepted.
#[derive(Debug)]
struct Stretches {
    /// Sent before, to be published anew. They were accepted once, and the window they came from bounds them.
    returned: VecDeque<Entry>,
    /// Some of them came back while others had not been sent again.
    is_mixed: bool,
    accepted: VecDeque<Entry>,
    /// Beyond the limit, kept for as long as somebody holds the ticket ([`QueuePolicy::Wait`]).
    waiting: VecDeque<Entry>,
    /// Bytes of `accepted`.
    bytes: usize,
    limits: Limits,
    /// No message expires earlier than this.
    next_expiry: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) policy: QueuePolicy,
}

impl Limits {
    pub(crate) fn of(options: &Options) -> Self {
        Self { messages: options.queue_messages, bytes: options.queue_bytes, policy: options.queue_policy }
    }
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) id: MessageId,
    pub(crate) message: Message,
    pub(crate) expires: Option<Instant>,
}

/// What became of a new message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Pushed {
    Accepted,
    Waiting,
    Refused,
}

impl Entry {
    #[inline]
    pub(crate) fn new(now: Instant, id: MessageId, message: Message) -> Self {
        let expires = expiry(now)(&message);
        Self { id, message, expires }
    }

    fn cost(&self) -> usize {
        self.message.topic.as_bytes().len() + self.message.payload.len()
    }

    /// The message with the part of its Message Expiry Interval that is left, in seconds rounded up; `None` if it expired.
    pub(crate) fn counted_down(self, now: Instant) -> Result<Self, MessageId> {
        let Some(expires) = self.expires else {
            return Ok(self);
        };
        let left = expires.since(now).as_millis().div_ceil(1000);
        match u32::try_from(left) {
            Ok(0) => Err(self.id),
            Ok(left) => Ok(Self { message: self.message.with_message_expiry_interval(left), ..self }),
            Err(_) => Ok(self),
        }
    }
}

/// When a message expires whose Message Expiry Interval begins now.
pub(crate) fn expiry(now: Instant) -> impl Fn(&Message) -> Option<Instant> {
    move |message| {
        let properties = Some(message.properties()).filter(|properties| !properties.is_empty());
        let seconds = properties?.message_expiry_interval()?;
        Some(now + core::time::Duration::from_secs(seconds.into()))
    }
}

impl Queue {
    fn stretches(&mut self, limits: Limits) -> &mut Stretches {
        self.0.get_or_insert_with(|| Box::new(Stretches::new(limits)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |stretches| stretches.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(|stretches| stretches.is_empty())
    }

    /// Whether the message is here.
    pub(crate) fn contains(&self, id: MessageId) -> bool {
        self.0.as_ref().is_some_and(|stretches| stretches.contains(id))
    }

    /// The QoS of the message that [`pop`](Self::pop) would take.
    pub(crate) fn next_qos(&self) -> Option<QoS> {
        self.0.as_ref()?.next_qos()
    }

    /// Puts a message at the end, as the policy allows. Ids of messages that gave way go to `superseded`.
    pub(crate) fn push(
        &mut self,
        limits: Limits,
        entry: Entry,
        connected: bool,
        superseded: &mut Vec<MessageId>,
    ) -> Pushed {
        self.stretches(limits).push(entry, connected, superseded)
    }

    /// Puts a message of a lost session in its place among the others of its kind, which is before all that were never sent.
    pub(crate) fn put_back(&mut self, limits: Limits, entry: Entry) {
        self.stretches(limits).put_back(entry);
    }

    /// Takes the next message to send.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<Taken> {
        self.0.as_mut()?.pop()
    }

    /// Undoes [`Queue::pop`].
    pub(crate) fn unpop(&mut self, taken: Taken) {
        if let Some(stretches) = &mut self.0 {
            stretches.unpop(taken);
        }
    }

    pub(crate) fn is_waiting(&self, id: MessageId) -> bool {
        self.0.as_ref().is_some_and(|stretches| holds(&stretches.waiting, id))
    }

    /// Moves what waits into the room that there is; one message per call.
    pub(crate) fn accept_next(&mut self) -> Option<(MessageId, &Message)> {
        self.0.as_mut()?.accept_next()
    }

    /// Takes a message back that is still waiting to be accepted. Whether it was.
    pub(crate) fn withdraw(&mut self, id: MessageId) -> bool {
        self.0.as_mut().is_some_and(|stretches| stretches.withdraw(id))
    }

    pub(crate) fn next_expiry(&self) -> Option<Instant> {
        self.0.as_ref()?.next_expiry
    }

    /// Removes what has expired.
    pub(crate) fn expire(&mut self, now: Instant, expired: &mut Vec<MessageId>) {
        if let Some(stretches) = &mut self.0 {
            stretches.expire(now, expired);
        }
    }

    /// Empties it.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = MessageId> {
        self.0.iter_mut().flat_map(|stretches| stretches.drain())
    }

    /// Gives back its room if it is empty.
    pub(crate) fn shrink(&mut self) {
        if self.is_empty() {
            self.0 = None;
        }
    }
}

impl Stretches {
    fn new(limits: Limits) -> Self {
        Self {
            returned: VecDeque::new(),
            is_mixed: false,
            accepted: VecDeque::new(),
            waiting: VecDeque::new(),
            bytes: 0,
            limits,
            next_expiry: None,
        }
    }

    fn len(&self) -> usize {
        self.returned.len() + self.accepted.len() + self.waiting.len()
    }

    fn is_empty(&self) -> bool {
        self.returned.is_empty() && self.accepted.is_empty() && self.waiting.is_empty()
    }

    /// Whether the message is here.
    fn contains(&self, id: MessageId) -> bool {
        let is_accepted = match self.limits.policy {
            // A message may have taken the place of an older one.
            QueuePolicy::KeepLatest => self.accepted.iter().any(|entry| entry.id == id),
            QueuePolicy::Wait | QueuePolicy::Refuse | QueuePolicy::DropOldest => holds(&self.accepted, id),
        };
        is_accepted || holds(&self.waiting, id) || self.returned.iter().any(|entry| entry.id == id)
    }

    /// The QoS of the message that [`pop`](Self::pop) would take.
    fn next_qos(&self) -> Option<QoS> {
        self.returned.front().or_else(|| self.accepted.front()).map(|entry| entry.message.qos)
    }

    /// Puts a message at the end, as the policy allows. Ids of messages that gave way go to `superseded`.
    fn push(&mut self, entry: Entry, connected: bool, superseded: &mut Vec<MessageId>) -> Pushed {
        let keep_latest = self.limits.policy == QueuePolicy::KeepLatest;
        if keep_latest && !connected {
            if let Some(place) = self.accepted.iter().position(|old| old.message.topic == entry.message.topic) {
                // With a connection, several of one topic may have come to wait for the server's pace.
                self.accepted.retain(|old| {
                    let is_latest = old.message.topic != entry.message.topic;
                    if !is_latest {
                        self.bytes -= old.cost();
                        superseded.push(old.id);
                    }
                    is_latest
                });
                self.bytes += entry.cost();
                self.next_expiry = earlier(self.next_expiry, entry.expires);
                self.accepted.insert(place, entry);
                return Pushed::Accepted;
            }
        }
        if self.waiting.is_empty() && self.fits(&entry) {
            self.accept(entry);
            return Pushed::Accepted;
        }
        match self.limits.policy {
            QueuePolicy::Refuse => Pushed::Refused,
            QueuePolicy::Wait => {
                self.next_expiry = earlier(self.next_expiry, entry.expires);
                self.waiting.push_back(entry);
                Pushed::Waiting
            }
            QueuePolicy::DropOldest | QueuePolicy::KeepLatest => {
                while !self.fits(&entry) {
                    let Some(oldest) = self.accepted.pop_front() else {
                        return Pushed::Refused; // a limit of no messages at all
                    };
                    self.bytes -= oldest.cost();
                    superseded.push(oldest.id);
                }
                self.accept(entry);
                Pushed::Accepted
            }
        }
    }

    /// Puts a message of a lost session in its place among the others of its kind, which is before all that were never sent.
    fn put_back(&mut self, entry: Entry) {
        self.is_mixed |= self.returned.back().is_some_and(|last| last.id > entry.id);
        self.next_expiry = earlier(self.next_expiry, entry.expires);
        self.returned.push_back(entry);
    }

    /// Takes the next message to send.
    #[inline]
    fn pop(&mut self) -> Option<Taken> {
        if core::mem::take(&mut self.is_mixed) {
            // Ids rise with time: what was sent comes before what was to follow it, when the session is lost again.
            self.returned.make_contiguous().sort_by_key(|entry| entry.id);
        }
        if let Some(entry) = self.returned.pop_front() {
            return Some(Taken { entry, returned: true });
        }
        let entry = self.accepted.pop_front()?;
        self.bytes -= entry.cost();
        Some(Taken { entry, returned: false })
    }

    /// Undoes [`pop`](Self::pop).
    fn unpop(&mut self, taken: Taken) {
        if taken.returned {
            self.returned.push_front(taken.entry);
        } else {
            self.bytes += taken.entry.cost();
            self.accepted.push_front(taken.entry);
        }
    }

    /// Moves what waits into the room that there is; one message per call.
    fn accept_next(&mut self) -> Option<(MessageId, &Message)> {
        let next = self.waiting.front()?;
        if !self.fits(next) {
            return None;
        }
        let entry = self.waiting.pop_front()?;
        let id = entry.id;
        self.accept(entry);
        self.accepted.back().map(|entry| (id, &entry.message))
    }

    /// Takes a message back that is still waiting to be accepted. Whether it was.
    fn withdraw(&mut self, id: MessageId) -> bool {
        // Ids rise along the stretch.
        match self.waiting.binary_search_by_key(&id, |entry| entry.id) {
            Ok(index) => self.waiting.remove(index).is_some(),
            Err(_) => false,
        }
    }

    /// Removes what has expired.
    fn expire(&mut self, now: Instant, expired: &mut Vec<MessageId>) {
        if self.next_expiry.is_none_or(|at| at > now) {
            return;
        }
        self.next_expiry = None;
        for stretch in [&mut self.returned, &mut self.accepted, &mut self.waiting] {
            stretch.retain(|entry| match entry.expires {
                Some(at) if at <= now => {
                    expired.push(entry.id);
                    false
                }
                expires => {
                    self.next_expiry = earlier(self.next_expiry, expires);
                    true
                }
            });
        }
        self.bytes = self.accepted.iter().map(Entry::cost).sum();
    }

    /// Empties it.
    fn drain(&mut self) -> impl Iterator<Item = MessageId> {
        self.bytes = 0;
        self.next_expiry = None;
        let stretches = [&mut self.returned, &mut self.accepted, &mut self.waiting];
        stretches.into_iter().flat_map(|stretch| stretch.drain(..)).map(|entry| entry.id)
    }

    #[inline]
    fn accept(&mut self, entry: Entry) {
        self.next_expiry = earlier(self.next_expiry, entry.expires);
        self.bytes += entry.cost();
        self.accepted.push_back(entry);
    }

    /// Whether there is room. One message may exceed the limit of bytes, or it could never be sent.
    fn fits(&self, entry: &Entry) -> bool {
        let bytes = self.bytes.saturating_add(entry.cost());
        self.accepted.len() < self.limits.messages.max(1) && (bytes <= self.limits.bytes || self.accepted.is_empty())
    }
}

/// A message out of the queue, which remembers where it was.
#[derive(Debug)]
pub(crate) struct Taken {
    entry: Entry,
    returned: bool,
}

/// Where a message was in the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    returned: bool,
}

impl Taken {
    #[inline]
    pub(crate) fn split(self) -> (Place, Entry) {
        (Place { returned: self.returned }, self.entry)
    }
}

impl Place {
    #[inline]
    pub(crate) fn with(self, entry: Entry) -> Taken {
        Taken { entry, returned: self.returned }
    }
}

/// Whether the message is in a stretch along which ids rise.
fn holds(stretch: &VecDeque<Entry>, id: MessageId) -> bool {
    !stretch.is_empty() && stretch.binary_search_by_key(&id, |entry| entry.id).is_ok()
}

#[inline]
pub(super) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
