//! How published messages end, for the tickets that ask.
//!
//! # Rules of this file
//!
//! - A message that ends well leaves no trace: a ticket finds that the client no longer works at it, and that is its outcome.
//!   So a ticket that nobody awaits costs nothing but its reference to a [`Page`].
//! - Any other end is kept in the message's page, which lives as long as a ticket of it: outcomes that nobody can ask for any
//!   more are gone with it.
//! - Wakers are kept for tickets that were polled in vain, and only for these.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::Waker;

use super::shared::Shared;
use crate::client::{IdMap, MessageId};
use crate::{Acknowledgement, Error};

pub(crate) type Outcome = Result<Acknowledgement, Error>;

/// The tickets of some messages that were published one after the other.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) shared: Arc<Shared>,
    /// Ends that there is something to say about. Locked under the lock of `shared` alone.
    outcomes: Mutex<Vec<(MessageId, Outcome)>>,
}

/// What is known of messages on their way: on the heap from the first one on.
#[derive(Debug, Default)]
pub(crate) struct Outcomes(Option<Box<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// The page of the next message, if it has room, and for how many.
    page: Option<(Arc<Page>, u32)>,
    /// The first message of each page that tickets may still hold.
    pages: VecDeque<(MessageId, Weak<Page>)>,
    /// Pages that were alive when dead ones were last removed.
    alive: usize,
    /// Who waits for a message to be accepted or to end.
    wakers: IdMap<Waker>,
}

impl Page {
    /// What there is to say about a message's end.
    pub(crate) fn outcome(&self, id: MessageId) -> Option<Outcome> {
        let outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
        outcomes.iter().find(|(other, _)| *other == id).map(|(_, outcome)| outcome.clone())
    }

    fn keep(&self, id: MessageId, outcome: Outcome) {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((id, outcome));
    }
}

impl Outcomes {
    /// The page of a message that has just been published.
    pub(crate) fn page(&mut self, id: MessageId, shared: &Arc<Shared>) -> Arc<Page> {
        let known = self.0.get_or_insert_default();
        if let Some((page, room @ 1..)) = &mut known.page {
            *room -= 1;
            return Arc::clone(page);
        }
        known.next_page(id, shared)
    }

    /// Takes note of a message's end; whom to wake.
    pub(crate) fn ended(&mut self, id: MessageId, outcome: Outcome) -> Option<Waker> {
        let known = self.0.as_mut()?;
        if !outcome.as_ref().is_ok_and(Acknowledgement::is_plain) {
            if let Some(page) = known.page_of(id) {
                page.keep(id, outcome);
            }
        }
        known.wakers.remove(&id)
    }

    /// Keeps the waker for when the message is accepted or has ended.
    pub(crate) fn wait(&mut self, id: MessageId, waker: &Waker) {
        let wakers = &mut self.0.get_or_insert_default().wakers;
        match wakers.get_mut(&id) {
            Some(kept) => kept.clone_from(waker),
            None => drop(wakers.insert(id, waker.clone())),
        }
    }

    /// Who waits for a message, and waits no longer.
    pub(crate) fn forget(&mut self, id: MessageId) -> Option<Waker> {
        self.0.as_mut()?.wakers.remove(&id)
    }

    /// Whether anybody waits for a message.
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.as_ref().is_some_and(|known| !known.wakers.is_empty())
    }

    /// No message will be published any more. (The page and what it is shared with hold each other.)
    pub(crate) fn close(&mut self) {
        if let Some(known) = &mut self.0 {
            known.page = None;
        }
    }
}

impl Known {
    #[cold]
    fn next_page(&mut self, id: MessageId, shared: &Arc<Shared>) -> Arc<Page> {
        if self.pages.len() > 2 * self.alive + FEW {
            self.pages.retain(|(_, page)| page.strong_count() > 0);
            self.alive = self.pages.len();
        }
        let page = Arc::new(Page { shared: Arc::clone(shared), outcomes: Mutex::default() });
        self.pages.push_back((id, Arc::downgrade(&page)));
        self.page = Some((Arc::clone(&page), PAGE_LEN - 1));
        page
    }

    /// The page of a message, if a ticket may still ask.
    fn page_of(&self, id: MessageId) -> Option<Arc<Page>> {
        let next = self.pages.partition_point(|(first, _)| *first <= id);
        let (_, page) = self.pages.get(next.checked_sub(1)?)?;
        page.upgrade()
    }
}

/// Messages per page: one allocation for so many.
const PAGE_LEN: u32 = 256;

/// Dead pages that are not worth the trouble.
const FEW: usize = 16;
