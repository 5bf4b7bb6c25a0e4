//! Streams of received messages.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use mqtt_proto::{ReasonCode, Subscribe};

use super::inner::Slot;
use super::lease::Lease;
use super::streams::{Queued, StreamId};
use super::{Received, block_on};
use crate::Error;
use crate::client::SubscriberId;

/// Waits for SUBACK: yields the stream. Made by [`Handle::subscribe`](crate::Handle::subscribe).
///
/// Messages that arrive before SUBACK are kept for the stream. Dropping this before it resolves gives the subscription up.
#[derive(Debug)]
#[must_use = "dropping it gives the subscription up"]
pub struct Subscribing(Result<Option<Live>, Error>);

#[derive(Debug)]
struct Live {
    inbox: Inbox,
    id: SubscriberId,
    count: Count,
}

/// Whether this future is counted as awaiting the server; uncounted when it is dropped.
#[derive(Debug)]
struct Count {
    lease: Lease,
    is_counted: bool,
}

impl Drop for Count {
    fn drop(&mut self) {
        if self.is_counted {
            self.lease.shared().run(|inner, _| inner.count(&mut self.is_counted, false));
        }
    }
}

impl Subscribing {
    pub(super) fn failed(error: Error) -> Self {
        Self(Err(error))
    }

    pub(super) fn subscribe(lease: &Lease, subscribe: Subscribe) -> Self {
        let asked = lease.shared().run(|inner, now| {
            let id = inner.client.subscribe(now, subscribe)?;
            inner.streams.add_subscriber(inner.client.options(), id);
            inner.claim(StreamId::Subscriber(id));
            inner.rare().subscribing.insert(id, Slot::default());
            Ok(id)
        });
        Self(asked.map(|id| {
            let inbox = Inbox { lease: lease.clone(), id: StreamId::Subscriber(id), taken: VecDeque::new() };
            let count = Count { lease: lease.clone(), is_counted: false };
            Some(Live { inbox, id, count })
        }))
    }

    /// Blocks the thread instead of awaiting.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> Result<Subscriber, Error> {
        block_on(self)
    }
}

impl Future for Subscribing {
    type Output = Result<Subscriber, Error>;

    /// # Panics
    ///
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let state = match &mut self.get_mut().0 {
            Ok(state) => state,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        let Some(mut live) = state.take() else { panic!("`Subscribing` was polled after it was ready") };
        let Live { inbox, id, count } = &mut live;
        let result = inbox.lease.shared().run(|inner, _| {
            let Some(slot) = inner.rare().subscribing.get_mut(id) else { return Some(Err(Error::Stopped)) };
            let result = slot.result.take();
            if result.is_none() {
                slot.waker = Some(cx.waker().clone());
            } else {
                inner.rare().subscribing.remove(id);
                inner.shrink();
            }
            inner.count(&mut count.is_counted, result.is_none());
            result
        });
        match result {
            Some(Ok(granted)) => Poll::Ready(Ok(Subscriber { inbox: live.inbox, granted })),
            Some(Err(error)) => Poll::Ready(Err(error)),
            None => {
                *state = Some(live);
                Poll::Pending
            }
        }
    }
}

/// The stream of one subscribe call's messages.
///
/// Taking a QoS 1 or 2 message out of it acknowledges the message, unless [`manual_acks`](crate::Options::manual_acks) is on.
/// It holds a [limited](crate::Options::stream_limit) number of messages (of QoS 0 at most twice as many, as they are handed over
/// many at a time); whoever does not take them makes the client stop reading. Dropping it unsubscribes (see [`unsubscribe_on_drop`](crate::Options::unsubscribe_on_drop)) and acknowledges what
/// was not taken, but with manual acknowledgements.
#[derive(Debug)]
pub struct Subscriber {
    inbox: Inbox,
    granted: Vec<ReasonCode>,
}

impl Subscriber {
    /// The server's first answer, one reason code per filter: 0x00 to 0x02 is the granted QoS, 0x80 and above a refusal.
    #[must_use]
    pub fn granted(&self) -> &[ReasonCode] {
        &self.granted
    }

    /// Waits for the next message; `None` after the last one, when the client has stopped or the filters were unsubscribed.
    #[expect(clippy::should_implement_trait, reason = "it lends a future; an iterator cannot")]
    pub fn next(&mut self) -> Next<'_> {
        Next { inbox: &mut self.inbox }
    }

    /// The next message, if there is one already.
    #[must_use]
    pub fn try_next(&mut self) -> Option<Received> {
        self.inbox.try_next()
    }

    /// [`Subscriber::next`] for an executor of your own.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.inbox.poll_next(cx.waker())
    }
}

/// A stream of every message that arrives. Made by [`Handle::messages`](crate::Handle::messages).
///
/// A message that is also for a [`Subscriber`] goes to both, and is acknowledged when both have taken it.
#[derive(Debug)]
pub struct Messages {
    inbox: Inbox,
}

impl Messages {
    pub(super) fn new(lease: Lease) -> Self {
        let id = lease.shared().run(|inner, _| {
            let id = inner.streams.add_everything(inner.client.options());
            inner.claim(id);
            if inner.is_stopped() {
                // It has just been added: nobody waits for it.
                let _ = inner.streams.end(id);
            }
            id
        });
        Self { inbox: Inbox { lease, id, taken: VecDeque::new() } }
    }

    /// Waits for the next message; `None` after the last one, when the client has stopped.
    #[expect(clippy::should_implement_trait, reason = "it lends a future; an iterator cannot")]
    pub fn next(&mut self) -> Next<'_> {
        Next { inbox: &mut self.inbox }
    }

    /// The next message, if there is one already.
    #[must_use]
    pub fn try_next(&mut self) -> Option<Received> {
        self.inbox.try_next()
    }

    /// [`Messages::next`] for an executor of your own.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Received>> {
        self.inbox.poll_next(cx.waker())
    }
}

/// Waits for a message. Made by [`Subscriber::next`] and [`Messages::next`]; dropping it loses nothing.
#[derive(Debug)]
#[must_use = "it does nothing unless awaited"]
pub struct Next<'a> {
    inbox: &'a mut Inbox,
}

impl Next<'_> {
    /// Blocks the thread instead of awaiting.
    #[must_use]
    pub fn wait(self) -> Option<Received> {
        block_on(self)
    }
}

impl Future for Next<'_> {
    type Output = Option<Received>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().inbox.poll_next(cx.waker())
    }
}

/// One stream's place in the shared state. Dropping it gives the stream up.
#[derive(Debug)]
struct Inbox {
    lease: Lease,
    id: StreamId,
    /// Messages that are ours alone: none of them is to be acknowledged.
    taken: VecDeque<Queued>,
}

impl Inbox {
    fn try_next(&mut self) -> Option<Received> {
        match self.take(None) {
            Poll::Ready(received) => received,
            Poll::Pending => None,
        }
    }

    fn poll_next(&mut self, waker: &Waker) -> Poll<Option<Received>> {
        self.take(Some(waker))
    }

    fn take(&mut self, waker: Option<&Waker>) -> Poll<Option<Received>> {
        match self.taken.pop_front() {
            Some(queued) => Poll::Ready(Some(Received::new(queued).0)),
            None => self.lease.shared().take(self.id, waker, &mut self.taken),
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.lease.shared().run(|inner, now| inner.give_up(now, self.id));
    }
}
