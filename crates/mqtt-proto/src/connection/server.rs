//! What only a server does: accept or refuse CONNECT, grant subscriptions, watch the client's silence.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::num::{NonZeroU16, NonZeroU32};

use crate::session::Session;
use crate::{
    ConnAck, Connect, Disconnect, FixedHeader, Instant, Packet, PacketType, Properties, PropertyId, PropertyValue,
    ProtocolError, QoS, ReasonCode, SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
};

use super::config::PROTOCOL_MAXIMUM_PACKET_SIZE;
use super::{
    Closed, CommandError, Config, Connection, Limits, OutgoingAliases, Phase, Rejected, Server, ServerEvent,
    SubscribeRequest, Timer, UnsubscribeRequest, rules,
};

impl Connection<Server> {
    /// Begins a connection that a peer has opened. CONNECT must come within the handshake timeout; it tells the version.
    /// Connections that are alike can share one `Arc<Config>`.
    pub fn listen(now: Instant, config: impl Into<Arc<Config>>) -> Self {
        let mut connection = Self::new(now, config.into(), Version::V5, Phase::AwaitConnect);
        connection.timers.set(Timer::Handshake, now + connection.config.handshake_timeout);
        connection
    }

    /// Lets the client in: sends CONNACK with 0x00, and what the session still owes.
    ///
    /// `session` is the stored session of this client identifier, or `None` to begin a new one; Session Present follows
    /// from it (MQTT-3.2.2-2, MQTT-3.2.2-3). One in which the client has never spoken is better not resumed: see
    /// [`Session::is_confirmed`]. `connack` may carry properties; the limits of `config` are added where it does
    /// not name them, and the Authentication Method always.
    ///
    /// # Errors
    ///
    /// The session is given back with the reason: [`Closed`](CommandError::Closed) if the client has gone since it asked;
    /// [`NotAllowed`](CommandError::NotAllowed) if no CONNECT waits for an answer, if `connack` holds a failure (use
    /// [`refuse`](Self::refuse)), if a session is given although the client asked for a clean start (MQTT-3.1.2-4), or if a
    /// 5.0 client without an identifier gets none (MQTT-3.2.2-16); [`TooLarge`](CommandError::TooLarge);
    /// [`Encode`](CommandError::Encode) for properties in 3.x.
    pub fn accept(
        &mut self,
        now: Instant,
        connack: ConnAck,
        session: Option<Session>,
    ) -> Result<(), Rejected<Option<Session>>> {
        self.advance_clock(now);
        if let Err(error) = self.welcome(connack, session.is_some()) {
            return Err(Rejected::new(error, session));
        }
        let is_new = session.is_none();
        self.session = session.unwrap_or_default();
        self.session.journal = self.config.journal;
        if is_new {
            self.session.cleared();
        }
        self.session.exists = true;
        self.session.begin_connection(self.now);
        self.authentication.finish();
        self.phase = Phase::Open;
        self.timers.clear();
        self.arm_server_keep_alive();
        self.resend();
        Ok(())
    }

    /// Sends CONNACK with 0x00, and takes over what it says. On an error nothing has changed.
    fn welcome(&mut self, mut connack: ConnAck, has_session: bool) -> Result<(), CommandError> {
        self.check_undecided()?;
        if connack.reason != ReasonCode::SUCCESS {
            return Err(CommandError::NotAllowed("accept sends reason code 0x00: use `refuse` for any other"));
        }
        if self.authentication.is_peers_turn() {
            return Err(CommandError::NotAllowed(
                "the client owes an AUTH: accept when it has come (5.0 section 4.12)",
            ));
        }
        if has_session && self.clean_start {
            return Err(CommandError::NotAllowed(
                "the client asked for a clean start: discard the stored session (MQTT-3.1.2-4)",
            ));
        }
        let is_v5 = self.version == Version::V5;
        if is_v5 && self.client_id_empty && connack.properties().assigned_client_identifier().is_none() {
            return Err(CommandError::NotAllowed(
                "the client has no identifier: assign one in CONNACK (MQTT-3.1.3-7, MQTT-3.2.2-16)",
            ));
        }
        // 3.1 has no Session Present.
        connack.session_present = has_session && self.version != Version::V31;
        let own = if is_v5 { self.announce_connack(&mut connack) } else { self.unannounced() };
        let keep_alive = connack.properties().server_keep_alive();
        let expiry = connack.properties().session_expiry_interval();
        self.send_control(connack)?;
        self.own = own;
        if let Some(seconds) = keep_alive {
            self.keep_alive = seconds;
        }
        self.session_expiry = expiry.unwrap_or(self.session_expiry);
        Ok(())
    }

    /// Sends the client away: CONNACK with a reason of 0x80 or above, then the end. In 3.x a reason without a return code
    /// of its own closes the connection without a word (MQTT-3.2.2-6 of 3.1.1).
    ///
    /// # Errors
    ///
    /// [`NotAllowed`](CommandError::NotAllowed) if no CONNECT waits for an answer, or if the reason is no failure that CONNACK
    /// may carry.
    pub fn refuse(&mut self, now: Instant, mut connack: ConnAck) -> Result<(), CommandError> {
        self.advance_clock(now);
        self.check_undecided()?;
        if !connack.reason.is_failure() || !connack.reason.may_stand_in(PacketType::ConnAck, false) {
            return Err(CommandError::NotAllowed("CONNACK has no such failure code (5.0 section 3.2.2.2)"));
        }
        connack.session_present = false;
        match self.send_control(connack) {
            Ok(()) | Err(CommandError::TooLarge { .. }) => {}
            Err(_) if self.version != Version::V5 => {}
            Err(error) => return Err(error),
        }
        self.close(Closed::Local);
        Ok(())
    }

    /// Answers a SUBSCRIBE: one reason code per filter, in their order (MQTT-3.8.4-6, MQTT-3.9.3-1).
    ///
    /// In 3.1.1 every failure is sent as 0x80, which is all it has. A request of an earlier connection gets no answer: the
    /// client has forgotten it.
    ///
    /// # Errors
    ///
    /// The request is given back with the reason: [`NotAllowed`](CommandError::NotAllowed) for another number of codes, or a
    /// failure in 3.1, which has none: grant, or disconnect. [`Closed`](CommandError::Closed),
    /// [`TooLarge`](CommandError::TooLarge), [`Encode`](CommandError::Encode).
    pub fn suback(
        &mut self,
        now: Instant,
        request: SubscribeRequest,
        reasons: &[ReasonCode],
    ) -> Result<(), Rejected<SubscribeRequest>> {
        self.advance_clock(now);
        self.send_suback(&request, reasons).map_err(|error| Rejected::new(error, request))
    }

    /// Answers an UNSUBSCRIBE: one reason code per filter, in their order; 3.x sends none of them. A request of an earlier
    /// connection gets no answer.
    ///
    /// # Errors
    ///
    /// The request is given back with the reason: [`NotAllowed`](CommandError::NotAllowed) for another number of codes.
    /// [`Closed`](CommandError::Closed), [`TooLarge`](CommandError::TooLarge), [`Encode`](CommandError::Encode).
    pub fn unsuback(
        &mut self,
        now: Instant,
        request: UnsubscribeRequest,
        reasons: &[ReasonCode],
    ) -> Result<(), Rejected<UnsubscribeRequest>> {
        self.advance_clock(now);
        self.send_unsuback(&request, reasons).map_err(|error| Rejected::new(error, request))
    }

    fn send_suback(&mut self, request: &SubscribeRequest, reasons: &[ReasonCode]) -> Result<(), CommandError> {
        self.check_open()?;
        if request.connection != self.session.connections {
            return Ok(());
        }
        if reasons.len() != request.subscribe.subscriptions.len() {
            return Err(CommandError::NotAllowed("SUBACK has one reason code per filter (MQTT-3.8.4-6)"));
        }
        let reason = |reason: &ReasonCode| match self.version {
            Version::V311 if reason.is_failure() => ReasonCode::UNSPECIFIED_ERROR,
            Version::V31 | Version::V311 | Version::V5 => *reason,
        };
        let mut suback = SubAck::new(request.subscribe.packet_id, reasons.iter().map(reason).collect());
        if self.version == Version::V5 {
            suback.properties = request.answer.clone();
        }
        self.send_control(suback)
    }

    fn send_unsuback(&mut self, request: &UnsubscribeRequest, reasons: &[ReasonCode]) -> Result<(), CommandError> {
        self.check_open()?;
        if request.connection != self.session.connections {
            return Ok(());
        }
        if reasons.len() != request.unsubscribe.filters.len() {
            return Err(CommandError::NotAllowed("UNSUBACK has one reason code per filter (MQTT-3.11.3-2)"));
        }
        let is_v5 = self.version == Version::V5;
        let reasons = if is_v5 { reasons.to_vec() } else { Vec::new() };
        let mut unsuback = UnsubAck::new(request.unsubscribe.packet_id, reasons);
        if is_v5 {
            unsuback.properties = request.answer.clone();
        }
        self.send_control(unsuback)
    }

    fn check_undecided(&self) -> Result<(), CommandError> {
        match self.phase {
            Phase::AwaitAccept => Ok(()),
            Phase::Closed => Err(CommandError::Closed),
            Phase::AwaitConnect | Phase::Open | Phase::AwaitConnAck => {
                Err(CommandError::NotAllowed("no CONNECT waits for an answer"))
            }
        }
    }

    fn receive_connect(&mut self, connect: Connect) {
        self.timers.stop(Timer::Handshake);
        self.remember(&connect);
        let properties = connect.properties();
        self.problem_information = properties.request_problem_information().unwrap_or(true);
        self.response_information = properties.request_response_information().unwrap_or(false);
        self.client_id_empty = connect.client_id.as_bytes().is_empty();
        self.peer = Limits {
            receive_maximum: properties.receive_maximum().map_or(u16::MAX, NonZeroU16::get),
            maximum_packet_size: properties.maximum_packet_size().map_or(PROTOCOL_MAXIMUM_PACKET_SIZE, NonZeroU32::get),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            ..Limits::UNLIMITED
        };
        let aliases = self.peer.topic_alias_maximum.min(self.config.outgoing_topic_aliases);
        self.outgoing_aliases = OutgoingAliases::new(aliases);
        self.phase = Phase::AwaitAccept;
        self.authentication.begin(false);
        if let Some(reason) = self.unacceptable(&connect) {
            let _ = self.send_control(ConnAck::new(false, reason));
            self.close(Closed::Local);
            return;
        }
        self.tell_first(ServerEvent::Connect(Box::new(connect)));
    }

    /// What the standard makes a server refuse whatever its application thinks.
    fn unacceptable(&self, connect: &Connect) -> Option<ReasonCode> {
        let needs_id = match connect.version {
            Version::V31 => true,
            // MQTT-3.1.3-8
            Version::V311 => !connect.clean_start,
            Version::V5 => false,
        };
        if needs_id && self.client_id_empty {
            return Some(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        }
        let will = &connect.will.as_ref()?.message;
        if will.qos > self.config.maximum_qos {
            return Some(ReasonCode::QOS_NOT_SUPPORTED);
        }
        (will.retain && !self.config.retain_available).then_some(ReasonCode::RETAIN_NOT_SUPPORTED)
    }

    /// Adds our limits to CONNACK where it does not name them, and returns what it says in the end.
    fn announce_connack(&self, connack: &mut ConnAck) -> Limits {
        let properties = &mut connack.properties;
        if !self.response_information {
            // MQTT-3.1.2-28
            properties.remove(PropertyId::ResponseInformation);
        }
        self.config.announce(properties);
        let config: &Config = &self.config;
        if config.maximum_qos < QoS::ExactlyOnce {
            properties.set_if_absent(PropertyId::MaximumQoS, PropertyValue::Byte(config.maximum_qos as u8));
        }
        for (id, is_available) in [
            (PropertyId::RetainAvailable, config.retain_available),
            (PropertyId::WildcardSubscriptionAvailable, config.wildcard_subscription_available),
            (PropertyId::SubscriptionIdentifierAvailable, config.subscription_identifiers_available),
            (PropertyId::SharedSubscriptionAvailable, config.shared_subscription_available),
        ] {
            if !is_available {
                properties.set_if_absent(id, PropertyValue::Byte(0));
            }
        }
        if let Some(seconds) = config.server_keep_alive {
            properties.set_if_absent(PropertyId::ServerKeepAlive, PropertyValue::Number(seconds.into()));
        }
        match self.authentication.method() {
            Some(method) => properties.set(PropertyId::AuthenticationMethod, PropertyValue::Text(method)),
            None => {
                properties.remove(PropertyId::AuthenticationMethod);
                properties.remove(PropertyId::AuthenticationData);
            }
        }
        Limits {
            receive_maximum: properties.receive_maximum().map_or(u16::MAX, NonZeroU16::get),
            maximum_packet_size: properties.maximum_packet_size().map_or(PROTOCOL_MAXIMUM_PACKET_SIZE, NonZeroU32::get),
            topic_alias_maximum: properties.topic_alias_maximum().unwrap_or(0),
            maximum_qos: properties.maximum_qos().unwrap_or(QoS::ExactlyOnce),
            retain_available: properties.retain_available().unwrap_or(true),
            wildcard_subscription_available: properties.wildcard_subscription_available().unwrap_or(true),
            subscription_identifiers_available: properties.subscription_identifier_available().unwrap_or(true),
            shared_subscription_available: properties.shared_subscription_available().unwrap_or(true),
        }
    }

    /// Our limits in 3.x, which has no words for them: a client that exceeds one is disconnected.
    fn unannounced(&self) -> Limits {
        Limits {
            maximum_packet_size: self.config.maximum_packet_size,
            maximum_qos: self.config.maximum_qos,
            retain_available: self.config.retain_available,
            wildcard_subscription_available: self.config.wildcard_subscription_available,
            shared_subscription_available: self.config.shared_subscription_available,
            ..Limits::UNLIMITED
        }
    }

    fn receive_subscribe(&mut self, subscribe: Subscribe) -> Result<(), ProtocolError> {
        let own = &self.own;
        let has_identifier = subscribe.properties().subscription_identifiers().next().is_some();
        let mut filters = subscribe.subscriptions.iter().map(|subscription| &subscription.filter);
        let broken = if has_identifier && !own.subscription_identifiers_available {
            Some(("Subscription Identifier", &rules::IDENTIFIERS_NOT_SUPPORTED))
        } else if !own.shared_subscription_available && filters.clone().any(|filter| filter.is_shared()) {
            Some(("Topic Filter", &rules::SHARED_NOT_SUPPORTED))
        } else if !own.wildcard_subscription_available && filters.any(|filter| filter.has_wildcards()) {
            Some(("Topic Filter", &rules::WILDCARDS_NOT_SUPPORTED))
        } else {
            None
        };
        if let Some((field, rule)) = broken {
            return Err(self.broke(PacketType::Subscribe, field, rule));
        }
        let (connection, answer) = (self.session.connections, Properties::default());
        self.tell(ServerEvent::Subscribe(SubscribeRequest { subscribe, connection, answer }));
        Ok(())
    }

    fn receive_unsubscribe(&mut self, unsubscribe: Unsubscribe) {
        let (connection, answer) = (self.session.connections, Properties::default());
        self.tell(ServerEvent::Unsubscribe(UnsubscribeRequest { unsubscribe, connection, answer }));
    }

    fn receive_disconnect(&mut self, disconnect: Disconnect) -> Result<(), ProtocolError> {
        let is_tolerated = disconnect.reason == ReasonCode::BAD_AUTHENTICATION_METHOD;
        if !is_tolerated && !disconnect.reason.may_stand_in(PacketType::Disconnect, true) {
            return Err(self.broke(PacketType::Disconnect, "reason code", &rules::REASON_OF_OTHER_SIDE));
        }
        if let Some(expiry) = disconnect.properties().session_expiry_interval() {
            if expiry != 0 && self.expiry_was_zero {
                return Err(self.broke(
                    PacketType::Disconnect,
                    "Session Expiry Interval",
                    &rules::EXPIRY_RAISED_FROM_ZERO,
                ));
            }
            self.session_expiry = expiry;
        }
        self.close(Closed::Remote(disconnect));
        Ok(())
    }
}

pub(crate) fn receive(connection: &mut Connection<Server>, packet: Packet) -> Result<(), ProtocolError> {
    match packet {
        Packet::Connect(connect) => connection.receive_connect(*connect),
        Packet::Subscribe(subscribe) => return connection.receive_subscribe(subscribe),
        Packet::Unsubscribe(unsubscribe) => connection.receive_unsubscribe(unsubscribe),
        Packet::PingReq => {
            connection.shrink();
            // MQTT-3.12.4-1. Two bytes: within any Maximum Packet Size that lets a client do anything at all.
            let _ = Packet::<bytes::Bytes>::PingResp.encode(connection.version, connection.outbox.small());
            connection.packet_sent();
        }
        Packet::Disconnect(disconnect) => return connection.receive_disconnect(disconnect),
        // Refused by `rules::may_come` or taken by code that both roles share.
        Packet::ConnAck(_)
        | Packet::Publish(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::SubAck(_)
        | Packet::UnsubAck(_)
        | Packet::PingResp
        | Packet::Auth(_) => {}
    }
    Ok(())
}

/// What a CONNECT of 5.0 begins with, after its fixed header.
const NAME_AND_LEVEL: &[u8] = b"\0\x04MQTT\x05";

/// Whether enough of a CONNECT is there to see if its sender is to be told in 5.0 what is wrong with it.
pub(crate) fn tells_version(header: &FixedHeader, input: &[u8]) -> bool {
    let header_len = header.frame_len() - header.remaining_len();
    input.len() >= header_len + NAME_AND_LEVEL.len().min(header.remaining_len())
}

/// The server's side of keep alive and of a failed CONNECT; here so that code shared by both roles can call it.
impl<R: super::Role> Connection<R> {
    /// MQTT-3.1.2-22: one and a half intervals from the last packet received.
    pub(crate) fn arm_server_keep_alive(&mut self) {
        if self.keep_alive != 0 {
            self.timers.set(Timer::KeepAlive, self.now.after_millis(u64::from(self.keep_alive) * 1_500));
        }
    }

    /// The client was silent for too long, unless it is the application that has not let its packets in. Then wait once
    /// more, and once again after it lets input in.
    pub(crate) fn client_is_silent(&mut self) {
        if self.may_be_our_fault() {
            self.arm_server_keep_alive();
            return;
        }
        if self.version == Version::V5 {
            self.say_goodbye(ReasonCode::KEEP_ALIVE_TIMEOUT);
        }
        self.close(Closed::TimedOut(Timer::KeepAlive));
    }

    /// The first packet was no CONNECT that can be read. A 3.x client gets an answer only for its version
    /// (MQTT-3.1.2-2, MQTT-3.1.4-1 of 3.1.1); a 5.0 client is told the reason (MQTT-3.1.4-1).
    pub(crate) fn refuse_broken_connect(&mut self, error: &ProtocolError, frame: &[u8]) {
        if error.packet() != Some(PacketType::Connect) {
            return;
        }
        let header = FixedHeader::parse(frame).ok().flatten();
        let body = header.and_then(|header| frame.get(header.frame_len() - header.remaining_len()..));
        let version = if error.reason() == ReasonCode::UNSUPPORTED_PROTOCOL_VERSION {
            Version::V311
        } else if body.is_some_and(|body| body.starts_with(NAME_AND_LEVEL)) {
            Version::V5
        } else {
            return;
        };
        let _ = ConnAck::<bytes::Bytes>::new(false, error.reason()).encode(version, self.outbox.small());
    }
}
