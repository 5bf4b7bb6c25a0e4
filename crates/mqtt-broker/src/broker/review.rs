//! What the embedder does to all clients: a policy that has changed, the end of the broker.

use mqtt_proto::{Instant, ReasonCode};

use super::action::Peer;
use super::client::{Link, Stage};
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

    /// Ends the broker in good order: publishes the wills of all clients, sends DISCONNECT 0x8B to those that are connected,
    /// and lets nobody in any more.
    ///
    /// The wills, because the connections end without a good-bye of the clients (MQTT-3.1.2-8), and the delayed ones because
    /// their sessions end with the broker, which keeps nothing. They go first, so that those who are still there get them.
    pub fn shut_down(&mut self, now: Instant) {
        self.is_shutting_down = true;
        let keys: Vec<u32> = self.clients.iter().map(|(key, _)| key).collect();
        for key in &keys {
            self.release_will(now, *key);
        }
        for key in keys {
            self.kick(key, ReasonCode::SERVER_SHUTTING_DOWN);
        }
        let is_waiting = |(_, stage): &(&Peer, &Stage)| matches!(stage, Stage::Waiting(_));
        let waiting: Vec<Peer> = self.links.iter().filter(is_waiting).map(|(peer, _)| *peer).collect();
        for peer in self.strangers.keys().copied().chain(waiting).collect::<Vec<Peer>>() {
            self.close_stranger(peer);
        }
    }
}
