//! Messages that come in, and who gets them.

use mqtt_proto::{Delivery, Instant, Message, QoS, ReasonCode};

use super::action::{Action, DropReason, Notice, Peer};
use super::client::Client;
use super::config::Config;
use super::policy::{ClientInfo, Policy};
use super::queue::{Identifiers, Queued};
use super::store::MessageKey;
use super::{Broker, PRESENT};
use crate::router::{Full, ShareId};

/// What becomes of a message that is offered to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Offered {
    /// It can leave at once.
    Leaves,
    /// It waits behind others, or for the client to come back.
    Waits,
    /// The client does not get it.
    Not,
}

/// How a message goes to one subscriber.
#[derive(Debug)]
struct Terms {
    /// The QoS that was granted.
    qos: QoS,
    retain: bool,
    identifiers: Identifiers,
    share: Option<ShareId>,
}

impl Broker {
    /// Publishes on the server's own behalf. No hook is asked. Returns whether anybody subscribes to it.
    ///
    /// # Errors
    ///
    /// [`QUOTA_EXCEEDED`](ReasonCode::QUOTA_EXCEEDED) if it is to be retained and there is no room.
    pub fn publish(&mut self, now: Instant, message: Message) -> Result<bool, ReasonCode> {
        self.distribute(now, None, message)
    }

    pub(super) fn receive_message(&mut self, now: Instant, peer: Peer, delivery: Delivery) {
        let Some(key) = self.key_of(peer) else { return };
        let Delivery { message, ack, .. } = delivery;
        let reason = self.publish_for(now, key, message);
        let Some(ack) = ack else { return };
        let is_sayable = matches!(reason.0, 0x00 | 0x10 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99);
        let reason = if is_sayable { reason } else { ReasonCode::NOT_AUTHORIZED };
        self.act(peer, Action::Ack(ack.with_reason(reason)));
    }

    /// Publishes what a client has sent or left behind, if it may. The reason for PUBACK.
    pub(super) fn publish_for(&mut self, now: Instant, key: u32, message: Message) -> ReasonCode {
        let info = &self.clients.get(key).expect(PRESENT).info;
        let topic = message.topic.clone();
        let verdict = match check_publish(&self.config, &mut *self.policy, info, &message) {
            Ok(()) => match self.policy.intercept(info, message) {
                Some(message) => self.distribute(now, Some(key), message),
                None => return ReasonCode::SUCCESS,
            },
            Err(reason) => Err(reason),
        };
        match verdict {
            Ok(true) => ReasonCode::SUCCESS,
            Ok(false) => ReasonCode::NO_MATCHING_SUBSCRIBERS,
            Err(reason) => {
                let client_id = self.clients.get(key).map(|client| client.info.client_id.clone());
                self.notice(|| Notice::Dropped { client_id, topic, why: DropReason::Refused(reason) });
                reason
            }
        }
    }

    pub(super) fn check_publish(&mut self, info: &ClientInfo, message: &Message) -> Result<(), ReasonCode> {
        check_publish(&self.config, &mut *self.policy, info, message)
    }

    /// Retains a message if it is to be, and gives it to all who subscribe to it. Whether anybody does.
    fn distribute(&mut self, now: Instant, publisher: Option<u32>, message: Message) -> Result<bool, ReasonCode> {
        if message.retain && self.config.retain_available {
            self.retained.insert(now, &message).map_err(|Full| ReasonCode::QUOTA_EXCEEDED)?;
        }
        let client = publisher.and_then(|key| self.clients.get(key));
        let client_id = client.map(|client| client.info.client_id.clone());
        self.notice(|| Notice::Published { client_id, topic: message.topic.clone(), len: message.payload.len() });
        let mut matches = std::mem::take(&mut self.matches);
        self.router.matches(&message.topic, publisher, &mut matches);
        let retain = message.retain;
        let key = self.store.insert(now, message);
        let (mut is_wanted, mut waits) = (false, false);
        for target in matches.targets() {
            is_wanted = true;
            let identifiers = target.identifiers().collect();
            let terms =
                Terms { qos: target.qos(), retain: retain && target.retain_as_published(), identifiers, share: None };
            waits |= self.offer(now, target.subscriber(), &key, terms) == Offered::Waits;
        }
        for share in matches.shares() {
            is_wanted = true;
            waits |= self.offer_to_share(now, *share, &key, None) == Offered::Waits;
        }
        self.matches = matches;
        if waits {
            self.store.compact(&key);
        }
        self.store.release(key);
        Ok(is_wanted)
    }

    /// Puts a message into a client's queue, if it may have it and there is room.
    fn offer(&mut self, now: Instant, subscriber: u32, key: &MessageKey, terms: Terms) -> Offered {
        let Some(client) = self.clients.get_mut(subscriber) else { return Offered::Not };
        let stored = self.store.stored(key);
        let Terms { qos, retain, identifiers, share } = terms;
        // MQTT-3.8.4-8
        let qos = qos.min(stored.message.qos);
        let is_here = client.receiver().is_some();
        if !is_here && qos == QoS::AtMostOnce && !self.config.queue_qos0 {
            return Offered::Not;
        }
        if !self.policy.deliver(&client.info, &stored.message) {
            return Offered::Not;
        }
        let waits = !is_here || client.has_messages();
        if waits {
            if let Some(why) = no_room(&self.config, client, stored.len, self.store.bytes()) {
                let (client_id, topic) = (Some(client.info.client_id.clone()), stored.message.topic.clone());
                self.notice(|| Notice::Dropped { client_id, topic, why });
                return Offered::Not;
            }
        }
        client.queue.bytes += stored.len;
        let policy = self.policy_state;
        let key = self.store.share(key);
        client.queue.entries.push_back(Queued { key, qos, retain, identifiers, share, policy });
        self.call(subscriber);
        let _ = now;
        if waits { Offered::Waits } else { Offered::Leaves }
    }

    /// Gives a message to one member of a group (5.0 section 4.8.2): of two drawn by lot the one with less to do, or if
    /// neither is there, the next that is.
    fn offer_to_share(&mut self, now: Instant, share: ShareId, key: &MessageKey, not: Option<u32>) -> Offered {
        let _ = not;
        let members = self.router.members(share);
        if members.is_empty() {
            return Offered::Not;
        }
        let (first, second) = (self.random.below(members.len()), self.random.below(members.len()));
        let load = |index: usize| {
            let client = members.get(index).and_then(|member| self.clients.get(member.subscriber()));
            client.map(|client| (client.receiver().is_none(), client.is_blocked, client.queue.entries.len()))
        };
        let start = if load(second) < load(first) { second } else { first };
        let is_here = |index: &usize| load(*index).is_some_and(|(is_away, ..)| !is_away);
        let order = || (start..members.len()).chain(0..start);
        let chosen = order().find(is_here).unwrap_or(start);
        let member = members[chosen];
        let entry = member.entry();
        let retain = entry.retain_as_published && self.store.stored(key).message.retain;
        let identifiers = Identifiers::from(entry.identifier);
        let terms = Terms { qos: entry.qos, retain, identifiers, share: Some(share) };
        self.offer(now, member.subscriber(), key, terms)
    }

    /// Gives what a leaving member of share groups has not had to others.
    pub(super) fn move_shared(&mut self, _now: Instant, _key: u32) {}

    /// Gives what waits for a client in groups that it is not a member of any more to others.
    pub(super) fn move_queued(&mut self, _now: Instant, _key: u32) {}
}

fn check_publish(
    config: &Config,
    policy: &mut dyn Policy,
    info: &ClientInfo,
    message: &Message,
) -> Result<(), ReasonCode> {
    let topic = message.topic.as_bytes();
    if topic == b"$SYS" || topic.starts_with(b"$SYS/") {
        return Err(ReasonCode::NOT_AUTHORIZED);
    }
    if levels(topic) > config.maximum_topic_levels {
        return Err(ReasonCode::TOPIC_NAME_INVALID);
    }
    if config.message_size_limit.is_some_and(|limit| message.payload.len() > limit) {
        return Err(ReasonCode::QUOTA_EXCEEDED);
    }
    policy.publish(info, message)
}

/// Levels of a topic or filter.
pub(super) fn levels(topic: &[u8]) -> usize {
    topic.iter().filter(|&&byte| byte == b'/').count() + 1
}

/// Why a message of so many bytes cannot wait for a client.
fn no_room(config: &Config, client: &Client, len: usize, total: usize) -> Option<DropReason> {
    let queue = &client.queue;
    if queue.entries.len() >= config.maximum_queued_messages || queue.bytes + len > config.maximum_queued_bytes {
        return Some(DropReason::QueueFull);
    }
    (total > config.maximum_queued_bytes_total).then_some(DropReason::MemoryFull)
}
