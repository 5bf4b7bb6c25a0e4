//! The server's thread: one hub, its sockets and its clock.
//!
//! Each connection has a task that reads and feeds the hub; one task, the sweeper, does all the rest when the tasks that
//! were ready have had their turn: it writes to every peer that has something, once, runs the timers, and fulfils the wishes
//! of other threads. So all that comes in at the same time leaves together, with one system call for each peer. A task
//! writes by itself only where a socket was full.
//!
//! Everything is on one thread in a `RefCell`: no borrow lives across an await, and hooks run inside of one, so they have
//! no way to come back here but the inbox.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Buf;
use mqtt_proto::{Instant, Subscription, Text};
use tokio::time::{Instant as Clock, Sleep};

use super::inbox::{Command, Inbox, Wishes};
use super::mailbox::Mailbox;
use super::stream::Writer;
use crate::{Hub, Notice, Peer};

/// What all tasks of the thread share.
pub(super) struct Shared {
    pub(super) state: RefCell<State>,
    started: Clock,
    sweeper: RefCell<Option<Waker>>,
    /// Tasks of connections.
    pub(super) links: Cell<usize>,
    /// A task has panicked, in a hook most likely: nobody knows what state the hub is in.
    has_panicked: Cell<bool>,
}

/// What changes with every event.
pub(super) struct State {
    pub(super) hub: Hub,
    pub(super) wires: HashMap<Peer, Wire>,
    mailboxes: BTreeMap<Peer, Arc<Mailbox>>,
    pub(super) scratch: Box<[u8]>,
    on_notice: Option<Box<dyn FnMut(Notice) + Send>>,
}

/// The way out to a peer.
pub(super) struct Wire {
    pub(super) writer: Writer,
    /// Of its task.
    pub(super) waker: Option<Waker>,
    /// The socket takes nothing now: the task waits until it does.
    pub(super) is_full: bool,
    /// The task waits until something has been written, because its input is not wanted before.
    pub(super) is_held: bool,
}

impl Wire {
    /// Writes what the peer's outbox holds, as far as the socket takes it.
    pub(super) fn flush(&mut self, hub: &mut Hub, now: Instant, peer: Peer) {
        let mut is_news = false;
        while !self.is_full {
            let Some(outbox) = hub.outbox(peer).filter(|outbox| outbox.has_remaining()) else { break };
            let mut slices = [IoSlice::new(&[]); SLICES];
            let filled = outbox.chunks_vectored(&mut slices);
            match self.writer.try_write(&slices[..filled]) {
                Ok(written @ 1..) => {
                    outbox.advance(written);
                    hub.handle_written(now, peer);
                    is_news |= std::mem::take(&mut self.is_held);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_full = true;
                    is_news = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => {
                    hub.handle_eof(now, peer);
                    break;
                }
            }
        }
        if is_news || hub.wants_close(peer) {
            if let Some(waker) = &self.waker {
                waker.wake_by_ref();
            }
        }
    }
}

impl Shared {
    pub(super) fn new(hub: Hub, on_notice: Option<Box<dyn FnMut(Notice) + Send>>) -> Self {
        let state = State {
            hub,
            wires: HashMap::new(),
            mailboxes: BTreeMap::new(),
            scratch: vec![0; READ_MAXIMUM].into(),
            on_notice,
        };
        Self {
            state: RefCell::new(state),
            started: Clock::now(),
            sweeper: RefCell::new(None),
            links: Cell::new(0),
            has_panicked: Cell::new(false),
        }
    }

    /// The time as the hub knows it.
    pub(super) fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Lets the sweeper run after all tasks that are ready now.
    pub(super) fn sweep_soon(&self) {
        if let Some(waker) = &*self.sweeper.borrow() {
            waker.wake_by_ref();
        }
    }

    /// The same moment on the runtime's clock.
    fn at(&self, time: Instant) -> Option<Clock> {
        self.started.checked_add(Duration::from_millis(time.as_millis()))
    }
}

/// Tells the sweeper when a task panics: without it, the rest would go on with a hub that is in pieces.
pub(super) struct Tripwire(pub(super) Rc<Shared>);

impl Drop for Tripwire {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.has_panicked.set(true);
            self.0.sweep_soon();
        }
    }
}

impl State {
    /// Writes what the peers' outboxes hold, as far as their sockets take it.
    fn flush(&mut self, now: Instant) {
        while let Some(peer) = self.hub.poll_writable() {
            if let Some(mailbox) = self.mailboxes.get(&peer) {
                mailbox.fill(|| self.hub.poll_message(now, peer));
            } else {
                if let Some(wire) = self.wires.get_mut(&peer) {
                    wire.flush(&mut self.hub, now, peer);
                }
            }
        }
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

    /// Does what other threads want.
    fn fulfil(&mut self, now: Instant, wishes: &mut Wishes) -> usize {
        let count = wishes.commands.len();
        for command in wishes.commands.drain(..) {
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
        if wishes.mailboxes {
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
        count
    }
}

/// How the sweeper ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    ShutDown,
    Panicked,
}

/// Sweeps until the server is to stop, and all is said or the time for it is over.
pub(super) async fn sweep(shared: Rc<Shared>, inbox: Arc<Inbox>, mut stop: impl FnMut()) -> End {
    let mut alarm = Alarm::default();
    let mut deadline = None;
    poll_fn(|cx| {
        if shared.has_panicked.get() {
            return Poll::Ready(End::Panicked);
        }
        let is_known = shared.sweeper.borrow().as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if !is_known {
            *shared.sweeper.borrow_mut() = Some(cx.waker().clone());
        }
        let now = shared.now();
        let mut wishes = inbox.take(cx.waker());
        let state = &mut *shared.state.borrow_mut();
        let fulfilled = state.fulfil(now, &mut wishes);
        if let Some(grace) = wishes.shut_down.take().filter(|_| deadline.is_none()) {
            deadline = Some(now + grace);
            stop();
            state.hub.broker_mut().shut_down(now);
            state.hub.pump(now);
        }
        if state.hub.poll_timeout().is_some_and(|time| time <= now) {
            state.hub.handle_timeout(now);
        }
        state.flush(now);
        inbox.fulfilled(fulfilled);
        state.tell();
        if deadline.is_some_and(|deadline| shared.links.get() == 0 || deadline <= now) {
            return Poll::Ready(End::ShutDown);
        }
        let next = state.hub.poll_timeout().into_iter().chain(deadline).min();
        if alarm.is_due(next.and_then(|time| shared.at(time)), cx) {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    })
    .await
}

impl Drop for State {
    fn drop(&mut self) {
        self.mailboxes.values().for_each(|mailbox| mailbox.end());
    }
}

impl State {
    /// Hands the broker's notices to the embedder.
    pub(super) fn tell(&mut self) {
        while let Some(notice) = self.hub.broker_mut().poll_notice() {
            self.notice(notice);
        }
    }

    /// Hands a notice to the embedder.
    pub(super) fn notice(&mut self, notice: Notice) {
        if let Some(on_notice) = &mut self.on_notice {
            on_notice(notice);
        }
    }
}

/// One timer of the runtime. It is moved only to an earlier time, because each packet moves the hub's to a later one.
#[derive(Default)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    /// Whether `next` has come; if not, the task is woken when it does, or earlier.
    fn is_due(&mut self, next: Option<Clock>, cx: &mut Context<'_>) -> bool {
        let Some(next) = next else { return false };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
        if sleep.deadline() > next {
            sleep.as_mut().reset(next);
        }
        if sleep.as_mut().poll(cx).is_pending() {
            return false;
        }
        if next <= Clock::now() {
            return true;
        }
        // It was set for a time that does not matter any more.
        sleep.as_mut().reset(next);
        sleep.as_mut().poll(cx).is_ready()
    }
}

/// Bytes of one read at most.
pub(super) const READ_MAXIMUM: usize = 64 << 10;

/// Buffers of one write.
const SLICES: usize = 64;
