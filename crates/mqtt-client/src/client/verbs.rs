//! What the application can ask for. Errors that can be known at once are returned at once; the rest comes as events.

use std::sync::Arc;

use mqtt_proto::{
    Ack, Auth, CommandError, Disconnect, EncodeError, Instant, Message, PacketType, PropertyId, QoS, Rejected,
    Subscribe, TopicFilter, Unsubscribe, Version,
};

use super::event::{Event, MessageId, RequestId, SubscriberId};
use super::queue::{Entry, Limits, Pushed, expiry};
use super::request::Request;
use super::state::{Ends, Online};
use super::{Client, Ending, Stage, State, Transport, connect};
use crate::{Endpoint, Error, QueuePolicy};

impl Client {
    /// Publishes a message now or, in its turn, as soon as there is a connection that takes it. The end comes as
    /// [`Event::Published`].
    ///
    /// # Errors
    ///
    /// The client has stopped, the message cannot be expressed in this version, or the queue is full and refuses.
    pub fn publish(&mut self, now: Instant, message: Message) -> Result<MessageId, Error> {
        self.check_running()?;
        let version = self.options.version;
        if version != Version::V5 && !message.properties().is_empty() {
            let error = EncodeError::NotInVersion { packet: PacketType::Publish, field: "properties", version };
            return Err(CommandError::Encode(error).into());
        }
        let message = if self.may_pass_the_queue(message.qos) {
            match self.publish_at_once(now, message) {
                Ok(id) => return Ok(id),
                Err(message) => message,
            }
        } else {
            message
        };
        self.last_id += 1;
        let id = MessageId(self.last_id);
        let mut superseded = Vec::new();
        let copy = self.journal.as_ref().map(|_| message.clone());
        let is_connected = self.is_connected();
        let pushed =
            self.queue.push(Limits::of(&self.options), Entry::new(now, id, message), is_connected, &mut superseded);
        for id in superseded {
            self.record_unqueued(id);
            self.events.push_back(Event::Published { id, result: Err(Error::Superseded) });
        }
        if let (Pushed::Accepted, Some(message)) = (&pushed, copy) {
            self.record_queued(id, &message);
        }
        match pushed {
            Pushed::Accepted | Pushed::Waiting => {
                self.send_queued(now);
                Ok(id)
            }
            Pushed::Refused => Err(Error::QueueFull),
        }
    }

    /// Whether a message is the next one to be sent, and the connection has room for it.
    fn may_pass_the_queue(&self, qos: QoS) -> bool {
        match &self.state {
            State::Online(online) => {
                let is_next = self.queue.is_empty() && self.requests.is_empty() && self.journal.is_none();
                is_next && online.stage == Stage::Settled && online.connection.can_publish(qos)
            }
            State::Offline { .. } => false,
        }
    }

    /// Publishes a message past the queue; gives it back if the connection does not take it.
    #[inline]
    fn publish_at_once(&mut self, now: Instant, message: Message) -> Result<MessageId, Message> {
        let qos = message.qos;
        let expires = expiry(now)(&message);
        let State::Online(online) = &mut self.state else { return Err(message) };
        let token = online.connection.publish(now, message).map_err(Rejected::into_inner)?;
        self.last_id += 1;
        let id = MessageId(self.last_id);
        self.sent(id, qos, expires, token);
        Ok(id)
    }

    /// Whether the client still works at a message: if not, its end has been told.
    pub(crate) fn is_pending(&self, id: MessageId) -> bool {
        let is_unwritten = match self.options.queue_policy {
            // The order of sending is not the one of publishing.
            QueuePolicy::KeepLatest => self.unwritten.iter().any(|(_, other)| *other == id),
            QueuePolicy::Wait | QueuePolicy::Refuse | QueuePolicy::DropOldest => {
                self.unwritten.finds(&id, |(_, other)| *other)
            }
        };
        is_unwritten || self.in_flight.contains(id) || self.queue.contains(id)
    }

    /// From now on, no [`Event::Published`] tells that a message has ended well: the owner asks [`is_pending`](Self::is_pending).
    pub(crate) fn tell_no_ends(&mut self) {
        self.ends = Ends::BY_IDS;
    }

    /// Somebody waits for a message, so [`next_ended`](Self::next_ended) tells when it, or any before it, has ended well.
    pub(crate) fn tell_end(&mut self, id: MessageId) {
        self.ends.reach(id);
    }

    /// Whether the connection takes no more because the transport is behind.
    pub(crate) fn is_transport_behind(&self) -> bool {
        matches!(&self.state, State::Online(online) if online.stage == Stage::Settled && !online.connection.can_publish(QoS::AtMostOnce))
    }

    /// Whether a message still waits for room in the queue.
    #[must_use]
    pub fn is_waiting(&self, id: MessageId) -> bool {
        self.queue.is_waiting(id)
    }

    /// Takes a message back that still waits for room in the queue; any other goes its way. No event follows.
    pub fn withdraw(&mut self, id: MessageId) -> bool {
        self.queue.withdraw(id)
    }

    /// Subscribes now or as soon as there is a connection, and again whenever the server has lost the session. Messages are
    /// routed to the id from now on.
    ///
    /// Several filters in one call share the id. A second call with the filter of a first shares its messages, and for the
    /// server it replaces the first one's options.
    ///
    /// # Errors
    ///
    /// The client has stopped, or the SUBSCRIBE cannot be expressed in this version.
    pub fn subscribe(&mut self, now: Instant, subscribe: Subscribe) -> Result<SubscriberId, Error> {
        self.check_running()?;
        subscribe.encoded_len(self.options.version).map_err(CommandError::Encode)?;
        let id = self.subscriptions.add(subscribe, self.options.subscription_identifiers);
        self.requests.push(Request::Subscribe(id));
        self.send_queued(now);
        Ok(id)
    }

    /// Gives a subscription up. With `unsubscribe`, the server is told about the filters that no other call shares.
    pub fn drop_subscriber(&mut self, now: Instant, id: SubscriberId, unsubscribe: bool) {
        self.requests.cancel(id);
        // One that waited to go out again may have reached the server the first time.
        let never_sent = !self.subscriptions.was_asked(id);
        let filters = self.subscriptions.remove(id);
        if unsubscribe && !never_sent && !filters.is_empty() && self.check_running().is_ok() {
            self.request_unsubscribe(now, Unsubscribe::new(filters));
        }
    }

    /// Unsubscribes: the filters bring no more messages from now on, and calls that have no other filter left are over.
    ///
    /// # Errors
    ///
    /// The client has stopped, or the UNSUBSCRIBE cannot be expressed in this version.
    pub fn unsubscribe(&mut self, now: Instant, unsubscribe: Unsubscribe) -> Result<RequestId, Error> {
        self.check_running()?;
        unsubscribe.encoded_len(self.options.version).map_err(CommandError::Encode)?;
        for filter in &unsubscribe.filters {
            self.end_filter(filter);
        }
        Ok(self.request_unsubscribe(now, unsubscribe))
    }

    /// Acknowledges a message, in the connection it came on or, for QoS 2, in a later one.
    ///
    /// # Errors
    ///
    /// A reason code that has no place in PUBACK and PUBREC.
    pub fn ack(&mut self, now: Instant, ack: Ack) -> Result<(), Error> {
        match &mut self.state {
            State::Online(online) => {
                online.connection.ack(now, ack).map_err(|rejected| CommandError::from(rejected).into())
            }
            State::Offline { session, .. } => {
                session.ack(ack);
                Ok(())
            }
        }
    }

    /// Gives up the duty to acknowledge a message: it stays the server's, and comes again on the next connection.
    /// Acknowledgements of later messages wait behind it until then.
    pub fn forget(&mut self, ack: Ack) {
        match &mut self.state {
            State::Online(online) => online.connection.forget(ack),
            State::Offline { session, .. } => session.forget(ack),
        }
    }

    /// Sends an AUTH: the answer to [`Event::Auth`], or the start of a re-authentication.
    ///
    /// # Errors
    ///
    /// There is no connection, or the protocol does not allow it now.
    pub fn authenticate(&mut self, now: Instant, auth: Auth) -> Result<(), Error> {
        match &mut self.state {
            State::Online(online) => online.connection.auth(now, auth).map_err(Error::from),
            State::Offline { .. } => Err(Error::NotPossible(CommandError::NotConnected)),
        }
    }

    /// Takes no more messages, sends and settles those that are queued, disconnects and stops. What is not settled within
    /// [`Options::flush_timeout`](crate::Options::flush_timeout) is given up. The first call counts.
    ///
    /// # Errors
    ///
    /// The client has stopped, or the DISCONNECT cannot be expressed in this version.
    pub fn disconnect(&mut self, now: Instant, disconnect: Disconnect) -> Result<(), Error> {
        if let Some(reason) = self.stop_reason() {
            return Err(reason.clone());
        }
        disconnect.encoded_len(self.options.version).map_err(CommandError::Encode)?;
        if self.ending.is_none() {
            let chosen = disconnect.properties().contains(PropertyId::SessionExpiryInterval);
            let disconnect = if connect::leaves_nothing_behind(&self.options) && !chosen {
                disconnect.with_session_expiry_interval(0)
            } else {
                disconnect
            };
            let deadline = now + self.options.flush_timeout;
            self.ending = Some(Box::new(Ending { disconnect, deadline, given_up: 0 }));
        }
        Ok(())
    }

    /// Stops because what it needs has failed, without a word to the server. The driver closes the transport.
    pub fn fail(&mut self, now: Instant, reason: Error) {
        if !self.is_stopped {
            self.ending = None;
            Arc::make_mut(&mut self.options).reconnect = false;
            self.connection_lost(now, reason.clone());
            self.stop(reason);
        }
        self.abandon_transport();
    }

    /// Stops at once, without a word to the server: nobody drives this client any more.
    pub fn abort(&mut self, now: Instant, reason: Error) {
        self.fail(now, reason);
        self.handle_closed(now);
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        let (host, port) = match self.elsewhere.as_deref() {
            Some((host, port)) => (host, *port),
            None => (&self.options.host, self.options.port),
        };
        Endpoint { host: host.clone(), port, timeout: self.options.connect_timeout }
    }

    /// Messages and requests without an answer.
    pub(super) fn unfinished(&self) -> usize {
        self.queue.len() + self.in_flight.len() + self.requests.unanswered()
    }

    pub(super) fn end_if_flushed(&mut self, now: Instant) {
        let settled = match &self.state {
            // While the handshake is under way, what a lost session brings back is not known yet.
            State::Online(online) => online.stage != Stage::Connected,
            State::Offline { .. } => true,
        };
        if settled && self.ending.is_some() && !self.is_stopped && self.unfinished() == 0 {
            self.end_now(now);
        }
    }

    /// Sends the DISCONNECT that was asked for.
    pub(super) fn end_now(&mut self, now: Instant) {
        let given_up = self.unfinished();
        let Some(ending) = &mut self.ending else { return };
        if self.is_stopped {
            return;
        }
        ending.given_up = given_up;
        let disconnect = ending.disconnect.clone();
        let is_server_silent = given_up == 0 && self.is_server_silent();
        match &mut self.state {
            State::Online(online) => match online.connection.disconnect(now, disconnect) {
                Ok(()) => {
                    self.after_world(now);
                    if let Transport::Closing { lingers, .. } = &mut self.transport {
                        *lingers = !is_server_silent;
                    }
                }
                Err(error) => self.connection_lost(now, error.into()),
            },
            State::Offline { .. } => {
                self.abandon_transport();
                self.stop(if given_up == 0 { Error::Stopped } else { Error::NotFlushed { unfinished: given_up } });
            }
        }
    }

    /// Whether a server to which all is settled has no reason to send anything: no CONNECT, no ping, and no subscription, not even
    /// one of an earlier client with this session.
    fn is_server_silent(&self) -> bool {
        let is_new = self.options.clean_start && self.subscriptions.changes() == 0 && self.journal.is_none();
        let owes_nothing =
            |online: &Online| online.stage != Stage::Handshake && !online.connection.awaits_ping_response();
        let is_answered = matches!(&self.state, State::Online(online) if owes_nothing(online));
        is_new && is_answered && self.credentials.as_ref().is_none_or(|said| said.authentication.is_none())
    }

    pub(super) fn expire_queued(&mut self, now: Instant) {
        let mut expired = Vec::new();
        self.queue.expire(now, &mut expired);
        for id in expired {
            self.record_unqueued(id);
            self.events.push_back(Event::Published { id, result: Err(Error::Expired) });
        }
    }

    fn check_running(&self) -> Result<(), Error> {
        match (self.stop_reason(), &self.ending) {
            (Some(reason), _) => Err(reason.clone()),
            (None, Some(_)) => Err(Error::Stopped),
            (None, None) => Ok(()),
        }
    }

    fn end_filter(&mut self, filter: &TopicFilter) {
        for id in self.subscriptions.remove_filter(filter) {
            self.requests.cancel(id);
            self.events.push_back(Event::SubscriptionEnded { id, refused: None });
        }
    }

    fn request_unsubscribe(&mut self, now: Instant, unsubscribe: Unsubscribe) -> RequestId {
        self.last_id += 1;
        let id = RequestId(self.last_id);
        self.requests.push(Request::Unsubscribe(id, Box::new(unsubscribe)));
        self.send_queued(now);
        id
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Buf, BytesMut};
    use mqtt_proto::{TopicName, Version};

    use super::*;
    use crate::Options;

    const NOW: Instant = Instant::ZERO;

    fn connected(options: Options) -> Client {
        let mut client = Client::new(options.version(Version::V311)).unwrap();
        client.poll_open(NOW).unwrap();
        client.handle_open(NOW);
        write_all(&mut client);
        client.handle_input(NOW, &mut BytesMut::from(&[0x20, 2, 0, 0][..]));
        while client.poll_event(NOW).is_some() {}
        client
    }

    fn write_all(client: &mut Client) {
        client.outbox(NOW, |outbox| outbox.advance(outbox.remaining()));
    }

    fn publish(client: &mut Client, qos: QoS) {
        client.publish(NOW, Message::new(TopicName::from_static("t"), "x").with_qos(qos)).unwrap();
    }

    #[test]
    fn a_message_passes_the_queue_if_nothing_is_before_it() {
        let options = || Options::new("broker.example", 1883).send_maximum(core::num::NonZeroU16::MIN);
        assert!(!Client::new(options()).unwrap().may_pass_the_queue(QoS::AtMostOnce), "there is no connection");
        let mut client = connected(options());
        for qos in [QoS::AtLeastOnce, QoS::AtMostOnce] {
            assert!(client.may_pass_the_queue(qos));
            publish(&mut client, qos);
        }
        assert!(!client.may_pass_the_queue(QoS::AtLeastOnce), "the window is full");
        assert!(client.may_pass_the_queue(QoS::AtMostOnce));
        publish(&mut client, QoS::AtLeastOnce);
        assert!(!client.may_pass_the_queue(QoS::AtMostOnce), "one waits");
        // Both have this identifier, one after the other.
        for _ in 0..2 {
            write_all(&mut client);
            client.handle_input(NOW, &mut BytesMut::from(&[0x40, 2, 0, 1][..]));
            while client.poll_event(NOW).is_some() {}
        }
        assert!(client.may_pass_the_queue(QoS::ExactlyOnce), "an empty queue is none");
        client.unsubscribe(NOW, Unsubscribe::new(vec![TopicFilter::from_static("t")])).unwrap();
        assert!(client.may_pass_the_queue(QoS::ExactlyOnce), "it is on its way");
    }
}
