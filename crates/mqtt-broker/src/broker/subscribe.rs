//! SUBSCRIBE and UNSUBSCRIBE.

use mqtt_proto::{
    Instant, QoS, ReasonCode, RetainHandling, SubscribeRequest, Subscription, SubscriptionId, Text, TopicFilter,
    UnsubscribeRequest, Version,
};

use super::action::{Action, Notice, Peer};
use super::client::{Client, Granted, Replay};
use super::publish::{Refusal, levels};
use super::{Broker, PRESENT};
use crate::router::Entry;

impl Broker {
    pub(super) fn receive_subscribe(&mut self, peer: Peer, request: SubscribeRequest) {
        let Some(key) = self.key_of(peer) else { return };
        let identifier = request.subscribe.properties().subscription_identifiers().next();
        let mut words = None;
        let reasons: Vec<ReasonCode> = request
            .subscribe
            .subscriptions
            .iter()
            .map(|subscription| self.subscribe(key, subscription, identifier, &mut words))
            .collect();
        self.act(peer, Action::Suback { request, reasons, reason_string: words.map(Text::from_static) });
        self.call(key);
    }

    /// Makes one subscription, as if it were the only one of its SUBSCRIBE (MQTT-3.8.4-5). Its reason code.
    fn subscribe(
        &mut self,
        key: u32,
        wanted: &Subscription,
        identifier: Option<SubscriptionId>,
        words: &mut Option<&'static str>,
    ) -> ReasonCode {
        let version = self.clients.get(key).expect(PRESENT).info.version;
        let reason = match self.check_subscription(key, wanted) {
            Ok(qos) => {
                self.grant(key, wanted, qos, identifier);
                granted(qos)
            }
            // D31-suback: 3.1 has no word for a refusal.
            Err(_) if version == Version::V31 => granted(wanted.qos),
            Err(refusal) => {
                *words = words.or(refusal.words);
                let is_sayable =
                    matches!(refusal.reason.0, 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2);
                if is_sayable { refusal.reason } else { ReasonCode::NOT_AUTHORIZED }
            }
        };
        if self.makes_notices() {
            let client_id = self.client_id(key).expect(PRESENT);
            self.notice(|| Notice::Subscribed { client_id, filter: wanted.filter.clone(), reason });
        }
        reason
    }

    fn check_subscription(&mut self, key: u32, wanted: &Subscription) -> Result<QoS, Refusal> {
        self.check_limits(key, wanted)?;
        let client = self.clients.get(key).expect(PRESENT);
        let allowed = self.policy.subscribe(&client.info, wanted)?;
        // MQTT-3.2.2-10
        Ok(wanted.qos.min(allowed).min(self.config.maximum_qos_at(client.info.origin.listener)))
    }

    pub(super) fn check_limits(&self, key: u32, wanted: &Subscription) -> Result<(), Refusal> {
        if levels(wanted.filter.filter().as_bytes()) > self.config.maximum_topic_levels {
            return Err(TOO_DEEP);
        }
        let Client { subscriptions, subscription_bytes, .. } = self.clients.get(key).expect(PRESENT);
        let is_new = !subscriptions.contains(&wanted.filter);
        let bytes = subscription_bytes + wanted.filter.as_bytes().len();
        let is_full =
            subscriptions.len() >= self.config.maximum_subscriptions || bytes > self.config.maximum_subscription_bytes;
        if is_new && is_full {
            return Err(TOO_MANY);
        }
        Ok(())
    }

    pub(super) fn grant(&mut self, key: u32, wanted: &Subscription, qos: QoS, identifier: Option<SubscriptionId>) {
        let filter = &wanted.filter;
        self.router.insert(filter, key, Entry::new(wanted, qos, identifier));
        let kept = Subscription { filter: owned(filter), ..wanted.clone() };
        let client = self.clients.get_mut(key).expect(PRESENT);
        let is_new = client.subscriptions.insert(Granted { wanted: kept, qos, identifier });
        if is_new {
            client.subscription_bytes += filter.as_bytes().len();
        }
        client.forget_replay(filter);
        let is_wanted = match wanted.retain_handling {
            RetainHandling::Send => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        // U5-3.8.4: not to share groups.
        if is_wanted && !filter.is_shared() {
            // A copy of the filter that is kept would make it larger for ever.
            let mut begin = |cursor, is_status| {
                client.begin_replay(Replay { filter: owned(filter), cursor, is_status, qos, identifier });
            };
            if filter.as_bytes().starts_with(b"$SYS/") {
                begin(self.status_values.cursor(filter), true);
            }
            // Below $SYS, too, where the embedder may have retained something.
            begin(self.retained.cursor(filter), false);
        }
    }

    pub(super) fn receive_unsubscribe(&mut self, now: Instant, peer: Peer, request: UnsubscribeRequest) {
        let Some(key) = self.key_of(peer) else { return };
        let filters = &request.unsubscribe.filters;
        let reasons = filters.iter().map(|filter| self.unsubscribe(now, key, filter)).collect();
        self.act(peer, Action::Unsuback { request, reasons });
    }

    pub(super) fn unsubscribe(&mut self, now: Instant, key: u32, filter: &TopicFilter) -> ReasonCode {
        let client = self.clients.get_mut(key).expect(PRESENT);
        client.forget_replay(filter);
        if !client.subscriptions.remove(filter) {
            return ReasonCode::NO_SUBSCRIPTION_EXISTED;
        }
        client.subscription_bytes -= filter.as_bytes().len();
        self.router.remove(filter, key);
        if filter.is_shared() {
            self.move_from_former(now, key);
        }
        if self.makes_notices() {
            let client_id = self.client_id(key).expect(PRESENT);
            self.notice(|| Notice::Unsubscribed { client_id, filter: filter.clone() });
        }
        ReasonCode::SUCCESS
    }

    /// Asks the policy again what a client may subscribe to.
    pub(super) fn review_subscriptions(&mut self, now: Instant, key: u32) {
        let client = self.clients.get(key).expect(PRESENT);
        let all: Vec<Granted> = client.subscriptions.iter().cloned().collect();
        for Granted { wanted, qos: granted, identifier } in all {
            let info = &self.clients.get(key).expect(PRESENT).info;
            let maximum = self.config.maximum_qos_at(info.origin.listener);
            match self.policy.subscribe(info, &wanted) {
                Ok(allowed) => {
                    let qos = wanted.qos.min(allowed).min(maximum);
                    if qos != granted {
                        self.regrant(key, &wanted, qos, identifier);
                    }
                }
                Err(_) => {
                    self.unsubscribe(now, key, &wanted.filter);
                }
            }
        }
    }

    /// The same subscription with another QoS, without retained messages.
    fn regrant(&mut self, key: u32, wanted: &Subscription, qos: QoS, identifier: Option<SubscriptionId>) {
        self.router.insert(&wanted.filter, key, Entry::new(wanted, qos, identifier));
        if let Some(granted) = self.clients.get_mut(key).and_then(|client| client.subscriptions.get_mut(&wanted.filter))
        {
            granted.qos = qos;
        }
    }
}

fn granted(qos: QoS) -> ReasonCode {
    match qos {
        QoS::AtMostOnce => ReasonCode::SUCCESS,
        QoS::AtLeastOnce => ReasonCode::GRANTED_QOS_1,
        QoS::ExactlyOnce => ReasonCode::GRANTED_QOS_2,
    }
}

/// A copy that does not keep the buffer it came in.
fn owned(filter: &TopicFilter) -> TopicFilter {
    TopicFilter::new(filter.as_bytes()).map_or_else(|_| filter.clone(), |filter| filter.to_shared())
}

const TOO_DEEP: Refusal =
    Refusal::new(ReasonCode::TOPIC_FILTER_INVALID, "the filter has more levels than the server takes");
const TOO_MANY: Refusal =
    Refusal::new(ReasonCode::QUOTA_EXCEEDED, "the client has as many subscriptions, or as long ones, as it may");
