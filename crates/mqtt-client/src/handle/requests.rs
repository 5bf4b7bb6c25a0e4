//! Waiting for the connection, for UNSUBACK, and for the end.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use mqtt_proto::{ConnAck, Disconnect, ReasonCode, Unsubscribe};

use super::block_on;
use super::inner::Slot;
use super::shared::Shared;
use crate::Error;
use crate::client::RequestId;

/// Waits for the first CONNACK. Made by [`Handle::connected`](crate::Handle::connected).
///
/// It fails if the client stops before: at the first failure, unless
/// [`retry_first_connect`](crate::Options::retry_first_connect) is on.
#[derive(Debug)]
#[must_use = "it does nothing unless awaited"]
pub struct Connected {
    shared: Arc<Shared>,
}

impl Connected {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Blocks the thread instead of awaiting.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> Result<ConnAck, Error> {
        block_on(self)
    }
}

impl Future for Connected {
    type Output = Result<ConnAck, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.shared.look(|inner| match inner.first.result() {
            Some(result) => Poll::Ready(result),
            None => {
                inner.wait_in_lobby(cx.waker());
                Poll::Pending
            }
        })
    }
}

/// How the first connection went.
#[derive(Debug)]
pub(crate) enum First {
    /// It is not there yet.
    Awaited,
    /// The server said yes and nothing else, as every one of 3.x does.
    Plain {
        session_present: bool,
    },
    Known(Box<Result<ConnAck, Error>>),
}

impl First {
    /// The first call counts.
    pub(super) fn set(&mut self, result: Result<&ConnAck, &Error>) {
        if !matches!(self, Self::Awaited) {
            return;
        }
        *self = match result {
            Ok(connack) if *connack == ConnAck::new(connack.session_present, ReasonCode::SUCCESS) => {
                Self::Plain { session_present: connack.session_present }
            }
            result => Self::Known(Box::new(result.cloned().map_err(Error::clone))),
        };
    }

    pub(super) fn result(&self) -> Option<Result<ConnAck, Error>> {
        match self {
            Self::Awaited => None,
            Self::Plain { session_present } => Some(Ok(ConnAck::new(*session_present, ReasonCode::SUCCESS))),
            Self::Known(result) => Some(Result::clone(result)),
        }
    }
}

/// Waits until the client has disconnected and its transport is closed. Made by
/// [`Handle::disconnect`](crate::Handle::disconnect).
///
/// It fails if something could not be flushed in time, or if the client had stopped for another reason before.
#[derive(Debug)]
#[must_use = "a program that ends before it resolves may cut messages off"]
pub struct Disconnecting(Result<Arc<Shared>, Error>);

impl Disconnecting {
    pub(super) fn disconnect(shared: &Arc<Shared>, disconnect: Disconnect) -> Self {
        let asked = shared.run(|inner, now| inner.client.disconnect(now, disconnect));
        Self(match asked {
            Ok(()) | Err(Error::Stopped) => Ok(Arc::clone(shared)),
            Err(error) => Err(error),
        })
    }

    /// Blocks the thread instead of awaiting.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> Result<(), Error> {
        block_on(self)
    }
}

impl Future for Disconnecting {
    type Output = Result<(), Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let shared = match &self.0 {
            Ok(shared) => shared,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        shared.look(|inner| match inner.stop_reason() {
            Some(Error::Stopped) => Poll::Ready(Ok(())),
            Some(reason) => Poll::Ready(Err(reason.clone())),
            None => {
                inner.wait_in_lobby(cx.waker());
                Poll::Pending
            }
        })
    }
}

/// Waits for UNSUBACK: its reason code (0x00 in 3.x; 0x11 if there was no such subscription). Made by
/// [`Handle::unsubscribe`](crate::Handle::unsubscribe); dropping it does not take the request back.
#[derive(Debug)]
#[must_use = "it tells whether the server has done it"]
pub struct Unsubscribing(Result<Live, Error>);

#[derive(Debug)]
struct Live {
    shared: Arc<Shared>,
    id: RequestId,
    is_counted: bool,
}

impl Unsubscribing {
    pub(super) fn failed(error: Error) -> Self {
        Self(Err(error))
    }

    pub(super) fn unsubscribe(shared: &Arc<Shared>, unsubscribe: Unsubscribe) -> Self {
        let asked = shared.run(|inner, now| {
            let id = inner.client.unsubscribe(now, unsubscribe)?;
            inner.rare().unsubscribing.insert(id, Slot::default());
            Ok(id)
        });
        Self(asked.map(|id| Live { shared: Arc::clone(shared), id, is_counted: false }))
    }

    /// Blocks the thread instead of awaiting.
    ///
    /// # Errors
    ///
    /// As awaiting it.
    pub fn wait(self) -> Result<ReasonCode, Error> {
        block_on(self)
    }
}

impl Future for Unsubscribing {
    type Output = Result<ReasonCode, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let live = match &mut self.get_mut().0 {
            Ok(live) => live,
            Err(error) => return Poll::Ready(Err(error.clone())),
        };
        live.shared.run(|inner, _| {
            let Some(slot) = inner.rare().unsubscribing.get_mut(&live.id) else {
                return Poll::Ready(Err(Error::Stopped));
            };
            let result = slot.result.clone();
            if result.is_none() {
                slot.waker = Some(cx.waker().clone());
            }
            inner.count(&mut live.is_counted, result.is_none());
            result.map_or(Poll::Pending, Poll::Ready)
        })
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.run(|inner, _| {
            inner.rare().unsubscribing.remove(&self.id);
            inner.shrink();
            inner.count(&mut self.is_counted, false);
        });
    }
}
