//! Messages on their way: many at once, in order, and never more than a bounded number.

use std::collections::VecDeque;

use mqtt_tokio::{Error, Ticket};

use crate::report::Report;

/// Tickets of messages that are not settled yet, oldest first, and how those before them ended.
pub(crate) struct Pipeline {
    tickets: VecDeque<Ticket>,
    report: Report,
    failed: u64,
}

impl Pipeline {
    pub(crate) fn new(report: Report) -> Self {
        Self { tickets: VecDeque::new(), report, failed: 0 }
    }

    /// Adds a message. Waits for the client's queue to take it, and for older messages while there are too many.
    pub(crate) async fn push(&mut self, mut ticket: Ticket) {
        // Its error, if there is one, is told when it is settled.
        let _told_later = ticket.accepted().await;
        self.tickets.push_back(ticket);
        while self.is_full() {
            self.settle_oldest().await;
        }
    }

    /// Whether there is no room for another message before the oldest is settled.
    pub(crate) fn is_full(&self) -> bool {
        self.tickets.len() >= LIMIT
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tickets.is_empty()
    }

    /// How many messages did not arrive.
    pub(crate) fn failed(&self) -> u64 {
        self.failed
    }

    /// Waits for the end of the oldest message, if there is one. Dropping the future changes nothing.
    pub(crate) async fn settle_oldest(&mut self) {
        let Some(oldest) = self.tickets.front_mut() else { return };
        let result = oldest.await;
        self.tickets.pop_front();
        match result {
            Ok(acknowledgement) => {
                self.report.debug(format_args!("a message is settled: {}", acknowledgement.reason));
            }
            Err(error) => {
                self.failed += 1;
                self.tell(&error);
            }
        }
    }

    /// Waits for the end of every message.
    pub(crate) async fn settle_all(&mut self) {
        while !self.is_empty() {
            self.settle_oldest().await;
        }
    }

    /// Tells of the first failures each, and of the rest by their number at the end.
    fn tell(&self, error: &Error) {
        if self.failed <= TOLD {
            self.report.error(error);
        } else if self.failed == TOLD + 1 {
            self.report.error("further failures are counted");
        }
    }
}

/// Unsettled messages at once: more than any broker's window, which the client keeps to by itself.
const LIMIT: usize = 4096;

/// Failures that are told one by one.
const TOLD: u64 = 10;
