//! The subscriptions that the application wants, and whom a message is for.
//!
//! In 5.0 each subscribe call has a Subscription Identifier of its own, and a message names the calls it is for. Without
//! identifiers every filter is compared. Two calls with the same filter share it, because for the server the second
//! SUBSCRIBE replaces the first (MQTT-3.8.4-3): both get the messages, whichever identifier these carry.

use std::collections::BTreeMap;

use mqtt_proto::{Message, ReasonCode, RetainHandling, Subscribe, SubscriptionId, TopicFilter};

use super::event::SubscriberId;

/// On the heap from the first one on.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    table: Option<Box<Table>>,
}

#[derive(Debug, Default)]
struct Table {
    wanted: BTreeMap<SubscriberId, Wanted>,
    by_filter: BTreeMap<TopicFilter, Vec<SubscriberId>>,
    by_identifier: BTreeMap<SubscriptionId, SubscriberId>,
    last: u32,
    /// How often it has changed whom a message is for.
    changes: u64,
}

#[derive(Debug)]
struct Wanted {
    /// As it goes out, but for the identifier and the packet id.
    subscribe: Subscribe,
    identifier: Option<SubscriptionId>,
    /// SUBSCRIBE has gone out at least once, so the server may have it.
    asked: bool,
    /// SUBACK has come at least once.
    answered: bool,
}

/// What a SUBACK changes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The first one: the application waits for it. `true` if the subscription is over because all filters are refused.
    First { over: bool },
    /// A later one. A refusal that ended the subscription.
    Later { refused: Option<ReasonCode> },
    /// Nobody wants the subscription any more.
    Unwanted,
}

impl Subscriptions {
    /// Takes a new subscription up, so that messages can be routed from now on: the server may send some before its
    /// SUBACK (U311-3.8.4). `identifiers`: one without an identifier gets one.
    pub(crate) fn add(&mut self, subscribe: Subscribe, identifiers: bool) -> SubscriberId {
        self.table.get_or_insert_default().add(subscribe, identifiers)
    }

    /// The SUBSCRIBE of a subscription; `None` if it is not wanted any more.
    pub(crate) fn packet(&self, id: SubscriberId, is_v5: bool, identifiers: bool) -> Option<Subscribe> {
        self.table.as_ref()?.packet(id, is_v5, identifiers)
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = SubscriberId> {
        self.table.iter().flat_map(|table| table.wanted.keys().copied())
    }

    /// Takes note of a SUBSCRIBE that goes out.
    pub(crate) fn asked(&mut self, id: SubscriberId) {
        if let Some(wanted) = self.table.as_mut().and_then(|table| table.wanted.get_mut(&id)) {
            wanted.asked = true;
        }
    }

    /// Whether SUBSCRIBE has gone out, on any connection.
    pub(crate) fn was_asked(&self, id: SubscriberId) -> bool {
        self.wanted(id).is_some_and(|wanted| wanted.asked)
    }

    /// Whether it has not been given up.
    pub(crate) fn is_wanted(&self, id: SubscriberId) -> bool {
        self.wanted(id).is_some()
    }

    /// Whether SUBACK has come.
    pub(crate) fn was_answered(&self, id: SubscriberId) -> bool {
        self.wanted(id).is_some_and(|wanted| wanted.answered)
    }

    fn wanted(&self, id: SubscriberId) -> Option<&Wanted> {
        self.table.as_ref()?.wanted.get(&id)
    }

    /// Takes note of a SUBACK; forgets the filters that the server refused.
    pub(crate) fn answer(&mut self, id: SubscriberId, reasons: &[ReasonCode]) -> Answer {
        self.table.as_mut().map_or(Answer::Unwanted, |table| table.answer(id, reasons))
    }

    /// Gives a subscription up; the filters that nobody else wants are what UNSUBSCRIBE must name.
    pub(crate) fn remove(&mut self, id: SubscriberId) -> Vec<TopicFilter> {
        self.table.as_mut().map_or_else(Vec::new, |table| table.remove(id))
    }

    /// Gives a filter up for everybody; those who have no other one left are over.
    pub(crate) fn remove_filter(&mut self, filter: &TopicFilter) -> Vec<SubscriberId> {
        self.table.as_mut().map_or_else(Vec::new, |table| table.remove_filter(filter))
    }

    /// Grows whenever [`route`](Self::route) may answer otherwise than before.
    pub(crate) fn changes(&self) -> u64 {
        self.table.as_ref().map_or(0, |table| table.changes)
    }

    /// Adds to `out` whom the message is for, each once.
    pub(crate) fn route(&self, message: &Message, out: &mut Vec<SubscriberId>) {
        if let Some(table) = &self.table {
            table.route(message, out);
        }
    }
}

impl Table {
    fn add(&mut self, subscribe: Subscribe, identifiers: bool) -> SubscriberId {
        self.last += 1;
        self.changes += 1;
        let id = SubscriberId(self.last);
        let identifier = match subscribe.properties().subscription_identifiers().next() {
            Some(chosen) => Some(chosen),
            None if identifiers => self.free_identifier(),
            None => None,
        };
        for subscription in &subscribe.subscriptions {
            let subscribers = self.by_filter.entry(subscription.filter.clone()).or_default();
            if !subscribers.contains(&id) {
                subscribers.push(id);
            }
        }
        if let Some(identifier) = identifier {
            self.by_identifier.insert(identifier, id);
        }
        self.wanted.insert(id, Wanted { subscribe, identifier, asked: false, answered: false });
        id
    }

    fn packet(&self, id: SubscriberId, is_v5: bool, identifiers: bool) -> Option<Subscribe> {
        let wanted = self.wanted.get(&id)?;
        let chosen = wanted.subscribe.properties().subscription_identifiers().next().is_some();
        let mut subscribe = wanted.subscribe.clone();
        if wanted.answered && is_v5 {
            // If the server has it still, its retained messages have been here.
            for subscription in &mut subscribe.subscriptions {
                if subscription.retain_handling == RetainHandling::Send {
                    subscription.retain_handling = RetainHandling::SendIfNew;
                }
            }
        }
        Some(match wanted.identifier {
            Some(identifier) if identifiers && !chosen => subscribe.with_subscription_identifier(identifier),
            _ => subscribe,
        })
    }

    fn answer(&mut self, id: SubscriberId, reasons: &[ReasonCode]) -> Answer {
        let Some(wanted) = self.wanted.get_mut(&id) else {
            return Answer::Unwanted;
        };
        let first = !core::mem::replace(&mut wanted.answered, true);
        let mut refused = Vec::new();
        let mut reasons = reasons.iter();
        wanted.subscribe.subscriptions.retain(|subscription| match reasons.next() {
            Some(reason) if reason.is_failure() => {
                refused.push((subscription.filter.clone(), *reason));
                false
            }
            Some(_) | None => true,
        });
        let over = wanted.subscribe.subscriptions.is_empty();
        self.changes += 1;
        for (filter, _) in &refused {
            self.forget_filter(filter, id);
        }
        if over {
            self.forget(id);
        }
        match (first, refused.first()) {
            (true, _) => Answer::First { over },
            (false, Some((_, reason))) if over => Answer::Later { refused: Some(*reason) },
            (false, _) => Answer::Later { refused: None },
        }
    }

    fn remove(&mut self, id: SubscriberId) -> Vec<TopicFilter> {
        let Some(wanted) = self.forget(id) else {
            return Vec::new();
        };
        self.changes += 1;
        let mut free = Vec::new();
        for subscription in wanted.subscribe.subscriptions {
            if self.forget_filter(&subscription.filter, id) && !free.contains(&subscription.filter) {
                free.push(subscription.filter);
            }
        }
        free
    }

    fn remove_filter(&mut self, filter: &TopicFilter) -> Vec<SubscriberId> {
        let mut over = Vec::new();
        self.changes += 1;
        for id in self.by_filter.remove(filter).unwrap_or_default() {
            if let Some(wanted) = self.wanted.get_mut(&id) {
                wanted.subscribe.subscriptions.retain(|subscription| subscription.filter != *filter);
                if wanted.subscribe.subscriptions.is_empty() {
                    over.push(id);
                }
            }
        }
        for id in &over {
            self.forget(*id);
        }
        over
    }

    fn route(&self, message: &Message, out: &mut Vec<SubscriberId>) {
        let before = out.len();
        for identifier in message.properties().subscription_identifiers() {
            if let Some(id) = self.by_identifier.get(&identifier) {
                self.route_named(*id, message, out);
            }
        }
        if out.len() > before {
            return;
        }
        for (filter, subscribers) in &self.by_filter {
            if filter.matches(&message.topic) {
                add_all(out, subscribers);
            }
        }
    }

    /// An identifier counts only if the topic fits: a session that an earlier process left uses the same numbers for other
    /// filters.
    fn route_named(&self, id: SubscriberId, message: &Message, out: &mut Vec<SubscriberId>) {
        let Some(wanted) = self.wanted.get(&id) else { return };
        for subscription in &wanted.subscribe.subscriptions {
            if subscription.filter.matches(&message.topic) {
                add_all(out, &[id]);
                add_all(out, self.by_filter.get(&subscription.filter).map_or(&[], Vec::as_slice));
            }
        }
    }

    fn forget(&mut self, id: SubscriberId) -> Option<Wanted> {
        let wanted = self.wanted.remove(&id)?;
        if let Some(identifier) = wanted.identifier {
            if self.by_identifier.get(&identifier) == Some(&id) {
                self.by_identifier.remove(&identifier);
            }
        }
        Some(wanted)
    }

    /// Whether nobody wants the filter any more.
    fn forget_filter(&mut self, filter: &TopicFilter, id: SubscriberId) -> bool {
        let Some(subscribers) = self.by_filter.get_mut(filter) else {
            return false;
        };
        subscribers.retain(|other| *other != id);
        let free = subscribers.is_empty();
        if free {
            self.by_filter.remove(filter);
        }
        free
    }

    fn free_identifier(&self) -> Option<SubscriptionId> {
        (self.last..=SubscriptionId::MAX.get())
            .filter_map(SubscriptionId::new)
            .find(|identifier| !self.by_identifier.contains_key(identifier))
    }
}

fn add_all(out: &mut Vec<SubscriberId>, ids: &[SubscriberId]) {
    for id in ids {
        if !out.contains(id) {
            out.push(*id);
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtt_proto::{QoS, Subscription};

    use super::*;

    #[test]
    fn each_change_of_whom_a_message_is_for_is_counted_upwards() {
        let mut subscriptions = Subscriptions::default();
        let mut counts = vec![subscriptions.changes()];
        let filters = ["a", "b", "c"].map(TopicFilter::from_static);
        let subscribe = || {
            let all = filters.clone().map(|filter| Subscription::new(filter, QoS::AtMostOnce));
            Subscribe::new(all.to_vec())
        };
        let [first, second] = [(), ()].map(|()| {
            let id = subscriptions.add(subscribe(), true);
            counts.push(subscriptions.changes());
            id
        });
        let reasons = [ReasonCode::SUCCESS, ReasonCode::SUCCESS, ReasonCode::QUOTA_EXCEEDED];
        assert_eq!(subscriptions.answer(first, &reasons), Answer::First { over: false });
        counts.push(subscriptions.changes());
        assert!(subscriptions.remove_filter(&filters[0]).is_empty(), "both have others left");
        counts.push(subscriptions.changes());
        assert_eq!(subscriptions.remove(second), [filters[2].clone()]);
        counts.push(subscriptions.changes());
        assert!(counts.is_sorted_by(|before, after| before < after), "{counts:?}");
    }
}
