//! The canonical form of a world: what its future does not depend on is wiped out, so that a model checker takes worlds that
//! behave alike for one.
//!
//! # Why it is sound
//!
//! Each rule below removes something that no later judgement reads, or keeps the only thing that is asked of it:
//!
//! - Of a message that has ended only its end is asked: a delivery or a PUBLISH of it is a violation whatever else is known
//!   ([`Ledger::delivered`], `Monitor::judge_publish`). It can be due on no connection either, because its end came over the
//!   newest one, and the server's end of every older one closed when that was accepted.
//! - The number of a connection is compared for equality with those that exist, and for order with theirs and with later
//!   ones. One that is gone is as good as number 0.
//! - Of the deliveries of an open message it is asked whether there was one.
//! - An id whose message was finished without a PUBREL is as good as one that was never used.
//! - The order of PUBRELs is compared, and each new one is the last: ranks do as well.
//!
//! `model_explore` does not take our word: it explores small worlds without this, and compares what can happen next in all
//! worlds that have one canonical form.
//!
//! Crashes are left out: a store remembers more of a message's past.

use std::collections::BTreeMap;

use super::World;
use super::ledger::{Ledger, Said};
use super::monitor::Flows;

impl World {
    /// Brings a world without planned cuts and stores into its canonical form.
    ///
    /// # Panics
    ///
    /// If it has a store: that is part of its past.
    pub fn canonicalise(&mut self) {
        assert!(!self.setup.journal, "a store remembers");
        let live: Vec<u32> = self.links.iter().map(|link| link.number).collect();
        self.ledger.forget_the_past(&live);
        let mut orders: Vec<&mut u32> = self.flows.forget_the_past().collect();
        orders.extend(self.links.iter_mut().flat_map(|link| link.monitor.resent_releases()));
        let mut ranks: BTreeMap<u32, u32> = orders.iter().map(|order| (**order, 0)).collect();
        for (rank, new) in ranks.values_mut().zip(1..) {
            *rank = new;
        }
        for order in orders {
            *order = ranks[order];
        }
        self.flows.1 = ranks.len() as u32;
    }
}

impl Ledger {
    fn forget_the_past(&mut self, live: &[u32]) {
        for sent in self.sent.iter_mut().flatten() {
            if !live.contains(&sent.delivered_on) {
                sent.delivered_on = 0;
            }
            sent.link = sent.link.map(|link| if live.contains(&link) { link } else { 0 });
            sent.deliveries = sent.deliveries.min(1);
            if sent.has_ended() {
                (sent.token, sent.link, sent.id, sent.first_sent) = (None, None, None, None);
                (sent.deliveries, sent.delivered_on, sent.said, sent.answered) = (0, 0, Said::Nothing, false);
            }
        }
        self.newest_on_link.retain(|_, (link, _)| live.contains(link));
    }
}

impl Flows {
    /// Yields the order of each PUBREL that is left.
    fn forget_the_past(&mut self) -> impl Iterator<Item = &mut u32> {
        for flows in &mut self.0 {
            flows.retain(|_, flow| !flow.is_over || flow.released.is_some());
        }
        self.0.iter_mut().flat_map(BTreeMap::values_mut).filter_map(|flow| flow.released.as_mut())
    }
}
