//! The outcome of one published message.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mqtt_proto::Message;

use super::block_on;
use super::shared::{Shared, TicketSlot};
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
    shared: Arc<Shared>,
    id: MessageId,
    /// Counted in `awaiting_server`.
    is_counted: bool,
}

impl Ticket {
    pub(super) fn failed(error: Error) -> Self {
        Self(Err(error))
    }

    pub(super) fn publish(shared: &Arc<Shared>, message: Message) -> Self {
        let qos = message.qos;
        let published = shared.run(|inner, now| {
            let id = inner.client.publish(now, message)?;
            let accepted = inner.is_accepted(id, qos);
            inner.tickets.insert(id, TicketSlot { accepted, ..TicketSlot::default() });
            Ok(id)
        });
        Self(published.map(|id| Live { shared: Arc::clone(shared), id, is_counted: false }))
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

    fn poll_slot<T>(
        &mut self,
        cx: &mut Context<'_>,
        look: impl FnOnce(&TicketSlot) -> Option<Result<T, Error>>,
    ) -> Poll<Result<T, Error>> {
        let live = match &mut self.0 {
            Ok(live) => live,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        live.shared.run(|inner, _| {
            let Some(slot) = inner.tickets.get_mut(&live.id) else { return Poll::Ready(Err(Error::Stopped)) };
            let outcome = look(slot);
            if outcome.is_none() {
                slot.waker = Some(cx.waker().clone());
            }
            inner.count(&mut live.is_counted, outcome.is_none());
            outcome.map_or(Poll::Pending, Poll::Ready)
        })
    }
}

impl Future for Ticket {
    type Output = Result<Acknowledgement, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().poll_slot(cx, |slot| slot.result.clone())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.run(|inner, _| {
            inner.tickets.remove(&self.id);
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
                live.shared.run(|inner, _| inner.count(&mut live.is_counted, false));
            }
        }
    }
}

impl Future for Accepted<'_> {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.get_mut().ticket.poll_slot(cx, |slot| match &slot.result {
            Some(Err(error)) => Some(Err(error.clone())),
            Some(Ok(_)) => Some(Ok(())),
            None => slot.accepted.then_some(Ok(())),
        })
    }
}
