//! Share groups: which member gets a message, and what becomes of it when that member goes.
//!
//! | the member | what waits for it | QoS 1 on its way | QoS 2 on its way |
//! |---|---|---|---|
//! | loses its connection | moves, if another one is there | waits for it | waits for it (MQTT-4.8.2-4) |
//! | unsubscribes | moves, if there is another one | is finished with it | is finished with it (MQTT-3.10.4-3) |
//! | loses its session | moves, if there is another one | moves, likewise | is lost (MQTT-4.8.2-5) |
//! | refuses a message | | is lost (MQTT-4.8.2-6) | is lost |

use std::collections::BTreeSet;

use mqtt_proto::Instant;

use super::Broker;
use super::action::DropReason;
use super::client::{Client, Held};
use super::publish::{Offered, Terms};
use super::queue::{Identifiers, Queued};
use super::store::MessageKey;
use crate::router::ShareId;

impl Broker {
    /// Gives a message to one member of a group: of two drawn by lot to the one for which less waits, or else to the next
    /// that takes it, those that are away last. Whether it waits now.
    pub(super) fn offer_to_share(&mut self, now: Instant, share: ShareId, message: &MessageKey) -> bool {
        let count = self.router.members(share).len();
        let start = self.draw(share, count);
        for wants_here in [true, false] {
            for index in (start..count).chain(0..start) {
                let Some(member) = self.router.members(share).get(index).copied() else { continue };
                let is_here = self.clients.get(member.subscriber()).and_then(Client::receiver).is_some();
                if is_here != wants_here {
                    continue;
                }
                let entry = member.entry();
                let terms = Terms {
                    qos: entry.qos,
                    retain: entry.retain_as_published && self.store.stored(message).message.retain,
                    identifiers: Identifiers::from(entry.identifier),
                    share: Some(share),
                };
                match self.offer(now, member.subscriber(), message, terms) {
                    Offered::Leaves => return false,
                    Offered::Waits => return true,
                    Offered::Not(_) => {}
                }
            }
        }
        let topic = self.store.stored(message).message.topic.clone();
        self.dropped(None, topic, DropReason::NoMember);
        false
    }

    fn draw(&mut self, share: ShareId, count: usize) -> usize {
        if count < 2 {
            return 0;
        }
        let first = self.random.below(count);
        let second = (first + 1 + self.random.below(count - 1)) % count;
        let members = self.router.members(share);
        let load = |index: usize| {
            let client = members.get(index).and_then(|member| self.clients.get(member.subscriber()));
            client.map(|client| (client.receiver().is_none(), client.is_blocked, client.queue.len()))
        };
        if load(second) < load(first) { second } else { first }
    }

    /// A member has lost its connection: what waits for it goes to others that are there.
    pub(super) fn move_from_away(&mut self, now: Instant, key: u32) {
        self.move_queued(now, key, |broker, share| {
            let mut members = broker.router.members(share).iter();
            members.any(|member| broker.clients.get(member.subscriber()).and_then(Client::receiver).is_some())
        });
    }

    /// A client is not a member of some group any more: what waits for it goes to those that are, if there are any.
    pub(super) fn move_from_former(&mut self, now: Instant, key: u32) {
        self.move_queued(now, key, |broker, share| {
            let members = broker.router.members(share);
            !members.is_empty() && members.iter().all(|member| member.subscriber() != key)
        });
    }

    /// The session of a client ends; it is in no group any more.
    pub(super) fn move_from_ended(&mut self, now: Instant, key: u32) {
        let Some(client) = self.clients.get_mut(key) else { return };
        let in_flight = client.in_flight.take().unwrap_or_default();
        let on_their_way = in_flight.messages.into_values();
        let returned = client.returned.take().and_then(|outgoing| outgoing.ticket.into_held());
        for Held { key, share } in on_their_way.chain(returned) {
            match share {
                Some(share) => self.move_one(now, key, share),
                None => self.store.release(key),
            }
        }
        self.move_queued(now, key, |_, _| true);
    }

    fn move_queued(&mut self, now: Instant, key: u32, moves: impl Fn(&Self, ShareId) -> bool) {
        let Some(client) = self.clients.get(key) else { return };
        let shares: BTreeSet<ShareId> = client.queue.iter().filter_map(|entry| entry.share).collect();
        let shares: BTreeSet<ShareId> = shares.into_iter().filter(|share| moves(self, *share)).collect();
        if shares.is_empty() {
            return;
        }
        let Some(client) = self.clients.get_mut(key) else { return };
        let moved = client.queue.take(&self.store, |entry| entry.share.is_some_and(|share| shares.contains(&share)));
        for Queued { key, share, .. } in moved {
            match share {
                Some(share) => self.move_one(now, key, share),
                None => self.store.release(key),
            }
        }
    }

    fn move_one(&mut self, now: Instant, message: MessageKey, share: ShareId) {
        if !self.router.members(share).is_empty() && !self.store.stored(&message).lifetime.has_passed(now) {
            self.offer_to_share(now, share, &message);
        }
        self.store.release(message);
    }
}
