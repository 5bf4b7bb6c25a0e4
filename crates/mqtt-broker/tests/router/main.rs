//! The router: subscriptions, shares, retained messages. A naive model is right about what it must say; the rest is what it
//! must not cost.

mod costs;
mod deep;
mod model;
mod retained;
mod shares;
mod subscriptions;

use mqtt_broker::router::{Entry, Matches, Router};
use mqtt_proto::{QoS, SubscriptionId, TopicFilter, TopicName};

fn filter(text: &str) -> TopicFilter {
    TopicFilter::try_from(text).unwrap()
}

fn topic(text: &str) -> TopicName {
    TopicName::try_from(text).unwrap()
}

/// An entry that can be told from others.
fn entry(qos: u8, identifier: u32) -> Entry {
    Entry { qos: QoS::new(qos).unwrap(), identifier: SubscriptionId::new(identifier), ..Entry::default() }
}

/// Who gets a message: subscriber, QoS, identifiers.
fn targets(router: &Router, text: &str) -> Vec<(u32, u8, Vec<u32>)> {
    let mut matches = Matches::default();
    router.matches(&topic(text), None, &mut matches);
    let targets = matches.targets().map(|target| {
        (target.subscriber(), target.qos() as u8, target.identifiers().map(SubscriptionId::get).collect())
    });
    targets.collect()
}

fn subscribers(router: &Router, text: &str) -> Vec<u32> {
    targets(router, text).into_iter().map(|(subscriber, ..)| subscriber).collect()
}
