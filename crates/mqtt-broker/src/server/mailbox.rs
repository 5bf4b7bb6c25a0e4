//! Messages for the program that the server runs in.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use mqtt_proto::{Message, ReasonCode};

use super::inbox::Inbox;

/// The messages of a subscription in the process. Made by [`Server::subscribe`](crate::Server::subscribe).
///
/// The broker queues for it as for a client, with the same limits: a program that takes too few messages loses the newest.
/// Dropping it unsubscribes.
#[derive(Debug)]
pub struct LocalSubscription {
    mailbox: Arc<Mailbox>,
    inbox: Arc<Inbox>,
}

impl LocalSubscription {
    pub(super) fn new(mailbox: Arc<Mailbox>, inbox: Arc<Inbox>) -> Self {
        Self { mailbox, inbox }
    }

    /// The next message; `None` when the server has stopped and all are taken.
    ///
    /// Await it on any runtime; without one [`wait`](NextMessage::wait) for it, or [for a while](NextMessage::wait_timeout).
    #[expect(clippy::should_implement_trait, reason = "it lends a future; an iterator cannot")]
    pub fn next(&mut self) -> NextMessage<'_> {
        NextMessage { subscription: self }
    }

    /// The next message, if there is one already.
    #[must_use]
    pub fn try_next(&mut self) -> Option<Message> {
        match self.take(None) {
            Poll::Ready(message) => message,
            Poll::Pending => None,
        }
    }

    fn take(&mut self, waker: Option<&Waker>) -> Poll<Option<Message>> {
        let mut state = self.mailbox.lock();
        match state.queue.pop_front() {
            Some(message) => {
                state.bytes -= cost(&message);
                let has_room = std::mem::take(&mut state.is_waiting);
                drop(state);
                if has_room {
                    self.inbox.tell_mailboxes();
                }
                Poll::Ready(Some(message))
            }
            None if state.is_over => Poll::Ready(None),
            None => {
                state.waker = waker.cloned();
                Poll::Pending
            }
        }
    }
}

impl Drop for LocalSubscription {
    fn drop(&mut self) {
        self.mailbox.lock().is_unwanted = true;
        self.inbox.tell_mailboxes();
    }
}

/// Waits for a message. Made by [`LocalSubscription::next`]; dropping it loses nothing.
#[derive(Debug)]
#[must_use = "it does nothing unless awaited"]
pub struct NextMessage<'a> {
    subscription: &'a mut LocalSubscription,
}

impl NextMessage<'_> {
    /// Blocks the thread instead of awaiting.
    #[must_use]
    pub fn wait(self) -> Option<Message> {
        // A wake-up between two looks makes it return at once.
        self.wait_by(|| {
            thread::park();
            true
        })
    }

    /// Blocks the thread, but no longer than `limit`; `None` also when there was no message until then.
    #[must_use]
    pub fn wait_timeout(self, limit: Duration) -> Option<Message> {
        let begun = Instant::now();
        self.wait_by(|| {
            let left = limit.saturating_sub(begun.elapsed());
            thread::park_timeout(left);
            !left.is_zero()
        })
    }

    /// Looks again whenever `park` returns, until it returns false.
    fn wait_by(self, park: impl Fn() -> bool) -> Option<Message> {
        let mut future = pin!(self);
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            match future.as_mut().poll(&mut context) {
                Poll::Ready(message) => return message,
                Poll::Pending if park() => {}
                Poll::Pending => return None,
            }
        }
    }
}

impl Future for NextMessage<'_> {
    type Output = Option<Message>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Message>> {
        self.subscription.take(Some(cx.waker()))
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// What lies between the server's thread and a [`LocalSubscription`]: a few messages. The others stay in the broker's queue.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Message>,
    bytes: usize,
    waker: Option<Waker>,
    /// The server has more, for which there was no room.
    is_waiting: bool,
    /// Nothing more will come.
    is_over: bool,
    /// Nobody will take anything any more.
    is_unwanted: bool,
    /// Why a filter was refused.
    refusal: Option<ReasonCode>,
}

impl Mailbox {
    /// Puts in what `poll` gives, as long as there is room. It is not locked meanwhile: `poll` may run a hook.
    pub(super) fn fill(&self, mut poll: impl FnMut() -> Option<Message>) {
        while self.has_room() {
            let Some(message) = poll() else { return };
            let mut state = self.lock();
            state.bytes += cost(&message);
            state.queue.push_back(message);
            if let Some(waker) = state.waker.take() {
                drop(state);
                waker.wake();
            }
        }
    }

    /// If not, whoever takes a message says so.
    fn has_room(&self) -> bool {
        let mut state = self.lock();
        state.is_waiting = state.queue.len() >= MESSAGES || state.bytes >= BYTES;
        !state.is_waiting
    }

    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_over = true;
        if let Some(waker) = state.waker.take() {
            drop(state);
            waker.wake();
        }
    }

    pub(super) fn refuse(&self, reason: ReasonCode) {
        self.lock().refusal = Some(reason);
        self.end();
    }

    pub(super) fn refusal(&self) -> Option<ReasonCode> {
        self.lock().refusal
    }

    pub(super) fn is_unwanted(&self) -> bool {
        self.lock().is_unwanted
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cost(message: &Message) -> usize {
    message.topic.as_bytes().len() + message.payload.len()
}

/// Messages in a mailbox.
const MESSAGES: usize = 64;

/// Bytes in a mailbox from which it takes no more.
const BYTES: usize = 1 << 20;
