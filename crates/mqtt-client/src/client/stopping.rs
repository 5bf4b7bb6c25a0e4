//! The last state of a client, and how it is told.

use super::event::{Event, MessageId};
use super::{Client, Phase, State, Transport};
use crate::Error;

impl Client {
    /// Whether the client has stopped and the driver's transport is gone: nothing will ever happen again.
    #[must_use]
    #[inline]
    pub fn is_done(&self) -> bool {
        self.is_stopped && matches!(self.transport, Transport::None)
    }

    /// Why the client has stopped or is stopping, if so.
    #[must_use]
    pub fn stop_reason(&self) -> Option<&Error> {
        static AS_ASKED: Error = Error::Stopped;
        self.is_stopped.then(|| self.stopped.as_deref().unwrap_or(&AS_ASKED))
    }

    /// Whether [`Event::Stopped`] was given out.
    pub(crate) fn has_said_stopped(&self) -> bool {
        self.said_stopped
    }

    /// Whether a disconnect was asked for.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// The last state. Everything unfinished fails with the reason; [`Event::Stopped`] follows when the transport is gone.
    pub(super) fn stop(&mut self, reason: Error) {
        if let State::Offline { phase, .. } = &mut self.state {
            *phase = Phase::Stopped;
        }
        if self.unfinished() > 0 {
            self.fail_unfinished(&reason);
        }
        self.is_stopped = true;
        self.stopped = Some(reason).filter(|reason| *reason != Error::Stopped).map(Box::new);
    }

    #[cold]
    fn fail_unfinished(&mut self, reason: &Error) {
        let failed = |id: MessageId| Event::Published { id, result: Err(reason.clone()) };
        self.events.extend(self.queue.drain().map(failed));
        self.events.extend(self.in_flight.drain().map(failed));
        self.requeue_requests();
        while let Some(request) = self.requests.pop() {
            self.fail_request(request, reason.clone());
        }
    }

    /// Whether the last event is due.
    pub(super) fn is_to_say_stopped(&self) -> bool {
        self.is_done() && !self.said_stopped
    }

    /// The last event, once and when it is due.
    pub(super) fn say_stopped(&mut self) -> Option<Event> {
        if !self.is_to_say_stopped() {
            return None;
        }
        self.said_stopped = true;
        self.stop_reason().cloned().map(Event::Stopped)
    }
}
