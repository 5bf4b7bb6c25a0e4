//! What we owe the peer: our unfinished messages and requests, by packet id.
//!
//! One table serves PUBLISH, SUBSCRIBE and UNSUBSCRIBE, so no id is ever used twice at a time. The slot with index `n`
//! belongs to packet id `n + 1`: finding, taking and freeing an id is O(1) whatever is in flight. Slots form three linked
//! lists through their `next` and `prev` ids, 0 being the end:
//!
//! - `free`: taken at the head, returned at the tail, so that an id rests as long as possible;
//! - `unacked`: PUBLISH without PUBACK or PUBREC, in the order of the application's calls (MQTT-4.6.0-1);
//! - `released`: PUBREL without PUBCOMP, in the order of the PUBRECs (MQTT-4.6.0-4).
//!
//! `unsent` is the first of `unacked` that this connection has not sent yet; all behind it are unsent too.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::seldom::{Empty, SeldomQueue};
use crate::session::Token;
use crate::{Message, PacketId, Properties, QoS, ReasonCode, TopicName};

/// What the peer owes us for one packet id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum State {
    /// Nothing: the id is free.
    Free,
    /// QoS 1: PUBACK.
    AwaitAck,
    /// QoS 2: PUBREC.
    AwaitRec,
    /// QoS 2: PUBCOMP.
    AwaitComp,
    /// SUBACK, for so many filters.
    AwaitSubAck(u32),
    /// UNSUBACK, for so many filters.
    AwaitUnsubAck(u32),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot {
    pub(crate) state: State,
    /// Sent on this connection, so it counts against the peer's Receive Maximum.
    sent: bool,
    /// Sent on some connection, so that sending it again needs DUP (MQTT-3.3.1-1).
    pub(crate) dup: bool,
    /// The reason of PUBREC, kept for the application until PUBCOMP.
    pub(crate) rec_reason: ReasonCode,
    prev: u16,
    next: u16,
    pub(crate) token: Token,
    kept: Option<Kept>,
}

/// A message while it may have to be sent again. Its QoS follows from the state, and its properties are in a table of their own:
/// most messages have none, and a third of each slot would be theirs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kept {
    topic: TopicName,
    payload: Bytes,
    retain: bool,
}

/// So many slots are kept for the next message, so that ids do not repeat at once.
const SMALL: usize = 16;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct List {
    head: u16,
    tail: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Outgoing {
    slots: Vec<Slot>,
    /// Of the message in the slot with the same index; it ends with the last that has any.
    properties: SeldomQueue<Properties>,
    free: List,
    unacked: List,
    released: List,
    unsent: u16,
    /// Messages sent on this connection and not finished.
    in_window: u16,
    /// Slots that are not free.
    live: u16,
}

impl Empty for Outgoing {
    fn empty() -> &'static Self {
        static EMPTY: Outgoing = Outgoing {
            slots: Vec::new(),
            properties: SeldomQueue::EMPTY,
            free: List { head: 0, tail: 0 },
            unacked: List { head: 0, tail: 0 },
            released: List { head: 0, tail: 0 },
            unsent: 0,
            in_window: 0,
            live: 0,
        };
        &EMPTY
    }
}

impl Outgoing {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.live)
    }

    pub(crate) fn in_window(&self) -> u16 {
        self.in_window
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.unsent != 0
    }

    pub(crate) fn has_free_id(&self) -> bool {
        self.live < u16::MAX
    }

    pub(crate) fn state(&self, id: PacketId) -> State {
        self.slots.get(usize::from(id.get()) - 1).map_or(State::Free, |slot| slot.state)
    }

    /// The packet id that the next `insert_*` will use.
    ///
    /// `None` if all 65,535 are in use.
    pub(crate) fn next_id(&self) -> Option<PacketId> {
        if self.free.head != 0 {
            return PacketId::new(self.free.head);
        }
        // MQTT-2.2.1-3: the table grows by one slot per id, so a fresh slot is an id never used before.
        u16::try_from(self.slots.len() + 1).ok().and_then(PacketId::new)
    }

    /// Records a message that is being sent right now under [`next_id`](Self::next_id).
    #[inline]
    pub(crate) fn insert_message(&mut self, token: Token, message: Message) -> Option<PacketId> {
        let state = if message.qos == QoS::ExactlyOnce { State::AwaitRec } else { State::AwaitAck };
        let id = self.take_free(state, token)?;
        self.keep(id, message);
        let slot = self.slot_mut(id.get());
        slot.sent = true;
        slot.dup = true;
        self.in_window += 1;
        self.push(id.get(), |s| &mut s.unacked);
        Some(id)
    }

    /// Puts a stored message back under its id, as the last that will be sent again.
    pub(crate) fn restore(&mut self, id: PacketId, token: Token, message: Message) {
        let state = if message.qos == QoS::ExactlyOnce { State::AwaitRec } else { State::AwaitAck };
        self.remove(id);
        while self.slots.len() < usize::from(id.get()) {
            self.slots.push(Slot::FREE);
            self.push(self.slots.len() as u16, |s| &mut s.free);
        }
        self.unlink(id.get(), |s| &mut s.free);
        self.live += 1;
        let slot = self.slot_mut(id.get());
        slot.state = state;
        slot.token = token;
        // It may have been sent before the process ended.
        slot.dup = true;
        self.keep(id, message);
        self.push(id.get(), |s| &mut s.unacked);
    }

    /// Records a SUBSCRIBE or UNSUBSCRIBE.
    pub(crate) fn insert_request(&mut self, token: Token, state: State) -> Option<PacketId> {
        self.take_free(state, token)
    }

    /// PUBREC: the message is the peer's, its PUBREL is owed now. Gives up the message.
    pub(crate) fn release(&mut self, id: PacketId, reason: ReasonCode) {
        let id = id.get();
        if self.unsent == id {
            self.unsent = self.slot_mut(id).next;
        }
        self.unlink(id, |s| &mut s.unacked);
        let slot = self.slot_mut(id);
        slot.state = State::AwaitComp;
        slot.kept = None;
        slot.rec_reason = reason;
        // It may be unsent on this connection if the peer answers what an earlier one sent; its PUBREL goes out now.
        if !slot.sent {
            slot.sent = true;
            self.in_window += 1;
        }
        self.push(id, |s| &mut s.released);
        self.forget_properties(id);
    }

    /// Ends whatever holds this id and frees it. `None` if it is free already.
    pub(crate) fn remove(&mut self, id: PacketId) -> Option<Slot> {
        let index = id.get();
        let taken = match self.state(id) {
            State::Free => return None,
            State::AwaitAck | State::AwaitRec => {
                if self.unsent == index {
                    self.unsent = self.slot_mut(index).next;
                }
                self.unlink(index, |s| &mut s.unacked);
                self.take(index)
            }
            State::AwaitComp => {
                self.unlink(index, |s| &mut s.released);
                self.take(index)
            }
            State::AwaitSubAck(_) | State::AwaitUnsubAck(_) => self.take(index),
        };
        if taken.sent {
            self.in_window -= 1;
        }
        self.live -= 1;
        self.push(index, |s| &mut s.free);
        self.forget_properties(index);
        Some(taken)
    }

    /// A new connection: nothing has been sent on it, and requests of the old one will never be answered.
    pub(crate) fn begin_connection(&mut self) {
        for index in 1..=self.slots.len() {
            let id = index as u16;
            self.slot_mut(id).sent = false;
            if matches!(self.slot_mut(id).state, State::AwaitSubAck(_) | State::AwaitUnsubAck(_)) {
                if let Some(id) = PacketId::new(id) {
                    self.remove(id);
                }
            }
        }
        self.in_window = 0;
        self.unsent = self.unacked.head;
    }

    /// Gives back room that is not needed. Says whether all of it may go: a large table that is empty, so that ids begin at 1 again.
    pub(crate) fn shrink(&mut self) -> bool {
        if self.live == 0 && !(1..=SMALL).contains(&self.slots.len()) {
            return true;
        }
        if self.slots.capacity() > self.slots.len() {
            self.slots.shrink_to_fit();
        }
        self.properties.shrink();
        false
    }

    /// The ids whose PUBREL must be sent again, in order, each counted as sent.
    pub(crate) fn resend_released(&mut self, mut send: impl FnMut(PacketId)) {
        let mut at = self.released.head;
        while let Some(id) = PacketId::new(at) {
            let slot = self.slot_mut(at);
            at = slot.next;
            if !slot.sent {
                slot.sent = true;
                self.in_window += 1;
                send(id);
            }
        }
    }

    /// The first unsent message, counted as sent from now on: its id, whether it needs DUP, and the message.
    pub(crate) fn next_unsent(&mut self) -> Option<(PacketId, bool, Message)> {
        let id = PacketId::new(self.unsent)?;
        let slot = self.slots.get_mut(usize::from(id.get()) - 1)?;
        self.unsent = slot.next;
        self.in_window += 1;
        slot.sent = true;
        let dup = core::mem::replace(&mut slot.dup, true);
        self.message(id).map(|message| (id, dup, message))
    }

    /// Empties the table in the order in which messages would have been sent again: released ones, then unacked ones.
    pub(crate) fn remove_first_message(&mut self) -> Option<(Token, Option<Message>)> {
        let id = PacketId::new(self.released.head).or_else(|| PacketId::new(self.unacked.head))?;
        let message = self.message(id);
        self.remove(id).map(|slot| (slot.token, message))
    }

    /// The message that is kept under this id, sharing its bytes.
    pub(crate) fn message(&self, id: PacketId) -> Option<Message> {
        let index = usize::from(id.get()) - 1;
        let slot = self.slots.get(index)?;
        let Kept { topic, payload, retain } = slot.kept.clone()?;
        let qos = if slot.state == State::AwaitRec { QoS::ExactlyOnce } else { QoS::AtLeastOnce };
        let properties = self.properties.get(index).cloned().unwrap_or_default();
        Some(Message { topic, payload, qos, retain, properties })
    }

    /// Whether the slot of this id has no message, or one without properties whose topic and payload take at most so many bytes.
    pub(crate) fn is_plain(&self, id: PacketId, slot: &Slot, maximum: usize) -> bool {
        let len = slot.kept.as_ref().map_or(0, |kept| kept.topic.as_bytes().len() + kept.payload.len());
        len <= maximum && self.properties.get(usize::from(id.get()) - 1).is_none_or(Properties::is_none)
    }

    fn keep(&mut self, id: PacketId, message: Message) {
        let Message { topic, payload, retain, properties, .. } = message;
        self.slot_mut(id.get()).kept = Some(Kept { topic, payload, retain });
        if !properties.is_none() {
            self.properties.put(usize::from(id.get()) - 1, properties);
        }
    }

    fn forget_properties(&mut self, id: u16) {
        let Some(properties) = self.properties.get_mut(usize::from(id) - 1) else { return };
        *properties = Properties::default();
        while self.properties.back().is_some_and(Properties::is_none) {
            self.properties.pop_back();
        }
    }

    /// Messages in the order of sending, released ones first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (PacketId, &Slot)> {
        let walk =
            |head: u16| core::iter::successors(PacketId::new(head), move |id| PacketId::new(self.slot(id.get()).next));
        walk(self.released.head).chain(walk(self.unacked.head)).map(|id| (id, self.slot(id.get())))
    }

    /// Takes the properties off all messages: they will be sent in a version that has none.
    pub(crate) fn leave_properties_out(&mut self) {
        self.properties = SeldomQueue::default();
    }

    fn slot(&self, id: u16) -> &Slot {
        &self.slots[usize::from(id) - 1]
    }

    fn slot_mut(&mut self, id: u16) -> &mut Slot {
        &mut self.slots[usize::from(id) - 1]
    }

    /// Takes the slot's contents and leaves it free.
    fn take(&mut self, id: u16) -> Slot {
        core::mem::replace(self.slot_mut(id), Slot::FREE)
    }

    fn take_free(&mut self, state: State, token: Token) -> Option<PacketId> {
        let id = self.next_id()?;
        if self.free.head == 0 {
            self.slots.push(Slot::FREE);
        } else {
            self.unlink(id.get(), |s| &mut s.free);
        }
        let slot = self.slot_mut(id.get());
        slot.state = state;
        slot.token = token;
        self.live += 1;
        Some(id)
    }

    fn push(&mut self, id: u16, list: impl Fn(&mut Self) -> &mut List) {
        let tail = core::mem::replace(&mut list(self).tail, id);
        if tail == 0 {
            list(self).head = id;
        } else {
            self.slot_mut(tail).next = id;
        }
        let slot = self.slot_mut(id);
        slot.prev = tail;
        slot.next = 0;
    }

    fn unlink(&mut self, id: u16, list: impl Fn(&mut Self) -> &mut List) {
        let Slot { prev, next, .. } = *self.slot(id);
        if prev == 0 {
            list(self).head = next;
        } else {
            self.slot_mut(prev).next = next;
        }
        if next == 0 {
            list(self).tail = prev;
        } else {
            self.slot_mut(next).prev = prev;
        }
    }
}

impl Slot {
    const FREE: Self = Self {
        state: State::Free,
        sent: false,
        dup: false,
        rec_reason: ReasonCode::SUCCESS,
        prev: 0,
        next: 0,
        token: Token(0),
        kept: None,
    };
}
