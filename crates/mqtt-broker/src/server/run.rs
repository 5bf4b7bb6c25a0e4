//! The server's thread: one hub, its sockets and its clock.
//!
//! A round begins with a poll of all sockets. What has come in goes to the hub; then the timers run, and the wishes of other
//! threads are fulfilled; and last, every peer that has something is written to, once. So all that comes in at the same time
//! leaves together, with one system call for each peer.
//!
//! There is no task and no future: a connection that says nothing is a [`Wire`] in a list, because there may be many.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event;
use mio::{Events, Poll, Token};
use mqtt_proto::{Instant, Subscription, Text};

use super::door::{Door, Knock};
use super::inbox::{Command, Inbox, Wishes};
use super::linger::{self, Lingering};
use super::mailbox::Mailbox;
use super::stream::Stream;
use super::wire::{Outcome, READ_MAXIMUM, Wire};
use crate::{Hub, Notice, Origin, Peer};

/// What the thread owns.
pub(super) struct Runner {
    poll: Poll,
    hub: Hub,
    started: std::time::Instant,
    inbox: Arc<Inbox>,
    on_notice: Option<Box<dyn FnMut(Notice) + Send>>,
    doors: Vec<Door>,
    /// Connections of each listener, and how many it may have.
    guests: Vec<Guests>,
    /// Connections by the slots of their peers.
    wires: Vec<Option<Wire>>,
    lingering: Lingering,
    /// What goes on in the next round, whatever the poll says.
    again: VecDeque<Turn>,
    mailboxes: BTreeMap<Peer, Arc<Mailbox>>,
    scratch: Box<[u8]>,
    /// When the server stops, whatever there is to say.
    deadline: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Guests {
    pub(super) count: usize,
    pub(super) maximum: Option<usize>,
}

/// Who has more to do.
#[derive(Clone, Copy, Debug)]
enum Turn {
    /// The connection in this slot.
    Wire(usize),
    /// The connection that is closing.
    Leaving(u32),
    Door(usize),
}

/// How the thread ended, unless it panicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    ShutDown,
    /// The system does not tell any more what has come.
    Broken,
}

impl Runner {
    /// Each listener's sockets are registered by [`door_token`].
    pub(super) fn new(
        poll: Poll,
        hub: Hub,
        inbox: Arc<Inbox>,
        doors: Vec<Door>,
        guests: Vec<Guests>,
        on_notice: Option<Box<dyn FnMut(Notice) + Send>>,
    ) -> Self {
        Self {
            poll,
            hub,
            started: std::time::Instant::now(),
            inbox,
            on_notice,
            doors,
            guests,
            wires: Vec::new(),
            lingering: Lingering::default(),
            again: VecDeque::new(),
            mailboxes: BTreeMap::new(),
            scratch: vec![0; READ_MAXIMUM].into(),
            deadline: None,
        }
    }

    /// Runs until the server is to stop, and all is said or the time for it is over.
    pub(super) fn run(&mut self) -> End {
        let mut events = Events::with_capacity(EVENTS);
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return End::Broken,
            }
            let now = self.now();
            for _ in 0..self.again.len() {
                let Some(turn) = self.again.pop_front() else { break };
                self.take_turn(now, turn);
            }
            let mut is_wished = false;
            for event in &events {
                match event.token() {
                    INBOX => is_wished = true,
                    token => self.handle(now, token, event),
                }
            }
            let fulfilled = if is_wished { self.fulfil(now) } else { 0 };
            self.handle_time(now);
            self.flush(now);
            self.inbox.fulfilled(fulfilled);
            self.tell();
            if self.deadline.is_some_and(|deadline| deadline <= now || self.is_deserted()) {
                // If some were still waited for: they are told at least.
                self.hub.broker_mut().shut_down(now);
                self.hub.pump(now);
                self.flush(now);
                self.tell();
                return End::ShutDown;
            }
        }
    }

    /// The time as the hub knows it.
    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// How long the poll may take.
    fn timeout(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let doors = self.doors.iter().filter_map(|door| door.opens_at);
        let others = [self.hub.poll_timeout(), self.lingering.next_deadline(), self.deadline];
        let next = others.into_iter().flatten().chain(doors).min()?;
        Some(next.since(self.now()))
    }

    fn is_deserted(&self) -> bool {
        self.guests.iter().all(|guests| guests.count == 0)
    }

    /// Does what a poll has told of a socket.
    fn handle(&mut self, now: Instant, token: Token, event: &Event) {
        if let Some(door) = token.0.checked_sub(FIRST_DOOR) {
            self.accept(now, door);
        } else if let Some(key) = Lingering::key(token) {
            self.read_leaving(key);
        } else if let Some(Some(wire)) = self.wires.get_mut(token.0) {
            if event.is_read_closed() || event.is_error() {
                wire.handle_finished();
            }
            if (event.is_writable() || event.is_error()) && wire.handle_writable() {
                self.write(now, token.0);
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.read(now, token.0);
            }
        }
    }

    fn take_turn(&mut self, now: Instant, turn: Turn) {
        match turn {
            Turn::Wire(slot) => self.read(now, slot),
            Turn::Leaving(key) => self.read_leaving(key),
            Turn::Door(door) => self.accept(now, door),
        }
    }

    /// Lets in who has come, some at a time.
    fn accept(&mut self, now: Instant, index: usize) {
        for _ in 0..GUESTS_AT_A_TIME {
            let Some(door) = self.doors.get_mut(index) else { return };
            if door.opens_at.is_some_and(|at| at > now) {
                return;
            }
            door.opens_at = None;
            let listener = door.listener;
            match door.accept(now) {
                Knock::Guest(stream, address) => self.enter(now, listener, stream, address),
                Knock::Gone => {}
                Knock::Nobody => return,
                Knock::Shut(notice) => {
                    if let (Some(on_notice), Some(notice)) = (&mut self.on_notice, notice) {
                        on_notice(notice);
                    }
                    return;
                }
            }
        }
        self.again.push_back(Turn::Door(index));
    }

    fn enter(&mut self, now: Instant, listener: u32, mut stream: Stream, address: Box<str>) {
        let Some(guests) = self.guests.get_mut(listener as usize) else { return };
        let origin = Origin { listener, address: Some(address) };
        // If there is no room, the socket is dropped here, and with it the connection.
        if let Some(maximum) = guests.maximum.filter(|maximum| guests.count >= *maximum) {
            if let Some(on_notice) = &mut self.on_notice {
                on_notice(Notice::TurnedAway { origin, maximum });
            }
            return;
        }
        let Ok(peer) = self.hub.open(now, origin) else { return };
        let slot = Hub::slot(peer);
        if stream.register(self.poll.registry(), Token(slot)).is_err() {
            return self.hub.handle_closed(now, peer);
        }
        guests.count += 1;
        if self.wires.len() <= slot {
            self.wires.resize_with(slot + 1, || None);
        }
        self.wires[slot] = Some(Wire::new(peer, stream, listener));
    }

    fn leave(&mut self, listener: u32) {
        if let Some(guests) = self.guests.get_mut(listener as usize) {
            guests.count -= 1;
        }
    }

    fn read(&mut self, now: Instant, slot: usize) {
        let Some(Some(wire)) = self.wires.get_mut(slot) else { return };
        let outcome = wire.read(&mut self.hub, now, &mut self.scratch);
        self.settle(now, slot, outcome);
        self.tell();
    }

    fn write(&mut self, now: Instant, slot: usize) {
        let Some(Some(wire)) = self.wires.get_mut(slot) else { return };
        let outcome = wire.flush(&mut self.hub, now, self.poll.registry(), Token(slot));
        self.settle(now, slot, outcome);
    }

    fn settle(&mut self, now: Instant, slot: usize, outcome: Outcome) {
        match outcome {
            Outcome::Waits => return,
            Outcome::Again => return self.again.push_back(Turn::Wire(slot)),
            Outcome::TheyClosed | Outcome::WeClose => {}
        }
        let Some(Wire { peer, stream, door, .. }) = self.wires.get_mut(slot).and_then(Option::take) else { return };
        self.hub.handle_closed(now, peer);
        let lingers = outcome == Outcome::WeClose && self.lingering.insert(now, stream, door, self.poll.registry());
        if !lingers {
            self.leave(door);
        }
    }

    fn read_leaving(&mut self, key: u32) {
        match self.lingering.read(key, &mut self.scratch) {
            Ok(Outcome::Again) => self.again.push_back(Turn::Leaving(key)),
            Ok(Outcome::Waits | Outcome::TheyClosed | Outcome::WeClose) => {}
            Err(door) => self.leave(door),
        }
    }

    /// Does what is due.
    fn handle_time(&mut self, now: Instant) {
        if self.hub.poll_timeout().is_some_and(|time| time <= now) {
            self.hub.handle_timeout(now);
        }
        while let Some(door) = self.lingering.take_late(now) {
            self.leave(door);
        }
        for index in 0..self.doors.len() {
            if self.doors[index].opens_at.is_some_and(|at| at <= now) {
                self.accept(now, index);
            }
        }
    }

    /// Writes what the peers' outboxes hold, as far as their sockets take it.
    fn flush(&mut self, now: Instant) {
        while let Some(peer) = self.hub.poll_writable() {
            let slot = Hub::slot(peer);
            match self.wires.get(slot) {
                Some(Some(wire)) if wire.peer == peer => self.write(now, slot),
                Some(_) | None => {
                    if let Some(mailbox) = self.mailboxes.get(&peer) {
                        mailbox.fill(|| self.hub.poll_message(now, peer));
                    }
                }
            }
        }
    }

    /// Hands the broker's notices to the embedder.
    fn tell(&mut self) {
        while let Some(notice) = self.hub.broker_mut().poll_notice() {
            if let Some(on_notice) = &mut self.on_notice {
                on_notice(notice);
            }
        }
    }
}

/// The wishes of other threads.
impl Runner {
    /// Does what other threads want. How many commands those were.
    fn fulfil(&mut self, now: Instant) -> usize {
        let Wishes { commands, mailboxes, shut_down } = self.inbox.take();
        let count = commands.len();
        for command in commands {
            match command {
                Command::Publish(message, refused) => {
                    if let (Err(reason), Some(refused)) = (self.hub.broker_mut().publish(now, message), refused) {
                        refused.get_or_init(|| reason);
                    }
                }
                Command::Subscribe { wanted, mailbox } => self.subscribe(wanted, mailbox),
                Command::Reload(policy) => self.hub.broker_mut().replace_policy(now, policy),
            }
            self.hub.pump(now);
        }
        if mailboxes {
            let hub = &mut self.hub;
            self.mailboxes.retain(|peer, mailbox| {
                let is_wanted = !mailbox.is_unwanted();
                if is_wanted {
                    mailbox.fill(|| hub.poll_message(now, *peer));
                } else {
                    hub.handle_closed(now, *peer);
                }
                is_wanted
            });
        }
        if let Some(grace) = shut_down.filter(|_| self.deadline.is_none()) {
            self.deadline = Some(now + grace);
            self.doors.clear();
            self.hub.broker_mut().shut_down(now);
            self.hub.pump(now);
        }
        count
    }

    fn subscribe(&mut self, wanted: Vec<Subscription>, mailbox: Arc<Mailbox>) {
        // The server has stopped: the mailbox ends with its inbox.
        let Ok(peer) = self.hub.open_local(Text::from_static("local")) else { return };
        self.mailboxes.insert(peer, Arc::clone(&mailbox));
        for subscription in &wanted {
            if let Err(reason) = self.hub.broker_mut().subscribe_local(peer, subscription) {
                mailbox.refuse(reason);
            }
        }
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.mailboxes.values().for_each(|mailbox| mailbox.end());
    }
}

/// By what a listening socket is known to the poll.
pub(super) const fn door_token(index: usize) -> Token {
    Token(FIRST_DOOR + index)
}

/// By what the wishes of other threads are known to the poll.
pub(super) const INBOX: Token = Token(usize::MAX);

/// After the tokens of connections, which are the slots of their peers, and of those that are closing.
const FIRST_DOOR: usize = 2 * linger::TOKENS;

/// Sockets that one poll tells of. The others are told of by the next.
const EVENTS: usize = 1024;

/// Connections that are let in before others have their turn.
const GUESTS_AT_A_TIME: usize = 64;
