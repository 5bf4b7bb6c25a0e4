//! The outcome of one published message.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mqtt_proto::Message;

use super::block_on;
use super::inner::Inner;
use super::outcomes::{Outcome, Page};
use super::shared::Shared;
use crate::client::MessageId;
use crate::{Acknowledgement, Error};

/// A published message on its way.
///
/// Awaiting it yields the acknowledgement: at QoS 1 that is PUBACK, at QoS 2 PUBCOMP, whichever connection brings it; at
/// QoS 0 there is none, and it resolves when the message has been written to the transport. A refusal by the server is an
/// error.
///
/// The message is sent whether the ticket is awaited or dropped. There is one exception: with
/// [`QueuePolicy::Wait`](crate::QueuePolicy::Wait) and a full queue, the message waits in the ticket's name, and dropping the
/// ticket before it is [accepted](Self::accepted) takes the message back.
#[derive(Debug)]
#[must_use = "it tells whether the message arrived; await `accepted()` if you only want the queue not to overflow"]
pub struct Ticket(Result<Live, Error>);

#[derive(Debug)]
struct Live {
    page: Arc<Page>,
    id: MessageId,
    /// In the queue or beyond, for all we know.
    is_accepted: bool,
    /// The transport is behind: waiting to be accepted lets others run first.
    gives_way: bool,
    /// A waker of ours is kept for the message.
    is_registered: bool,
    /// Counted in `awaiting_server`.
    is_counted: bool,
}

impl Ticket {
    pub(super) fn failed(error: Error) -> Self {
        Self(Err(error))
    }

    #[inline]
    pub(super) fn publish(shared: &Arc<Shared>, message: Message) -> Self {
        Self(shared.publish(message).map(|published| Live {
            page: published.page,
            id: published.id,
            is_accepted: published.is_accepted,
            gives_way: published.is_behind,
            is_registered: false,
            is_counted: false,
        }))
    }

    /// Waits until the message is in the queue, where it outlives the ticket. Await this after each publish to be slowed down
    /// to the server's pace while keeping many messages in flight.
    pub fn accepted(&mut self) -> Accepted<'_> {
        Accepted { ticket: self }
    }

    /// Blocks the thread instead of awaiting.
    ///
    /// # Errors
    ///
    /// As awaiting the ticket.
    pub fn wait(self) -> Result<Acknowledgement, Error> {
        block_on(self)
    }
}

impl Live {
    /// Waits until `look` finds something.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        look: impl FnOnce(&mut Inner, &Page, MessageId) -> Option<Outcome>,
    ) -> Poll<Outcome> {
        let Self { page, id, is_registered, is_counted, .. } = self;
        page.shared.run_small(|inner| {
            let outcome = look(inner, page, *id);
            if outcome.is_none() {
                inner.wait_for(*id, cx.waker());
            } else if *is_registered {
                inner.wait_no_more(*id);
            }
            *is_registered = outcome.is_none();
            inner.count(is_counted, outcome.is_none());
            outcome.map_or(Poll::Pending, Poll::Ready)
        })
    }
}

impl Future for Ticket {
    type Output = Result<Acknowledgement, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.get_mut().0 {
            Ok(live) => {
                let outcome = live.poll(cx, |inner, page, id| inner.outcome(page, id));
                live.is_accepted |= outcome.is_ready();
                outcome
            }
            Err(error) => Poll::Ready(Err(error.clone())),
        }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        if self.is_accepted && !self.is_registered {
            return; // nobody else knows of this ticket
        }
        self.page.shared.run(|inner, _| {
            inner.wait_no_more(self.id);
            inner.client.withdraw(self.id);
            inner.count(&mut self.is_counted, false);
        });
    }
}

/// Waits until a message is in the queue. Made by [`Ticket::accepted`]; dropping it changes nothing.
#[derive(Debug)]
#[must_use = "it does nothing unless awaited"]
pub struct Accepted<'a> {
    ticket: &'a mut Ticket,
}

impl Accepted<'_> {
    /// Blocks the thread instead of awaiting.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> Result<(), Error> {
        block_on(self)
    }
}

/// Given up before it was ready: nobody awaits the server any more, and streams keep to their limits.
impl Drop for Accepted<'_> {
    fn drop(&mut self) {
        if let Ok(live) = &mut self.ticket.0 {
            if live.is_counted {
                live.page.shared.run(|inner, _| inner.count(&mut live.is_counted, false));
            }
        }
    }
}

impl Future for Accepted<'_> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let live = match &mut self.get_mut().ticket.0 {
            Ok(live) => live,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        if core::mem::take(&mut live.gives_way) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if live.is_accepted {
            return Poll::Ready(Ok(()));
        }
        let outcome = live.poll(cx, |inner, page, id| inner.acceptance(page, id));
        live.is_accepted = outcome.is_ready();
        outcome.map(|outcome| outcome.map(|_| ()))
    }
}
