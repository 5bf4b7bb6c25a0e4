//! What happens to the connection, for those who want to know.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use mqtt_proto::{Auth, ConnAck, ReasonCode};

use super::block_on;
use super::shared::Shared;
use crate::Error;

/// Something that happened to the connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// The server accepted a connection.
    Connected(ConnAck),
    /// A connection, or the attempt at one, is over.
    Disconnected {
        /// Why.
        reason: Error,
        /// How long until the next attempt; `None` if there will be none.
        retry_in: Option<Duration>,
    },
    /// After a reconnect the server refused a subscription that it had granted before; its stream has ended.
    SubscriptionLost {
        /// The server's reason.
        reason: ReasonCode,
    },
    /// QoS 0 messages were dropped: a stream was beyond [`stream_overflow_limit`](crate::Options::stream_overflow_limit).
    Dropped {
        /// How many.
        messages: usize,
    },
    /// The next step of an enhanced authentication: answer with [`Handle::authenticate`](crate::Handle::authenticate).
    Auth(Auth),
}

/// The connection's events from the moment of [`Handle::events`](crate::Handle::events) on. Whoever falls 64 events behind
/// loses the oldest.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    id: u64,
}

impl Events {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let id = shared.run(|inner, _| {
            let is_over = inner.is_stopped();
            inner.rare().log.add(is_over)
        });
        Self { shared, id }
    }

    /// Waits for the next event; `None` after the last one.
    #[expect(clippy::should_implement_trait, reason = "it lends a future; an iterator cannot")]
    pub fn next(&mut self) -> NextEvent<'_> {
        NextEvent { events: self }
    }

    /// [`Events::next`] for an executor of your own.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<ConnectionEvent>> {
        self.shared.look(|inner| inner.rare().log.poll(self.id, cx.waker()))
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.shared.look(|inner| {
            inner.rare().log.remove(self.id);
            inner.shrink();
        });
    }
}

/// Waits for an event. Made by [`Events::next`]; dropping it loses nothing.
#[derive(Debug)]
#[must_use = "it does nothing unless awaited"]
pub struct NextEvent<'a> {
    events: &'a mut Events,
}

impl NextEvent<'_> {
    /// Blocks the thread instead of awaiting.
    #[must_use]
    pub fn wait(self) -> Option<ConnectionEvent> {
        block_on(self)
    }
}

impl Future for NextEvent<'_> {
    type Output = Option<ConnectionEvent>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().events.poll_next(cx)
    }
}

/// All [`Events`] streams.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    readers: BTreeMap<u64, Reader>,
    last: u64,
}

#[derive(Debug, Default)]
struct Reader {
    queue: VecDeque<ConnectionEvent>,
    waker: Option<Waker>,
    is_over: bool,
}

impl EventLog {
    fn add(&mut self, is_over: bool) -> u64 {
        self.last += 1;
        self.readers.insert(self.last, Reader { is_over, ..Reader::default() });
        self.last
    }

    pub(super) fn is_empty(&self) -> bool {
        self.readers.is_empty()
    }

    fn remove(&mut self, id: u64) {
        self.readers.remove(&id);
    }

    fn poll(&mut self, id: u64, waker: &Waker) -> Poll<Option<ConnectionEvent>> {
        let Some(reader) = self.readers.get_mut(&id) else { return Poll::Ready(None) };
        match reader.queue.pop_front() {
            Some(event) => Poll::Ready(Some(event)),
            None if reader.is_over => Poll::Ready(None),
            None => {
                reader.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    pub(crate) fn push(&mut self, event: ConnectionEvent) -> impl Iterator<Item = Waker> {
        self.readers.values_mut().filter_map(move |reader| {
            if reader.queue.len() >= LOG_LIMIT {
                reader.queue.pop_front();
            }
            reader.queue.push_back(event.clone());
            reader.waker.take()
        })
    }

    pub(crate) fn end(&mut self) -> impl Iterator<Item = Waker> {
        self.readers.values_mut().filter_map(|reader| {
            reader.is_over = true;
            reader.waker.take()
        })
    }
}

/// Events kept for a reader that does not read.
const LOG_LIMIT: usize = 64;
