//! Subscribers in the process: a queue like a client's, without a connection, a session or a policy.

use mqtt_proto::{Closed, Instant, QoS, ReasonCode, Session, Subscription, Text, TopicFilter, Version};

use super::action::{OpenError, Origin, Peer};
use super::client::{Client, Link, Stage};
use super::policy::ClientInfo;
use super::{Broker, PRESENT};

impl Broker {
    /// Opens a subscriber in the process. It gets [`Action::Deliver`](crate::Action::Deliver) alone, and its messages by
    /// [`poll_message`](Self::poll_message), of all QoS. What it does not fetch waits in a queue with the limits of
    /// everybody's. The name is for notices: it does not count as a client identifier.
    ///
    /// # Errors
    ///
    /// [`PeerInUse`](OpenError::PeerInUse), [`ShuttingDown`](OpenError::ShuttingDown). It is no connection, and never too many.
    pub fn open_local(&mut self, peer: Peer, name: Text) -> Result<(), OpenError> {
        if self.is_shutting_down {
            return Err(OpenError::ShuttingDown);
        }
        if self.links.contains_key(&peer) {
            return Err(OpenError::PeerInUse);
        }
        let info = ClientInfo { client_id: name, username: None, version: Version::V5, origin: Origin::default() };
        let key = self.clients.insert(Client::new(info, Link::Local(peer)));
        self.links.insert(peer, Stage::Open(key));
        Ok(())
    }

    /// Subscribes a subscriber in the process, as a SUBSCRIBE would, but asks no hook.
    ///
    /// # Errors
    ///
    /// The reason code of SUBACK: 5.0 knows no such filter, or a limit is exceeded. [`UNSPECIFIED_ERROR`](ReasonCode::UNSPECIFIED_ERROR) if no local
    /// subscriber has this number.
    pub fn subscribe_local(&mut self, peer: Peer, subscription: &Subscription) -> Result<QoS, ReasonCode> {
        let key = self.local(peer).ok_or(ReasonCode::UNSPECIFIED_ERROR)?;
        if !subscription.filter.is_legal_in(Version::V5) {
            return Err(ReasonCode::TOPIC_FILTER_INVALID);
        }
        self.check_limits(key, subscription).map_err(|refusal| refusal.reason)?;
        let qos = subscription.qos.min(self.config.maximum_qos);
        self.grant(key, subscription, qos, None);
        self.call(key);
        Ok(qos)
    }

    /// Ends a subscription of a subscriber in the process; whether there was one.
    pub fn unsubscribe_local(&mut self, now: Instant, peer: Peer, filter: &TopicFilter) -> bool {
        let Some(key) = self.local(peer) else { return false };
        self.unsubscribe(now, key, filter) == ReasonCode::SUCCESS
    }

    /// Closes a subscriber in the process, with all that waits for it.
    pub fn close_local(&mut self, now: Instant, peer: Peer) {
        if self.local(peer).is_some() {
            self.handle_closed(now, peer, &Closed::Local, Session::new());
        }
    }

    fn local(&self, peer: Peer) -> Option<u32> {
        let key = self.key_of(peer)?;
        matches!(self.clients.get(key).expect(PRESENT).link, Link::Local(_)).then_some(key)
    }
}
