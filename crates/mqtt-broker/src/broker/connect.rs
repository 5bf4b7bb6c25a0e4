//! From the first byte of a link to CONNACK.

use bytes::Bytes;
use mqtt_proto::{Auth, ConnAck, Connect, Disconnect, Instant, ReasonCode, Session, Text, TopicName, Version, Will};

use super::action::{Action, Notice, OpenError, Origin, Peer};
use super::client::{Absence, Candidate, Client, Link, Stage};
use super::policy::{AuthPhase, AuthRequest, AuthStep, ClientInfo};
use super::publish::Refusal;
use super::timer::Timer;
use super::{Broker, PRESENT};

impl Broker {
    /// A link was opened. From now on it counts, until [`handle_closed`](Self::handle_closed).
    ///
    /// # Errors
    ///
    /// There is no room for it: close it at once. It does not count then.
    pub fn handle_open(&mut self, now: Instant, peer: Peer, origin: Origin) -> Result<(), OpenError> {
        if self.is_shutting_down {
            return Err(OpenError::ShuttingDown);
        }
        if self.links.len() >= self.config.maximum_connections {
            let maximum = self.config.maximum_connections;
            self.notice(|| Notice::TurnedAway { origin, maximum });
            return Err(OpenError::TooManyConnections);
        }
        if self.links.contains_key(&peer) {
            return Err(OpenError::PeerInUse);
        }
        if self.strangers.len() >= self.config.maximum_unauthenticated.max(1) {
            if let Some(oldest) = self.strangers.keys().next().copied() {
                self.close_stranger(oldest);
            }
        }
        self.start_status(now);
        self.counts.links += 1;
        let deadline = now + self.config.connect_timeout;
        self.timers.set(deadline, Timer::Stranger(peer));
        self.strangers.insert(peer, deadline);
        self.links.insert(peer, Stage::Silent(Box::new(origin)));
        Ok(())
    }

    /// A link that has not been let in in time, or stands in the way of a newer one.
    pub(super) fn close_stranger(&mut self, peer: Peer) {
        self.is_known(peer);
        let Some(stage) = self.links.get_mut(&peer) else { return };
        if let Stage::Waiting(candidate) = std::mem::replace(stage, Stage::Refused) {
            self.forget_successor(peer, &candidate.info.client_id);
        }
        self.act(peer, Action::Close);
    }

    /// The link is no stranger any more.
    pub(super) fn is_known(&mut self, peer: Peer) {
        let deadline = self.strangers.remove(&peer);
        self.timers.cancel(deadline, Timer::Stranger(peer));
    }

    pub(super) fn receive_connect(&mut self, now: Instant, peer: Peer, connect: Connect) {
        let Some(stage @ Stage::Silent(_)) = self.links.get_mut(&peer) else { return };
        let Stage::Silent(origin) = std::mem::replace(stage, Stage::Refused) else { return };
        let is_assigned = connect.client_id.as_bytes().is_empty();
        let info = ClientInfo {
            client_id: owned(&connect.client_id),
            username: connect.username.as_ref().map(owned),
            version: connect.version,
            origin: *origin,
        };
        let mut candidate = Box::new(Candidate { info, connect, is_assigned, auth_data: None });
        if self.is_shutting_down {
            return self.refuse(peer, &candidate, ReasonCode::SERVER_UNAVAILABLE);
        }
        if is_assigned {
            let listener = candidate.info.origin.listener;
            if !self.config.allows_empty_client_id_at(listener) {
                return self.refuse(peer, &candidate, NO_ID);
            }
            candidate.info.client_id = self.unused_id(listener);
        }
        if !self.allows_keep_alive(&candidate.connect) {
            return self.refuse(peer, &candidate, KEEP_ALIVE);
        }
        if let Some(method) = candidate.connect.properties().authentication_method() {
            let request =
                auth_request(method, candidate.connect.properties().authentication_data(), AuthPhase::Connect);
            return self.authenticate(now, peer, candidate, &request);
        }
        match self.policy.connect(&candidate.info, &candidate.connect) {
            Ok(()) => self.admit(now, peer, candidate),
            Err(reason) => self.refuse(peer, &candidate, reason),
        }
    }

    /// A 3.x client cannot be told to keep a shorter Keep Alive.
    fn allows_keep_alive(&self, connect: &Connect) -> bool {
        match (connect.version, self.config.maximum_keep_alive) {
            (_, None) | (Version::V5, Some(_)) => true,
            (Version::V31 | Version::V311, Some(maximum)) => (1..=maximum.get()).contains(&connect.keep_alive),
        }
    }

    fn authenticate(&mut self, now: Instant, peer: Peer, mut candidate: Box<Candidate>, request: &AuthRequest) {
        match self.policy.authenticate(&candidate.info, request) {
            AuthStep::Continue(data) => {
                let auth =
                    Auth::new(ReasonCode::CONTINUE_AUTHENTICATION).with_authentication(request.method.clone(), data);
                self.act(peer, Action::Auth(auth));
                self.links.insert(peer, Stage::Authenticating(candidate));
            }
            AuthStep::Done(data) => {
                candidate.auth_data = data;
                self.admit(now, peer, candidate);
            }
            AuthStep::Deny(reason) => self.refuse(peer, &candidate, reason),
        }
    }

    pub(super) fn receive_auth(&mut self, now: Instant, peer: Peer, auth: &Auth) {
        let (method, data) = (auth.properties().authentication_method(), auth.properties().authentication_data());
        // The connection has checked it.
        let Some(method) = method else { return };
        let Some(at) = self.links.get_mut(&peer) else { return };
        match std::mem::replace(at, Stage::Refused) {
            Stage::Authenticating(candidate) => {
                self.authenticate(now, peer, candidate, &auth_request(method, data, AuthPhase::Continue));
            }
            Stage::Open(key) => {
                *at = Stage::Open(key);
                let is_first = auth.reason == ReasonCode::REAUTHENTICATE;
                let phase = if is_first { AuthPhase::Reauthenticate } else { AuthPhase::Continue };
                self.authenticate_again(peer, key, &auth_request(method, data, phase));
            }
            stage @ (Stage::Silent(_) | Stage::Waiting(_) | Stage::Refused) => *at = stage,
        }
    }

    fn authenticate_again(&mut self, peer: Peer, key: u32, request: &AuthRequest) {
        let Some(client) = self.clients.get(key) else { return };
        let auth = |reason, data| Action::Auth(Auth::new(reason).with_authentication(request.method.clone(), data));
        match self.policy.authenticate(&client.info, request) {
            AuthStep::Continue(data) => self.act(peer, auth(ReasonCode::CONTINUE_AUTHENTICATION, data)),
            AuthStep::Done(data) => self.act(peer, auth(ReasonCode::SUCCESS, data)),
            AuthStep::Deny(reason) => self.kick(key, reason),
        }
    }

    /// The client is who it says it is.
    fn admit(&mut self, now: Instant, peer: Peer, candidate: Box<Candidate>) {
        if let Some(will) = &candidate.connect.will {
            if let Err(reason) = self.check_publish(&candidate.info, &will.message) {
                return self.refuse(peer, &candidate, reason);
            }
        }
        self.is_known(peer);
        let existing = self.ids.find(&self.clients, &candidate.info.client_id);
        let Some(client) = existing.and_then(|key| self.clients.get_mut(key)) else {
            return self.let_in(now, peer, candidate);
        };
        let previous = match client.link {
            Link::Away(_) => return self.let_in(now, peer, candidate),
            Link::Open(previous) | Link::Leaving(previous) | Link::Local(previous) => previous,
        };
        // MQTT-3.1.4-3: the older connection has to give the session back first.
        let is_open = matches!(client.link, Link::Open(_));
        client.link = Link::Leaving(previous);
        let superseded = client.successor.replace(peer);
        client.sent_away.get_or_insert(ReasonCode::SESSION_TAKEN_OVER);
        self.links.insert(peer, Stage::Waiting(candidate));
        if is_open {
            self.act(previous, Action::Disconnect(Disconnect::new(ReasonCode::SESSION_TAKEN_OVER)));
        }
        if let Some(superseded) = superseded {
            let stage = self.links.get_mut(&superseded);
            if let Some(Stage::Waiting(candidate)) = stage.map(|stage| std::mem::replace(stage, Stage::Refused)) {
                self.refuse(superseded, &candidate, ReasonCode::SERVER_BUSY);
            }
        }
    }

    /// The link that waited for this client's session is gone.
    pub(super) fn forget_successor(&mut self, peer: Peer, client_id: &Text) {
        let client = self.ids.find(&self.clients, client_id).and_then(|key| self.clients.get_mut(key));
        if let Some(client) = client.filter(|client| client.successor == Some(peer)) {
            client.successor = None;
        }
    }

    /// Accepts the client. No connection of its has the session.
    pub(super) fn let_in(&mut self, now: Instant, peer: Peer, candidate: Box<Candidate>) {
        let asked = match candidate.connect.version {
            Version::V5 => candidate.connect.properties().session_expiry_interval().unwrap_or(0),
            Version::V31 | Version::V311 if candidate.connect.clean_start => 0,
            Version::V31 | Version::V311 => u32::MAX,
        };
        let expiry = self.config.maximum_session_expiry.map_or(asked, |maximum| asked.min(maximum));
        let connack = self.connack(&candidate, asked, expiry);
        let existing = self.ids.find(&self.clients, &candidate.info.client_id);
        let continued = existing.filter(|key| candidate.continues(self.clients.get(*key).expect(PRESENT)));
        // Moved, not copied: a copy would make the identifier larger for as long as the client is there.
        let Candidate { info, connect, .. } = *candidate;
        let (key, session) = match continued {
            Some(key) => (key, self.wake(key, peer, info)),
            None => {
                if let Some(key) = existing {
                    self.end_session(now, key);
                }
                let key = self.clients.insert(Client::new(info, Link::Open(peer)));
                self.ids.insert(&self.clients, key);
                (key, None)
            }
        };
        self.counts.connects += 1;
        self.status.maximum = self.status.maximum.max(self.ids.len());
        let client = self.clients.get_mut(key).expect(PRESENT);
        client.expiry = expiry;
        client.will = connect.will.as_ref().map(owned_will);
        self.links.insert(peer, Stage::Open(key));
        let session_present = session.is_some();
        self.act(peer, Action::Accept { connack, session });
        if self.makes_notices() {
            let client = self.clients.get(key).expect(PRESENT).info.clone();
            let (clean_start, keep_alive) = (connect.clean_start, connect.keep_alive);
            self.notice(|| Notice::Connected { peer, client, clean_start, keep_alive, session_present });
        }
        if session_present {
            self.review_subscriptions(now, key);
        }
        self.call(key);
    }

    /// The stored session of a client that comes back.
    fn wake(&mut self, key: u32, peer: Peer, info: ClientInfo) -> Option<Session> {
        let client = self.clients.get_mut(key)?;
        client.info = info;
        // MQTT-3.1.3-9
        client.will = None;
        client.is_called = false;
        client.is_blocked = false;
        let Link::Away(absence) = std::mem::replace(&mut client.link, Link::Open(peer)) else { return None };
        let Absence { session, since, will_at, expires_at } = *absence;
        self.timers.cancel(will_at, Timer::Will(key));
        self.timers.cancel(expires_at, Timer::Session(key));
        if let Some(since) = since {
            self.away.remove(&(since, key));
        }
        Some(session)
    }

    fn connack(&self, candidate: &Candidate, asked: u32, expiry: u32) -> ConnAck {
        let Candidate { info, connect, is_assigned, auth_data } = candidate;
        let mut connack = ConnAck::new(false, ReasonCode::SUCCESS);
        if connect.version != Version::V5 {
            return connack;
        }
        if *is_assigned {
            connack = connack.with_assigned_client_identifier(info.client_id.clone());
        }
        if expiry != asked {
            connack = connack.with_session_expiry_interval(expiry);
        }
        if let Some(maximum) =
            self.config.maximum_keep_alive.filter(|max| !(1..=max.get()).contains(&connect.keep_alive))
        {
            connack = connack.with_server_keep_alive(maximum.get());
        }
        if let Some(prefix) = &self.config.response_information {
            if connect.properties().request_response_information() == Some(true) {
                connack = with_response_information(connack, prefix, &info.client_id);
            }
        }
        if let Some(method) =
            connect.properties().authentication_method().and_then(|method| Text::try_from(method).ok())
        {
            connack = connack.with_authentication(method, auth_data.clone());
        }
        connack
    }

    fn refuse(&mut self, peer: Peer, candidate: &Candidate, refusal: impl Into<Refusal>) {
        let refusal = refusal.into();
        self.is_known(peer);
        if let Some(stage) = self.links.get_mut(&peer) {
            *stage = Stage::Refused;
        }
        let is_sayable = matches!(refusal.reason.0, 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F);
        let reason = if is_sayable { refusal.reason } else { ReasonCode::NOT_AUTHORIZED };
        let mut connack = ConnAck::new(false, reason);
        if let Some(text) = refusal.text().filter(|_| candidate.info.version == Version::V5) {
            connack = connack.with_reason_string(text);
        }
        self.act(peer, Action::Refuse(connack));
        self.notice(|| Notice::Refused { peer, client: candidate.info.clone(), reason });
    }

    /// An identifier that nobody has.
    fn unused_id(&mut self, listener: u32) -> Text {
        loop {
            let id = format!("{}{:016x}", self.config.assigned_id_prefix_at(listener), self.random.next_public());
            let id = Text::try_from(id).unwrap_or_default();
            if self.ids.find(&self.clients, &id).is_none() {
                return id;
            }
        }
    }
}

fn auth_request(method: &str, data: Option<&[u8]>, phase: AuthPhase) -> AuthRequest {
    let method = Text::try_from(method).unwrap_or_default();
    AuthRequest { method, data: data.map(Bytes::copy_from_slice), phase }
}

fn with_response_information(connack: ConnAck, prefix: &Text, client_id: &Text) -> ConnAck {
    let information = format!("{prefix}{client_id}");
    // It is to be part of a topic name.
    match TopicName::try_from(information.as_str()).and(Ok(Text::try_from(information))) {
        Ok(Ok(information)) => connack.with_response_information(information),
        Ok(Err(_)) | Err(_) => connack,
    }
}

/// A copy that does not keep the buffer it came in.
pub(super) fn owned(text: &Text) -> Text {
    Text::new(text.as_bytes()).map(|text| text.to_shared()).unwrap_or_default()
}

fn owned_will(will: &Will) -> Box<Will> {
    Box::new(Will { message: will.message.compacted(), delay_interval: will.delay_interval })
}

const NO_ID: Refusal =
    Refusal::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, "the server wants clients to choose an identifier");
/// Return code 2, as Mosquitto says it.
const KEEP_ALIVE: Refusal =
    Refusal::new(ReasonCode::CLIENT_IDENTIFIER_NOT_VALID, "the Keep Alive is longer than the server takes");
