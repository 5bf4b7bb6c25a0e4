//! Messages that come in, and who gets them.

use mqtt_proto::{Delivery, Instant, Message, QoS, ReasonCode, Text};

use super::action::{Action, DropReason, Notice, Peer};
use super::client::Client;
use super::config::Config;
use super::policy::{ClientInfo, Policy};
use super::queue::{Identifiers, Queued};
use super::status::STATUS_TOPICS;
use super::store::{MessageKey, Stored};
use super::{Broker, PRESENT};
use crate::router::{Full, ShareId};

/// What becomes of a message that is offered to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It can leave at once.
    Leaves,
    /// It waits behind others, or for the client to come back.
    Waits,
    /// The client does not get it; why, if that is worth telling.
    Not(Option<DropReason>),
}

/// How a message goes to one subscriber.
#[derive(Debug)]
pub(super) struct Terms {
    /// The QoS that was granted.
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) identifiers: Identifiers,
    pub(super) share: Option<ShareId>,
}

/// Why a request is refused: for the peer, and for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) reason: ReasonCode,
    pub(super) words: Option<&'static str>,
}

impl Refusal {
    pub(super) const fn new(reason: ReasonCode, words: &'static str) -> Self {
        Self { reason, words: Some(words) }
    }

    pub(super) fn text(self) -> Option<Text> {
        self.words.map(Text::from_static)
    }
}

impl From<ReasonCode> for Refusal {
    fn from(reason: ReasonCode) -> Self {
        Self { reason, words: None }
    }
}

impl Broker {
    /// Publishes on the server's own behalf; no hook is asked, and what is retained counts for no client. Returns whether
    /// anybody subscribes to it.
    ///
    /// # Errors
    ///
    /// [`QUOTA_EXCEEDED`](ReasonCode::QUOTA_EXCEEDED) if it is to be retained and there is no room; then nobody gets it.
    pub fn publish(&mut self, now: Instant, message: Message) -> Result<bool, ReasonCode> {
        self.distribute(now, None, message).map_err(|refusal| refusal.reason)
    }

    pub(super) fn receive_message(&mut self, now: Instant, peer: Peer, delivery: Delivery) {
        let Some(key) = self.key_of(peer) else { return };
        let Delivery { message, ack, .. } = delivery;
        self.counts.publishes_received += 1;
        self.counts.payload_received += message.payload.len() as u64;
        let outcome = self.publish_for(now, key, message);
        let Some(ack) = ack else { return };
        let ack = match outcome {
            Ok(true) => ack,
            Ok(false) => ack.with_reason(ReasonCode::NO_MATCHING_SUBSCRIBERS),
            Err(refusal) => {
                let is_sayable = matches!(refusal.reason.0, 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99);
                let ack = ack.with_reason(if is_sayable { refusal.reason } else { ReasonCode::NOT_AUTHORIZED });
                match refusal.text() {
                    Some(text) => ack.with_reason_string(text),
                    None => ack,
                }
            }
        };
        self.act(peer, Action::Ack(ack));
    }

    /// Publishes what a client has sent or left behind, if it may. Whether anybody subscribes to it.
    pub(super) fn publish_for(&mut self, now: Instant, key: u32, message: Message) -> Result<bool, Refusal> {
        let info = &self.clients.get(key).expect(PRESENT).info;
        if let Err(refusal) = check_publish(&self.config, &mut *self.policy, info, &message) {
            self.dropped(Some(key), message.topic, DropReason::Refused(refusal.reason));
            return Err(refusal);
        }
        match self.policy.intercept(info, message) {
            Some(message) => self.distribute(now, Some(key), message),
            None => Ok(true),
        }
    }

    pub(super) fn check_publish(&mut self, info: &ClientInfo, message: &Message) -> Result<(), Refusal> {
        check_publish(&self.config, &mut *self.policy, info, message)
    }

    /// Retains a message if it is to be, and gives it to all who subscribe to it. Whether anybody does.
    fn distribute(&mut self, now: Instant, publisher: Option<u32>, message: Message) -> Result<bool, Refusal> {
        if message.retain && self.config.retain_available {
            let owner = publisher.and_then(|key| self.clients.get(key)).map(|client| &client.info);
            if let Err(full) = self.retained.insert_of(now, &message, owner) {
                let refusal = match full {
                    Full::Store => RETAINED_FULL,
                    Full::Owner => RETAINED_ENOUGH,
                };
                self.dropped(publisher, message.topic, DropReason::Refused(refusal.reason));
                return Err(refusal);
            }
        }
        if self.makes_notices() {
            let client_id = publisher.and_then(|key| self.client_id(key));
            self.notice(|| Notice::Published { client_id, topic: message.topic.clone(), len: message.payload.len() });
        }
        Ok(self.route(now, publisher, message))
    }

    /// Gives a message to all who subscribe to it. Whether anybody does.
    pub(super) fn route(&mut self, now: Instant, publisher: Option<u32>, message: Message) -> bool {
        let mut matches = std::mem::take(&mut self.matches);
        self.router.matches(&message.topic, publisher, &mut matches);
        let retain = message.retain;
        let key = self.store.insert(now, message);
        let mut waits = false;
        for target in matches.targets() {
            let terms = Terms {
                qos: target.qos(),
                retain: retain && target.retain_as_published(),
                identifiers: target.identifiers().collect(),
                share: None,
            };
            match self.offer(now, target.subscriber(), &key, terms) {
                Offered::Leaves | Offered::Not(None) => {}
                Offered::Waits => waits = true,
                Offered::Not(Some(why)) => {
                    let topic = self.store.stored(&key).message.topic.clone();
                    self.dropped(Some(target.subscriber()), topic, why);
                }
            }
        }
        for share in matches.shares() {
            waits |= self.offer_to_share(now, *share, &key);
        }
        let is_wanted = !matches.is_empty();
        self.matches = matches;
        if waits {
            self.store.compact(&key);
        }
        self.store.release(key);
        is_wanted
    }

    /// Puts a message into a client's queue, if it may have it and there is room.
    pub(super) fn offer(&mut self, now: Instant, subscriber: u32, message: &MessageKey, terms: Terms) -> Offered {
        let Some(client) = self.clients.get_mut(subscriber) else { return Offered::Not(None) };
        let stored = self.store.stored(message);
        let Terms { qos, retain, identifiers, share } = terms;
        // MQTT-3.8.4-8
        let qos = qos.min(stored.message.qos);
        let is_here = client.receiver().is_some();
        if !is_here && qos == QoS::AtMostOnce && !self.config.queue_qos0 {
            return Offered::Not(None);
        }
        if !self.policy.deliver(&client.info, &stored.message) {
            return Offered::Not(None);
        }
        let waits = !is_here || client.has_messages();
        if waits && no_room(&self.config, client, stored, self.store.bytes()).is_some() {
            let expired = client.queue.take_expired(now, &self.store);
            expired.into_iter().for_each(|entry| self.store.release(entry.key));
            if let Some(why) = no_room(&self.config, client, self.store.stored(message), self.store.bytes()) {
                return Offered::Not(Some(why));
            }
        }
        let key = self.store.share(message);
        let entry = Queued { key, qos, retain, identifiers, share, policy: self.policy_state };
        client.queue.push(entry, &self.store);
        self.call(subscriber);
        if self.is_shutting_down {
            self.heed(now, subscriber);
        }
        if waits { Offered::Waits } else { Offered::Leaves }
    }
}

fn check_publish(
    config: &Config,
    policy: &mut dyn Policy,
    info: &ClientInfo,
    message: &Message,
) -> Result<(), Refusal> {
    let topic = message.topic.as_bytes();
    if topic == b"$SYS" || topic.starts_with(b"$SYS/") {
        return Err(Refusal::new(ReasonCode::NOT_AUTHORIZED, "topics below $SYS are the server's"));
    }
    if levels(topic) > config.maximum_topic_levels {
        return Err(Refusal::new(ReasonCode::TOPIC_NAME_INVALID, "the topic has more levels than the server takes"));
    }
    if config.message_size_limit.is_some_and(|limit| message.payload.len() > limit) {
        return Err(Refusal::new(ReasonCode::QUOTA_EXCEEDED, "the payload is larger than the server takes"));
    }
    Ok(policy.publish(info, message)?)
}

/// Levels of a topic or filter.
pub(super) fn levels(topic: &[u8]) -> usize {
    topic.iter().filter(|&&byte| byte == b'/').count() + 1
}

/// Why a message of so many bytes cannot wait for a client.
fn no_room(config: &Config, client: &Client, message: &Stored, total: usize) -> Option<DropReason> {
    // The broker's own values come all at once, before the first can leave: a shorter queue would always lose the same ones.
    let spare = if message.message.topic.as_bytes().starts_with(b"$SYS/") { STATUS_TOPICS } else { 0 };
    let len = message.len;
    let queue = &client.queue;
    if queue.len() >= config.maximum_queued_messages.saturating_add(spare)
        || client.held_bytes() + queue.bytes() + len > config.maximum_queued_bytes
    {
        return Some(DropReason::QueueFull);
    }
    (total > config.maximum_queued_bytes_total).then_some(DropReason::MemoryFull)
}

const RETAINED_FULL: Refusal =
    Refusal::new(ReasonCode::QUOTA_EXCEEDED, "the server retains as many messages or bytes as it may");
const RETAINED_ENOUGH: Refusal =
    Refusal::new(ReasonCode::QUOTA_EXCEEDED, "the client has as many retained messages or bytes as it may");
