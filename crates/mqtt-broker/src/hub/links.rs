//! The hub's connections, found in constant time by a number that is never used again.

use bytes::Buf;
use mqtt_proto::{Connection, Instant, Outbox, Server, Session};

use crate::Peer;

/// One transport connection.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: Peer,
    pub(super) state: State,
    /// The deadline under which it is in the hub's timers: never later than its real one.
    pub(super) timer: Option<Instant>,
    /// It is in the queue of those that have something for their transport.
    pub(super) is_writable: bool,
    /// It is in the queue of those whose connection may have events.
    pub(super) is_ready: bool,
    /// The broker may have messages for it.
    pub(super) has_messages: bool,
    /// Something seldom has happened, after which it may say nothing for long: it is to give back what that took.
    pub(super) is_grown: bool,
    /// The owner knows that the transport is to be closed.
    pub(super) is_close_told: bool,
    /// A session that the connection has not taken.
    pub(super) returned: Option<Box<Session>>,
}

/// What is left to write when a connection is over, and until when that may take.
#[derive(Debug)]
pub(super) struct LastWords {
    pub(super) outbox: Outbox,
    pub(super) until: Instant,
}

/// How far a link has come. Boxed, because a link that is idle pays for the largest.
#[derive(Debug)]
pub(super) enum State {
    /// Its connection lives.
    Open(Box<Connection<Server>>),
    /// Its connection is over.
    Closing(Box<LastWords>),
    /// A subscriber in the process.
    Local,
}

impl Link {
    pub(super) fn new(peer: Peer, state: State) -> Self {
        Self {
            peer,
            state,
            timer: None,
            is_writable: false,
            is_ready: false,
            has_messages: false,
            is_grown: false,
            is_close_told: false,
            returned: None,
        }
    }

    pub(super) fn connection(&mut self) -> Option<&mut Connection<Server>> {
        match &mut self.state {
            State::Open(connection) => Some(connection),
            State::Closing(_) | State::Local => None,
        }
    }

    /// Gives back the room of queues that have become empty, once all is written.
    pub(super) fn shrink(&mut self) {
        if let State::Open(connection) = &mut self.state {
            if connection.outbox_len() == 0 {
                connection.shrink();
                self.is_grown = false;
            }
        }
    }

    /// What waits to be written, refilled.
    pub(super) fn outbox(&mut self) -> Option<&mut Outbox> {
        match &mut self.state {
            State::Open(connection) => Some(connection.outbox()),
            State::Closing(last) => Some(&mut last.outbox),
            State::Local => None,
        }
    }

    /// Whether the loop has something to do for it: bytes to write, or, once, a transport to close.
    pub(super) fn wants_transport(&mut self) -> bool {
        match &self.state {
            State::Open(connection) => connection.outbox_len() > 0,
            State::Closing(last) => last.outbox.has_remaining() || !std::mem::replace(&mut self.is_close_told, true),
            State::Local => false,
        }
    }

    /// Whether all is written that will ever be.
    pub(super) fn wants_close(&self) -> bool {
        match &self.state {
            State::Open(_) | State::Local => false,
            State::Closing(last) => !last.outbox.has_remaining(),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match &self.state {
            State::Open(connection) => connection.poll_timeout(),
            State::Closing(last) => last.outbox.has_remaining().then_some(last.until),
            State::Local => None,
        }
    }
}

/// Links by the slot that their [`Peer`] names.
#[derive(Debug, Default)]
pub(super) struct Links {
    slots: Vec<Option<Link>>,
    free: Vec<usize>,
    /// Links so far: what makes a peer's number different from that of every other that had its slot.
    count: u64,
}

impl Links {
    /// The number that the next link will have.
    pub(super) fn next_peer(&self) -> Peer {
        let slot = self.free.last().copied().unwrap_or(self.slots.len());
        Peer::new(self.count << SLOT_BITS | slot as u64)
    }

    /// Whether every number for a slot is taken.
    pub(super) fn is_full(&self) -> bool {
        self.len() >= 1 << SLOT_BITS
    }

    pub(super) fn insert(&mut self, link: Link) {
        let slot = slot(link.peer);
        debug_assert_eq!(link.peer, self.next_peer());
        self.count += 1;
        if self.free.pop().is_none() {
            self.slots.push(None);
        }
        self.slots[slot] = Some(link);
    }

    pub(super) fn get(&self, peer: Peer) -> Option<&Link> {
        self.slots.get(slot(peer))?.as_ref().filter(|link| link.peer == peer)
    }

    pub(super) fn get_mut(&mut self, peer: Peer) -> Option<&mut Link> {
        self.slots.get_mut(slot(peer))?.as_mut().filter(|link| link.peer == peer)
    }

    pub(super) fn remove(&mut self, peer: Peer) -> Option<Link> {
        let link = self.slots.get_mut(slot(peer))?.take_if(|link| link.peer == peer)?;
        self.free.push(slot(peer));
        Some(link)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }
}

pub(super) fn slot(peer: Peer) -> usize {
    // Less than 2^24, so the cast loses nothing.
    (peer.as_u64() & ((1 << SLOT_BITS) - 1)) as usize
}

/// 16 million links at a time; 10^12 in all.
const SLOT_BITS: u32 = 24;
