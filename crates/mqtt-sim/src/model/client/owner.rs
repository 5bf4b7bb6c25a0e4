//! What the client's owner knows: what it asked for, what it may be told, and when the client may dial.

use std::collections::BTreeSet;
use std::time::Duration;

use mqtt_client::{Backoff, Error, MessageId, QueuePolicy, RequestId, SubscriberId};
use mqtt_proto::{CommandError, Instant, QoS, ReasonCode, Version};

use super::super::ledger::{Fate, Ledger, Said};
use super::super::monitor::{Flows, is_too_large};
use super::super::{Load, Side, Verdict, Violation, broken, ensure};
use super::kept::Found;
use super::setup::{FILTERS, Setup};
use crate::checks::naively_matches;

/// What a message that was published has come to, for its owner.
#[derive(Debug)]
struct Post {
    /// What the process calls it that holds it, as a number: `None` if that process is gone.
    id: Option<u64>,
    load: Load,
    expires: Option<Instant>,
    is_accepted: bool,
    /// It was published without a connection, and there has been none since: it can only be in the queue.
    is_queued: bool,
    is_stored: bool,
    /// PUBREC has come and the session is gone: nobody can say whether the client has taken note of it.
    may_doubt: bool,
    is_over: bool,
}

#[derive(Debug)]
struct Subscribed {
    id: SubscriberId,
    filter: usize,
    is_answered: bool,
}

/// The end of a message, as the client tells it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) id: MessageId,
    pub(super) result: Result<(), Error>,
    /// Why the client is stopping.
    pub(super) why: Option<Error>,
}

#[derive(Debug, Default)]
pub(super) struct Owner {
    /// By the messages' numbers.
    posts: Vec<Post>,
    subscriptions: Vec<Subscribed>,
    /// Of which the end must still be told.
    ending: Vec<SubscriberId>,
    requests: Vec<RequestId>,
    pub(super) was_connected: bool,
    failures: u32,
    since: Option<Instant>,
    dials_from: Instant,
    /// When it was asked to disconnect.
    pub(super) asked_to_end: Option<Instant>,
    /// Or an earlier process was.
    pub(super) has_been_asked: bool,
    pub(super) has_stopped: bool,
    /// The client has a reason to stop, and what is unfinished fails with it.
    pub(super) is_stopping: bool,
    /// The filters that this process has subscribed to, and those that earlier ones may have left with the server.
    tried: BTreeSet<usize>,
    abandoned: BTreeSet<usize>,
}

impl Owner {
    /// A message was published. `is_waiting`: it is not accepted yet.
    pub(super) fn published(&mut self, now: Instant, load: Load, id: MessageId, is_waiting: bool, is_connected: bool) {
        self.posts.push(Post {
            id: Some(id.as_u64()),
            load,
            expires: (load.expiry > 0).then(|| now + Duration::from_secs(load.expiry.into())),
            is_accepted: !is_waiting,
            is_queued: !is_connected,
            is_stored: false,
            may_doubt: false,
            is_over: false,
        });
    }

    /// A message was not taken: only if the queue is full and refuses.
    pub(super) fn refused(&self, setup: &Setup, error: &Error, ledger: &Ledger) -> Verdict {
        let queued = self.queued(ledger);
        let may_refuse = setup.policy == QueuePolicy::Refuse && queued >= setup.queue || self.is_ending();
        ensure(may_refuse, "I23", || format!("{queued} of {} are queued, and it refuses: {error}", setup.queue))
    }

    /// The queue keeps to its limit (I25).
    pub(super) fn check_bound(&self, setup: &Setup) -> Verdict {
        let queued = self.posts.iter().filter(|post| post.is_queued && post.is_accepted && !post.is_over).count();
        ensure(queued <= setup.queue, "I25", || format!("{queued} messages are queued, of {} at most", setup.queue))
    }

    /// Accepted and never written in any session.
    fn queued(&self, ledger: &Ledger) -> usize {
        let all = self.posts.iter().zip(ledger.sent(Side::Client));
        all.filter(|(post, sent)| post.is_accepted && !post.is_over && sent.first_sent.is_none()).count()
    }

    pub(super) fn accepted(&mut self, id: MessageId) -> Verdict {
        match self.posts.iter_mut().find(|post| post.id == Some(id.as_u64())) {
            Some(post) if !post.is_accepted && !post.is_over => post.is_accepted = true,
            post => return broken("I23", format!("accepted again, or after its end: {post:?}")),
        }
        Ok(())
    }

    /// The store has everything that the client has recorded.
    pub(super) fn stored(&mut self) {
        for post in self.posts.iter_mut().filter(|post| post.is_accepted && post.load.qos > QoS::AtMostOnce) {
            post.is_stored = true;
        }
    }

    /// The numbers of messages that a store must hold, and whether that may be without their content.
    pub(super) fn kept<'a>(
        &'a self,
        setup: &'a Setup,
        ledger: &'a Ledger,
        flows: &'a Flows,
    ) -> impl Iterator<Item = (u32, bool)> + 'a {
        let all = (0..).zip(self.posts.iter().zip(ledger.sent(Side::Client)));
        all.filter(|(_, (post, sent))| post.is_stored && !post.is_over && sent.is_open()).map(
            move |(number, (post, sent))| {
                let is_lost = sent.fate == Fate::Doomed || post.may_doubt;
                (number, is_lost || flows.is_received(number) || may_be_given_up(setup, ledger, number))
            },
        )
    }

    /// The end of a published message.
    pub(super) fn ended(&mut self, now: Instant, setup: &Setup, told: End, ledger: &mut Ledger) -> Verdict {
        let End { id, result, why } = told;
        let Some(number) = self.posts.iter().position(|post| post.id == Some(id.as_u64())) else {
            return broken("I6", format!("nobody waits for the end of {id:?}: {result:?}"));
        };
        let post = &mut self.posts[number];
        let is_too_large = may_be_given_up(setup, ledger, number as u32);
        let sent = ledger.by_number(Side::Client, number as u32);
        ensure(!post.is_over, "I6", || format!("the end of message {number} is told twice: {result:?}"))?;
        post.is_over = true;
        let is_written = if sent.load.qos == QoS::AtMostOnce { sent.link.is_some() } else { sent.id.is_some() };
        let told = |result: &Result<(), Error>| format!("message {number} ends with {result:?}: {sent:?}");
        let is_right = match &result {
            Ok(()) if sent.load.qos == QoS::AtMostOnce => is_written,
            Ok(()) => sent.said == Said::Accepted && sent.fate == Fate::Pending,
            Err(Error::PublishRefused(ReasonCode::PACKET_TOO_LARGE)) => is_too_large,
            Err(Error::PublishRefused(_)) => sent.said == Said::Refused && sent.fate == Fate::Pending,
            Err(Error::NotPossible(CommandError::TooLarge { .. })) => is_too_large && !is_written,
            Err(Error::Expired) => post.expires.is_some_and(|at| at <= now) && !is_written,
            Err(Error::Superseded) => {
                matches!(setup.policy, QueuePolicy::DropOldest | QueuePolicy::KeepLatest) && !is_written
            }
            Err(Error::NotWritten) => sent.load.qos == QoS::AtMostOnce,
            Err(Error::InDoubt) => sent.fate == Fate::Doomed || post.may_doubt,
            // What it stops for may come over the wire still, and a store may bring it back.
            Err(error) => {
                let is_early = self.asked_to_end.is_some_and(|asked| now < asked + FLUSH_TIMEOUT);
                let may_stop = !is_early || !matches!(error, Error::NotFlushed { .. });
                return ensure(why.as_ref() == Some(error) && may_stop, "I23", || told(&result));
            }
        };
        ensure(is_right, "I6", || told(&result))?;
        let sent = ledger.by_number(Side::Client, number as u32);
        if sent.load.qos > QoS::AtMostOnce {
            sent.fate = if result.is_ok() { Fate::Done } else { Fate::Over };
        }
        Ok(())
    }

    /// The server begins a session: what was in flight comes back, but for what the server had taken over.
    pub(super) fn session_lost(&mut self, ledger: &mut Ledger, flows: &Flows) {
        for (number, post) in (0..).zip(&mut self.posts) {
            let sent = ledger.by_number(Side::Client, number);
            if !sent.is_open() {
                continue;
            }
            if flows.is_released(number) {
                sent.fate = Fate::Doomed;
            }
            post.may_doubt |= flows.is_received(number);
            (sent.id, sent.link, sent.deliveries, sent.said, sent.answered) = (None, None, 0, Said::Nothing, false);
        }
    }

    /// The process is gone, and the next one begins with what was stored.
    pub(super) fn crashed(&mut self, now: Instant, ledger: &mut Ledger, found: &[Found]) -> Verdict {
        for (number, post) in (0..).zip(&mut self.posts) {
            let sent = ledger.by_number(Side::Client, number);
            (post.id, post.is_queued) = (None, false);
            let was_stored = post.is_stored && (!post.is_over || sent.is_open());
            if let Some(found) = found.iter().find(|found| found.number == number) {
                // An end that was not stored has not happened.
                sent.fate = if sent.has_ended() { Fate::Pending } else { sent.fate };
                let expires = found.expiry.map(|seconds| now + Duration::from_secs(seconds.into()));
                let id = Some(found.id);
                *post = Post { id, expires, is_accepted: true, is_stored: true, is_over: false, ..*post };
                sent.deadline = expires.map(Instant::as_millis);
            } else {
                ensure(!sent.is_open() || !was_stored, "I24", || format!("message {number} was stored, and is gone"))?;
                post.is_over = true;
                if sent.is_open() {
                    sent.fate = Fate::Over;
                }
            }
        }
        let mut abandoned = std::mem::take(&mut self.abandoned);
        abandoned.append(&mut self.tried);
        let has_been_asked = self.has_been_asked;
        let posts = std::mem::take(&mut self.posts);
        *self = Self { posts, abandoned, has_been_asked, dials_from: now, ..Self::default() };
        Ok(())
    }

    /// The client dials.
    pub(super) fn dials(&self, now: Instant) -> Verdict {
        ensure(!self.has_stopped, "I23", || "it dials after it has stopped".into())?;
        ensure(self.dials_from <= now, "I25", || {
            format!("it dials at {now:?} and should wait for {:?}", self.dials_from)
        })
    }

    pub(super) fn connected(&mut self, now: Instant) {
        self.was_connected = true;
        self.posts.iter_mut().for_each(|post| post.is_queued = false);
        self.since = Some(now);
    }

    /// A connection, or the attempt at one, is over: the wait doubles until a connection was stable.
    pub(super) fn disconnected(&mut self, now: Instant, retry_in: Option<Duration>) -> Verdict {
        let Backoff { initial, maximum, factor, jitter_percent, stable_after } = Backoff::default();
        if self.since.take().is_some_and(|since| now.since(since) >= stable_after) {
            self.failures = 0;
        }
        let Some(wait) = retry_in else { return Ok(()) };
        let longest = initial.saturating_mul(factor.saturating_pow(self.failures)).min(maximum);
        let shortest = longest * (100 - u32::from(jitter_percent)) / 100;
        self.failures += 1;
        self.dials_from = now + wait;
        ensure((shortest..=longest).contains(&wait), "I25", || {
            format!("failure {} is followed by {wait:?}, not by {shortest:?} to {longest:?}", self.failures)
        })
    }

    pub(super) fn subscribes(&mut self, id: SubscriberId, filter: usize) {
        self.tried.insert(filter);
        self.subscriptions.push(Subscribed { id, filter, is_answered: false });
    }

    pub(super) fn unsubscribes(&mut self, request: RequestId, filter: usize) {
        self.requests.push(request);
        let is_over = |subscription: &Subscribed| subscription.filter == filter;
        self.ending.extend(self.subscriptions.iter().filter(|one| is_over(one)).map(|one| one.id));
        self.subscriptions.retain(|one| !is_over(one));
    }

    /// Takes a subscription out.
    pub(super) fn drops(&mut self, index: usize) -> Option<SubscriberId> {
        let index = index.checked_rem(self.subscriptions.len())?;
        Some(self.subscriptions.remove(index).id)
    }

    pub(super) fn subscribed(&mut self, id: SubscriberId, result: &Result<Vec<ReasonCode>, Error>) -> Verdict {
        let at = self.subscriptions.iter().position(|subscription| subscription.id == id && !subscription.is_answered);
        let Some(at) = at else { return broken("I23", format!("{id:?} is answered twice, or after its end")) };
        if result.is_ok() {
            self.subscriptions[at].is_answered = true;
        } else {
            self.subscriptions.remove(at);
            ensure(self.is_ending(), "I23", || format!("nobody refused {id:?}: {result:?}"))?;
        }
        Ok(())
    }

    pub(super) fn subscription_ended(&mut self, id: SubscriberId) -> Verdict {
        let at = self.ending.iter().position(|ending| *ending == id);
        let Some(at) = at else {
            self.subscriptions.retain(|subscription| subscription.id != id);
            return ensure(self.is_ending(), "I23", || format!("nobody has ended {id:?}"));
        };
        self.ending.swap_remove(at);
        Ok(())
    }

    /// Requests of dropped subscriptions are not known here.
    pub(super) fn unsubscribed(&mut self, id: RequestId) {
        self.requests.retain(|request| *request != id);
    }

    /// A message is for every subscription whose filter matches, and for no other (I21).
    pub(super) fn check_route(&self, topic: &str, route: &[SubscriberId]) -> Verdict {
        let matches = |subscription: &&Subscribed| naively_matches(FILTERS[subscription.filter], topic);
        let mut expected: Vec<_> =
            self.subscriptions.iter().filter(matches).map(|subscription| subscription.id).collect();
        let mut found = route.to_vec();
        expected.sort();
        found.sort();
        // When it stops, it forgets them all, and then tells.
        ensure(found == expected || self.is_stopping, "I21", || {
            format!("{topic} is for {found:?} and not for {expected:?}")
        })
    }

    /// The server has what is wanted, and nothing else but what an earlier process has left (I21).
    pub(super) fn check_granted(&self, granted: &BTreeSet<usize>) -> Verdict {
        let wanted: BTreeSet<usize> = self.subscriptions.iter().map(|subscription| subscription.filter).collect();
        let may_have = |filter: &usize| wanted.contains(filter) || self.abandoned.contains(filter);
        let is_right = wanted.is_subset(granted) && granted.iter().all(may_have);
        ensure(is_right, "I21", || format!("the client wants {wanted:?}, and the server has {granted:?}"))
    }

    /// Nothing is to be heard any more.
    pub(super) fn is_content(&self) -> bool {
        let is_answered = |subscription: &Subscribed| subscription.is_answered;
        self.posts.iter().all(|post| post.is_over)
            && self.subscriptions.iter().all(is_answered)
            && self.requests.is_empty()
            && self.ending.is_empty()
    }

    /// Everything that was asked for has been answered (I23).
    pub(super) fn check_content(&self) -> Result<(), Violation> {
        ensure(self.is_content(), "I23", || format!("its owner still waits: {self:?}"))
    }

    fn is_ending(&self) -> bool {
        self.asked_to_end.is_some() || self.has_stopped || self.is_stopping
    }
}

/// Whether a server of these worlds may announce a Maximum Packet Size that the message exceeds.
fn may_be_given_up(setup: &Setup, ledger: &Ledger, number: u32) -> bool {
    setup.version == Version::V5 && is_too_large(ledger.content(Side::Client, number), setup.version, LARGEST_LIMIT)
}

/// The default of the client's options.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);

/// No server of these worlds announces a larger Maximum Packet Size that matters.
const LARGEST_LIMIT: u32 = 100;
