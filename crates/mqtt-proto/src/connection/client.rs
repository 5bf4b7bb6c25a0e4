//! What only a client does: CONNECT, requests, PINGREQ.

use alloc::sync::Arc;
use core::num::{NonZeroU16, NonZeroU32};

use crate::session::outgoing::State;
use crate::session::{Session, Token};
use crate::{
    ConnAck, Connect, Disconnect, Instant, Packet, PacketId, PacketType, Properties, ProtocolError, QoS, ReasonCode,
    SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
};

use super::config::PROTOCOL_MAXIMUM_PACKET_SIZE;
use super::{
    Capability, Client, ClientEvent, Closed, CommandError, Config, Connection, Limits, OutgoingAliases, Phase,
    Rejected, Timer, rules,
};

impl Connection<Client> {
    /// Begins a connection over a fresh transport: CONNECT is in the outbox.
    ///
    /// The limits of `config` are announced where `connect` does not name them, and `session` is what an earlier connection
    /// left ([`into_session`](Self::into_session)), or [`Session::new`]. Connections that are alike can share one `Arc<Config>`.
    ///
    /// # Errors
    ///
    /// [`Encode`](CommandError::Encode) for a CONNECT that its version cannot express;
    /// [`NotAllowed`](CommandError::NotAllowed) for an empty client identifier in 3.1, and in 3.1.1 without a clean session
    /// (MQTT-3.1.3-7). The session is given back.
    pub fn connect(
        now: Instant,
        connect: Connect,
        config: impl Into<Arc<Config>>,
        session: Session,
    ) -> Result<Self, Rejected<Session>> {
        Self::begin(now, connect, config.into(), session)
    }

    fn begin(
        now: Instant,
        mut connect: Connect,
        config: Arc<Config>,
        session: Session,
    ) -> Result<Self, Rejected<Session>> {
        if let Err(error) = check_identifier(&connect) {
            return Err(Rejected::new(error, session));
        }
        let mut connection = Self::new(now, config, connect.version, Phase::AwaitConnAck);
        connection.own = announce_connect(&mut connect, &connection.config);
        if let Err(error) = connect.encode(connection.outbox.small()) {
            return Err(Rejected::new(error.into(), session));
        }
        connection.session = session;
        connection.session.begin_connection(now);
        connection.session.journal = connection.config.journal;
        if connect.clean_start {
            // MQTT-3.1.2-4: the server forgets when it reads this, and its CONNACK may be lost. A message that it sends on a
            // later connection must not be taken for one of the session before.
            connection.session.forget_received();
        }
        connection.remember(&connect);
        connection.authentication.begin(true);
        connection.timers.set(Timer::Handshake, now + connection.config.handshake_timeout);
        Ok(connection)
    }

    /// Sends SUBSCRIBE; the packet identifier is filled in. [`Subscribed`](ClientEvent::Subscribed) brings the answer. A
    /// request whose connection ends before that is forgotten.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](CommandError::NotConnected), [`Closed`](CommandError::Closed), [`Full`](CommandError::Full),
    /// [`TooLarge`](CommandError::TooLarge), [`NotAvailable`](CommandError::NotAvailable) for what the server does not offer,
    /// [`Encode`](CommandError::Encode).
    pub fn subscribe(&mut self, now: Instant, mut subscribe: Subscribe) -> Result<Token, CommandError> {
        self.check_request(now)?;
        let has_identifier = subscribe.properties().subscription_identifiers().next().is_some();
        if has_identifier && !self.peer.subscription_identifiers_available {
            return Err(CommandError::NotAvailable(Capability::SubscriptionIdentifier));
        }
        for subscription in &subscribe.subscriptions {
            if subscription.filter.is_shared() && !self.peer.shared_subscription_available {
                return Err(CommandError::NotAvailable(Capability::SharedSubscription));
            }
            if subscription.filter.has_wildcards() && !self.peer.wildcard_subscription_available {
                return Err(CommandError::NotAvailable(Capability::WildcardSubscription));
            }
        }
        subscribe.packet_id = self.session.outgoing.next_id().ok_or(CommandError::Full)?;
        self.check_size(subscribe.encoded_len(self.version)?)?;
        subscribe.encode(self.version, self.outbox.small())?;
        Ok(self.requested(State::AwaitSubAck(subscribe.subscriptions.len() as u32)))
    }

    /// Sends UNSUBSCRIBE; the packet identifier is filled in. [`Unsubscribed`](ClientEvent::Unsubscribed) brings the answer.
    /// A request whose connection ends before that is forgotten.
    ///
    /// # Errors
    ///
    /// As [`subscribe`](Self::subscribe), but for what the server does not offer.
    pub fn unsubscribe(&mut self, now: Instant, mut unsubscribe: Unsubscribe) -> Result<Token, CommandError> {
        self.check_request(now)?;
        unsubscribe.packet_id = self.session.outgoing.next_id().ok_or(CommandError::Full)?;
        self.check_size(unsubscribe.encoded_len(self.version)?)?;
        unsubscribe.encode(self.version, self.outbox.small())?;
        Ok(self.requested(State::AwaitUnsubAck(unsubscribe.filters.len() as u32)))
    }

    /// Sends PINGREQ now, whatever the keep alive interval: to find out whether the link is alive.
    ///
    /// # Errors
    ///
    /// [`NotConnected`](CommandError::NotConnected), [`Closed`](CommandError::Closed).
    pub fn ping(&mut self, now: Instant) -> Result<(), CommandError> {
        self.advance_clock(now);
        self.check_open()?;
        self.send_ping();
        Ok(())
    }

    fn check_request(&mut self, now: Instant) -> Result<(), CommandError> {
        self.advance_clock(now);
        self.check_open()?;
        if self.outbox_len() >= self.config.outbox_limit.max(1) { Err(CommandError::Full) } else { Ok(()) }
    }

    fn check_size(&self, size: usize) -> Result<(), CommandError> {
        let maximum = self.peer.maximum_packet_size;
        if size > maximum as usize { Err(CommandError::TooLarge { size, maximum }) } else { Ok(()) }
    }

    fn requested(&mut self, state: State) -> Token {
        let token = self.session.next_token();
        self.session.outgoing.make().insert_request(token, state);
        self.packet_sent();
        token
    }

    fn receive_connack(&mut self, connack: ConnAck) -> Result<(), ProtocolError> {
        self.timers.stop(Timer::Handshake);
        self.authentication.finish();
        if connack.reason.is_failure() {
            self.close(Closed::Refused(connack));
            return Ok(());
        }
        let method = connack.properties().authentication_method();
        if method != self.authentication.method().map(|method| method.as_str()) {
            return Err(self.broke(PacketType::ConnAck, "Authentication Method", &rules::AUTH_METHOD));
        }
        if connack.session_present && (self.clean_start || !self.session.exists) {
            return Err(self.broke(PacketType::ConnAck, "Session Present", &rules::SESSION_PRESENT_UNEXPECTED));
        }
        self.apply_connack(connack.properties());
        // A 3.1 server has no way to say whether it kept the session: unfinished messages go out again, as in its time.
        let is_resumed = connack.session_present || (self.version == Version::V31 && !self.clean_start);
        self.phase = Phase::Open;
        if is_resumed && !self.session.exists {
            // A 3.1 session of which only the server knows anything: for the journal it begins here.
            self.session.cleared();
        }
        self.session.exists = true;
        self.arm_client_keep_alive();
        self.tell_first(ClientEvent::Connected(connack));
        if is_resumed {
            self.resend();
        } else {
            self.lose_session();
        }
        Ok(())
    }

    fn apply_connack(&mut self, properties: &Properties) {
        if properties.is_empty() {
            self.peer = Limits::UNLIMITED;
            self.outgoing_aliases = OutgoingAliases::new(0);
            return; // nothing to look up, as always in 3.x
        }
        self.peer = Limits {
            receive_maximum: properties.receive_maximum().map_or(u16::MAX, NonZeroU16::get),
            maximum_packet_size: properties.maximum_packet_size().map_or(PROTOCOL_MAXIMUM_PACKET_SIZE, NonZeroU32::get),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            maximum_qos: properties.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain_available: properties.retain_available().unwrap_or(true),
            wildcard_subscription_available: properties.wildcard_subscription_available().unwrap_or(true),
            subscription_identifiers_available: properties.subscription_identifier_available().unwrap_or(true),
            shared_subscription_available: properties.shared_subscription_available().unwrap_or(true),
        };
        let aliases = self.peer.topic_alias_maximum.min(self.config.outgoing_topic_aliases);
        self.outgoing_aliases = OutgoingAliases::new(aliases);
        if let Some(seconds) = properties.server_keep_alive() {
            // MQTT-3.1.2-21: the server's word counts.
            self.keep_alive = seconds;
        }
        if let Some(expiry) = properties.session_expiry_interval() {
            self.session_expiry = expiry;
        }
    }

    /// Session Present 0: the server knows nothing of what was unfinished (MQTT-3.2.2-5). The application gets it back.
    fn lose_session(&mut self) {
        self.session.cleared();
        while let Some((token, message)) = self.session.lost_message() {
            self.tell(ClientEvent::Unacknowledged { token, message });
        }
    }

    fn receive_suback(&mut self, suback: SubAck) -> Result<(), ProtocolError> {
        let State::AwaitSubAck(filters) = self.session.outgoing.state(suback.packet_id) else {
            return Err(self.broke(PacketType::SubAck, "packet identifier", &rules::NO_SUCH_REQUEST));
        };
        if suback.reasons.len() != filters as usize {
            return Err(self.broke(PacketType::SubAck, "reason codes", &rules::CODE_COUNT));
        }
        if let Some(token) = self.answered(suback.packet_id) {
            self.tell(ClientEvent::Subscribed { token, suback });
        }
        Ok(())
    }

    fn receive_unsuback(&mut self, unsuback: UnsubAck) -> Result<(), ProtocolError> {
        let State::AwaitUnsubAck(filters) = self.session.outgoing.state(unsuback.packet_id) else {
            return Err(self.broke(PacketType::UnsubAck, "packet identifier", &rules::NO_SUCH_REQUEST));
        };
        if self.version == Version::V5 && unsuback.reasons.len() != filters as usize {
            return Err(self.broke(PacketType::UnsubAck, "reason codes", &rules::CODE_COUNT));
        }
        if let Some(token) = self.answered(unsuback.packet_id) {
            self.tell(ClientEvent::Unsubscribed { token, unsuback });
        }
        Ok(())
    }

    fn answered(&mut self, packet_id: PacketId) -> Option<Token> {
        self.session.outgoing.used()?.remove(packet_id).map(|slot| slot.token)
    }

    fn receive_disconnect(&mut self, disconnect: Disconnect) -> Result<(), ProtocolError> {
        if self.version != Version::V5 {
            return Err(self.broke(PacketType::Disconnect, "packet type", &rules::DISCONNECT_FROM_SERVER));
        }
        let is_tolerated = disconnect.reason == ReasonCode::BAD_AUTHENTICATION_METHOD;
        if !is_tolerated && !disconnect.reason.may_stand_in(PacketType::Disconnect, false) {
            return Err(self.broke(PacketType::Disconnect, "reason code", &rules::REASON_OF_OTHER_SIDE));
        }
        if disconnect.properties().session_expiry_interval().is_some() {
            return Err(self.broke(PacketType::Disconnect, "Session Expiry Interval", &rules::EXPIRY_FROM_SERVER));
        }
        self.close(Closed::Remote(disconnect));
        Ok(())
    }
}

pub(crate) fn receive(connection: &mut Connection<Client>, packet: Packet) -> Result<(), ProtocolError> {
    match packet {
        Packet::ConnAck(connack) => connection.receive_connack(connack),
        Packet::SubAck(suback) => connection.receive_suback(suback),
        Packet::UnsubAck(unsuback) => connection.receive_unsuback(unsuback),
        Packet::PingResp => {
            connection.timers.stop(Timer::PingResponse);
            Ok(())
        }
        Packet::Disconnect(disconnect) => connection.receive_disconnect(disconnect),
        // Refused by `rules::may_come` or taken by code that both roles share.
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Auth(_) => Ok(()),
    }
}

/// The client's side of keep alive; here so that code shared by both roles can call it.
impl<R: super::Role> Connection<R> {
    /// Client: whether a PINGREQ was sent that has not been answered.
    pub fn awaits_ping_response(&self) -> bool {
        self.timers.is_set(Timer::PingResponse)
    }

    /// PINGREQ is due an eighth before the interval since the last packet sent ends, so that a timer that fires late still
    /// keeps it (MQTT-3.1.2-23 of 3.1.1). It is also due when packets go out and nothing has come for one and a half
    /// intervals: a client that only sends would not notice that the link is dead.
    pub(crate) fn arm_client_keep_alive(&mut self) {
        if self.keep_alive == 0 {
            return;
        }
        // Seven eighths of a second, and one and a half, in milliseconds.
        let since_sent = self.last_sent.after_millis(u64::from(self.keep_alive) * 875);
        let since_received = self.last_received.after_millis(u64::from(self.keep_alive) * 1_500);
        let is_asked = self.timers.is_set(Timer::PingResponse);
        self.timers.set(Timer::KeepAlive, if is_asked { since_sent } else { since_sent.min(since_received) });
    }

    pub(crate) fn send_ping(&mut self) {
        self.shrink();
        if !self.timers.is_set(Timer::PingResponse) {
            self.ping_waits_behind = self.before_ping();
            self.arm_ping_response();
        }
        // A server that takes not even two bytes is never asked (MQTT-3.2.2-15), and its silence ends the connection.
        let fits = self.peer.maximum_packet_size >= PING_LEN;
        if fits && Packet::<bytes::Bytes>::PingReq.encode(self.version, self.outbox.small()).is_ok() {
            self.packet_sent();
        }
    }

    pub(crate) fn arm_ping_response(&mut self) {
        // Not zero, or `handle_timeout` would find the timer due again and again.
        let timeout = self.config.ping_timeout.max(core::time::Duration::from_millis(1));
        self.timers.set(Timer::PingResponse, self.now + timeout);
    }

    fn before_ping(&self) -> u64 {
        if self.outbox_len() > 0 { self.outbox.written() } else { NOTHING }
    }

    /// When the period began that has just ended, PINGREQ stood behind other bytes, and the transport has taken some: a large
    /// message on a slow link. Then the server gets another period, the last of them after PINGREQ is out.
    fn ping_was_on_its_way(&mut self) -> bool {
        let written = self.outbox.written();
        let has_moved = self.ping_waits_behind != NOTHING && self.ping_waits_behind != written;
        self.ping_waits_behind = self.before_ping();
        has_moved
    }

    /// Nothing has come since PINGREQ. If the application has not let anything in, that says nothing about the link: wait
    /// once more, and once again after it lets input in.
    pub(crate) fn server_is_silent(&mut self) {
        if self.may_be_our_fault() || self.ping_was_on_its_way() {
            self.arm_ping_response();
        } else {
            self.close(Closed::TimedOut(Timer::PingResponse));
        }
    }
}

fn check_identifier(connect: &Connect) -> Result<(), CommandError> {
    if !connect.client_id.as_bytes().is_empty() {
        return Ok(());
    }
    match connect.version {
        Version::V31 => {
            Err(CommandError::NotAllowed("MQTT 3.1 needs a client identifier of 1 to 23 characters: choose one"))
        }
        Version::V311 if !connect.clean_start => Err(CommandError::NotAllowed(
            "an empty client identifier needs a clean session (MQTT-3.1.3-7): choose an identifier, or ask for one",
        )),
        Version::V311 | Version::V5 => Ok(()),
    }
}

/// Adds our limits to CONNECT where it does not name them, and returns what it says in the end.
fn announce_connect(connect: &mut Connect, config: &Config) -> Limits {
    if connect.version != Version::V5 {
        let maximum_packet_size = config.maximum_packet_size;
        return Limits { maximum_packet_size, ..Limits::UNLIMITED };
    }
    let properties = &mut connect.properties;
    config.announce(properties);
    Limits {
        receive_maximum: properties.receive_maximum().map_or(u16::MAX, NonZeroU16::get),
        maximum_packet_size: properties.maximum_packet_size().map_or(PROTOCOL_MAXIMUM_PACKET_SIZE, NonZeroU32::get),
        topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
        ..Limits::UNLIMITED
    }
}

/// PINGREQ waits behind nothing.
pub(super) const NOTHING: u64 = u64::MAX;

/// PINGREQ: a fixed header alone.
const PING_LEN: u32 = 2;
