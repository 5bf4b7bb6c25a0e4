//! A policy that has changed.

use mqtt_proto::{Instant, ReasonCode};

use super::client::Link;
use super::policy::Policy;
use super::{Broker, PRESENT};

impl Broker {
    /// Puts another policy in the place of the one in force, as by [`policy_changed`](Self::policy_changed).
    pub fn replace_policy(&mut self, now: Instant, policy: Box<dyn Policy>) {
        self.policy = policy;
        self.policy_changed(now);
    }

    /// The policy answers differently from now on: asks it again about every client ([`is_welcome`](crate::Policy::is_welcome))
    /// and about every subscription, of clients that are away too. Messages that wait are asked about when they leave.
    pub fn policy_changed(&mut self, now: Instant) {
        self.policy_state = self.policy_state.wrapping_add(1);
        let keys: Vec<u32> = self.clients.iter().map(|(key, _)| key).collect();
        for key in keys {
            let client = self.clients.get(key).expect(PRESENT);
            match client.link {
                Link::Open(_) if !self.policy.is_welcome(&client.info) => self.kick(key, ReasonCode::NOT_AUTHORIZED),
                Link::Open(_) | Link::Leaving(_) | Link::Away(_) => {}
                Link::Local(_) => continue,
            }
            self.review_subscriptions(now, key);
        }
    }
}
