//! A strict reader of what one end puts on the wire.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Buf, Bytes};
use mqtt_proto::{
    AckPacket, Connection, FixedHeader, Instant, Limits, Packet, PacketId, Publish, QoS, ReasonCode, Role, Version,
};

/// What is known of one connection from the bytes that went in and came out. The rules that it holds the machine to:
///
/// - every packet that comes out is whole, legal for its version and its sender, and within the peer's Maximum Packet Size;
/// - the first is CONNECT or CONNACK (or AUTH), nothing else comes before CONNACK, nothing after DISCONNECT or a refusal;
/// - no packet identifier is given to two requests at a time, and Receive Maximum is never exceeded;
/// - a topic alias is within the peer's maximum, and has a topic on this connection before it stands for one;
/// - PUBACK and PUBREC leave in the order of the messages they answer;
/// - a message that has been sent before says so.
#[derive(Debug)]
pub(super) struct Wire {
    is_client: bool,
    /// A server learns it from CONNECT.
    version: Option<Version>,
    /// How many bytes at the front of the outbox have been read.
    read: usize,
    phase: Phase,
    peer: Limits,
    outstanding: BTreeMap<PacketId, Awaits>,
    /// Sent on an earlier connection and not answered.
    sent_before: BTreeSet<PacketId>,
    /// QoS and RETAIN of the last message under each identifier.
    messages: BTreeMap<PacketId, (QoS, bool)>,
    /// The peer's PUBRECs for identifiers that we know nothing of.
    strays: BTreeSet<PacketId>,
    dues: VecDeque<(PacketId, QoS)>,
    aliases: BTreeMap<u16, Vec<u8>>,
    pub(super) last_out: Instant,
    pub(super) last_in: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come out (client), or no CONNECT has come in (server).
    Silent,
    /// No CONNACK.
    Handshake,
    Open,
    /// DISCONNECT or a refusal has come out.
    Over,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaits {
    PubAck,
    PubRec,
    PubComp,
    Request,
}

impl Wire {
    pub(super) fn new(is_client: bool, now: Instant) -> Self {
        Self {
            is_client,
            version: None,
            read: 0,
            phase: Phase::Silent,
            peer: Limits::UNLIMITED,
            outstanding: BTreeMap::new(),
            sent_before: BTreeSet::new(),
            messages: BTreeMap::new(),
            strays: BTreeSet::new(),
            dues: VecDeque::new(),
            aliases: BTreeMap::new(),
            last_out: now,
            last_in: now,
        }
    }

    /// The same session's next connection.
    pub(super) fn next(&self, now: Instant) -> Self {
        let is_message = |awaits: &Awaits| matches!(awaits, Awaits::PubAck | Awaits::PubRec);
        let sent = self.outstanding.iter().filter(|(_, awaits)| is_message(awaits)).map(|(id, _)| *id);
        Self {
            sent_before: self.sent_before.iter().copied().chain(sent).collect(),
            messages: self.messages.clone(),
            ..Self::new(self.is_client, now)
        }
    }

    /// The session's unfinished messages are void.
    pub(super) fn forget(&mut self) {
        self.sent_before.clear();
    }

    /// Whether PINGREQ is within the peer's Maximum Packet Size.
    pub(super) fn takes_ping(&self) -> bool {
        self.peer.maximum_packet_size >= 2
    }

    /// A frame has been taken by the machine.
    pub(super) fn came(&mut self, frame: &[u8], now: Instant) {
        self.last_in = now;
        let Ok(packet) = Packet::decode(self.version.unwrap_or(Version::V5), Bytes::copy_from_slice(frame)) else {
            return;
        };
        match packet {
            Packet::Connect(connect) if self.phase == Phase::Silent => {
                self.version = Some(connect.version);
                self.phase = Phase::Handshake;
                let properties = connect.properties();
                self.limit(properties.receive_maximum(), properties.maximum_packet_size());
                self.peer.topic_alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
                self.give_up();
            }
            Packet::ConnAck(connack) if self.phase == Phase::Handshake => {
                let properties = connack.properties();
                self.limit(properties.receive_maximum(), properties.maximum_packet_size());
                self.peer.topic_alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
                self.peer.maximum_qos = properties.maximum_qos().unwrap_or(QoS::ExactlyOnce);
                self.peer.retain_available = properties.retain_available().unwrap_or(true);
                if !connack.session_present {
                    self.forget();
                }
                self.give_up();
                self.phase = Phase::Open;
            }
            Packet::Publish(Publish { packet_id: Some(id), message, .. }) => self.dues.push_back((id, message.qos)),
            Packet::PubAck(AckPacket { packet_id, .. }) => self.answered(packet_id, Awaits::PubAck),
            Packet::PubRec(AckPacket { packet_id, reason, .. }) if reason.is_failure() => {
                self.answered(packet_id, Awaits::PubRec);
            }
            Packet::PubRec(AckPacket { packet_id, .. }) => match self.outstanding.get_mut(&packet_id) {
                Some(awaits) if *awaits == Awaits::PubRec => {
                    *awaits = Awaits::PubComp;
                    self.sent_before.remove(&packet_id);
                }
                Some(_) => {}
                None => {
                    self.strays.insert(packet_id);
                    self.sent_before.remove(&packet_id);
                }
            },
            Packet::PubComp(AckPacket { packet_id, .. }) => self.answered(packet_id, Awaits::PubComp),
            Packet::SubAck(suback) => self.answered(suback.packet_id, Awaits::Request),
            Packet::UnsubAck(unsuback) => self.answered(unsuback.packet_id, Awaits::Request),
            _ => {}
        }
    }

    /// A message that this connection's limits do not allow is treated as sent (MQTT-3.1.2-25), and at QoS 1 its identifier is
    /// free at once. How large it would be is not known here, so any limit of size counts.
    fn give_up(&mut self) {
        let Limits { maximum_qos, maximum_packet_size, retain_available, .. } = self.peer;
        let is_limited = maximum_qos == QoS::AtMostOnce || maximum_packet_size < u32::MAX;
        let is_given_up =
            |(qos, retain): &(QoS, bool)| *qos == QoS::AtLeastOnce && (is_limited || (*retain && !retain_available));
        self.sent_before.retain(|id| !self.messages.get(id).is_some_and(is_given_up));
    }

    fn limit(
        &mut self,
        receive_maximum: Option<std::num::NonZeroU16>,
        maximum_packet_size: Option<std::num::NonZeroU32>,
    ) {
        self.peer.receive_maximum = receive_maximum.map_or(u16::MAX, |maximum| maximum.get());
        self.peer.maximum_packet_size = maximum_packet_size.map_or(u32::MAX, |maximum| maximum.get());
    }

    fn answered(&mut self, id: PacketId, awaits: Awaits) {
        if self.outstanding.get(&id) == Some(&awaits) {
            self.outstanding.remove(&id);
        }
        self.sent_before.remove(&id);
    }

    /// Reads what has been put into the outbox since the last time.
    pub(super) fn look<R: Role>(&mut self, machine: &mut Connection<R>, now: Instant) {
        let version = machine.version();
        let outbox = machine.outbox();
        if outbox.remaining() == self.read {
            return;
        }
        let mut bytes = outbox.clone();
        let mut bytes = bytes.copy_to_bytes(bytes.remaining()).split_off(self.read);
        self.read += bytes.len();
        self.last_out = now;
        while !bytes.is_empty() {
            let header = FixedHeader::parse(&bytes).expect("a header that is legal").expect("a header that is whole");
            assert!(header.frame_len() <= bytes.len(), "only whole packets are put into the outbox");
            self.sent(version, bytes.split_to(header.frame_len()));
        }
    }

    /// Takes bytes out of the outbox, as a transport would.
    pub(super) fn write<R: Role>(&mut self, machine: &mut Connection<R>, count: usize) -> Bytes {
        let outbox = machine.outbox();
        let count = count.min(outbox.remaining());
        // Bytes that `look` has not read yet would be lost to it.
        let count = count.min(self.read);
        self.read -= count;
        outbox.copy_to_bytes(count)
    }

    fn sent(&mut self, version: Version, frame: Bytes) {
        assert_ne!(self.phase, Phase::Over, "nothing follows DISCONNECT or a refusal");
        assert!(frame.len() <= self.peer.maximum_packet_size as usize, "within the peer's Maximum Packet Size");
        let packet = Packet::decode(self.version.unwrap_or(version), frame.clone());
        // A CONNECT that cannot be read is answered in the version that its sender seems to speak.
        let packet = packet.or_else(|error| match self.version {
            None if !self.is_client => Packet::decode(Version::V311, frame.clone()),
            _ => Err(error),
        });
        let packet = packet.unwrap_or_else(|error| panic!("we sent {frame:02x?}: {error}"));
        match (&packet, self.phase) {
            (Packet::Connect(connect), Phase::Silent) if self.is_client => {
                self.version = Some(connect.version);
                self.phase = Phase::Handshake;
            }
            (Packet::ConnAck(connack), Phase::Silent | Phase::Handshake) if !self.is_client => {
                let is_refusal = connack.reason != ReasonCode::SUCCESS;
                assert!(is_refusal || self.phase == Phase::Handshake, "an answer to CONNECT comes after it");
                self.phase = if is_refusal { Phase::Over } else { Phase::Open };
            }
            (Packet::Auth(_), Phase::Handshake | Phase::Open) => {}
            (Packet::Disconnect(_), Phase::Handshake | Phase::Open) => {
                assert!(self.is_client || self.version == Some(Version::V5), "a 3.x server has no DISCONNECT");
                assert!(self.is_client || self.phase == Phase::Open, "no DISCONNECT before CONNACK");
                self.phase = Phase::Over;
            }
            (_, Phase::Open) => self.sent_open(packet),
            (_, phase) => panic!("{packet:?} in {phase:?}"),
        }
    }

    fn sent_open(&mut self, packet: Packet) {
        match packet {
            Packet::Publish(publish) => self.sent_publish(publish),
            Packet::PubAck(ack) => self.sent_answer(ack.packet_id, QoS::AtLeastOnce),
            Packet::PubRec(ack) => self.sent_answer(ack.packet_id, QoS::ExactlyOnce),
            Packet::PubRel(ack) => {
                if !self.strays.remove(&ack.packet_id) {
                    let awaits = *self.outstanding.entry(ack.packet_id).or_insert(Awaits::PubComp);
                    assert_eq!(awaits, Awaits::PubComp, "PUBREL for {}", ack.packet_id);
                    // The window holds back PUBLISH alone (MQTT-3.3.4-8): after a resumption there may be more of these.
                }
            }
            Packet::PubComp(_) => {}
            Packet::Subscribe(subscribe) if self.is_client => self.outstand(subscribe.packet_id, Awaits::Request),
            Packet::Unsubscribe(unsubscribe) if self.is_client => {
                self.outstand(unsubscribe.packet_id, Awaits::Request);
            }
            Packet::PingReq if self.is_client => {}
            Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp if !self.is_client => {}
            packet => panic!("this role does not send {packet:?}"),
        }
    }

    fn sent_publish(&mut self, publish: Publish) {
        let Publish { message, dup, packet_id, topic_alias } = publish;
        if self.is_client {
            assert!(message.qos <= self.peer.maximum_qos, "within Maximum QoS");
            assert!(!message.retain || self.peer.retain_available, "RETAIN is available");
        }
        if let Some(alias) = topic_alias {
            assert!(alias.get() <= self.peer.topic_alias_maximum, "within Topic Alias Maximum");
            if message.topic.as_bytes().is_empty() {
                assert!(self.aliases.contains_key(&alias.get()), "an alias stands for a topic of this connection");
            } else {
                self.aliases.insert(alias.get(), message.topic.as_bytes().to_vec());
            }
        }
        let Some(id) = packet_id else { return };
        let was_sent = self.sent_before.remove(&id);
        self.messages.insert(id, (message.qos, message.retain));
        // A 3.1 server cannot say that it forgot the session, so a fresh message may look like an old one to this reader.
        assert!(dup || !was_sent || self.version == Some(Version::V31), "sent before, and without DUP");
        let awaits = if message.qos == QoS::AtLeastOnce { Awaits::PubAck } else { Awaits::PubRec };
        self.outstand(id, awaits);
        self.check_window();
    }

    fn outstand(&mut self, id: PacketId, awaits: Awaits) {
        let known = self.outstanding.insert(id, awaits);
        assert_eq!(known, None, "packet identifier {id} is in use");
    }

    fn check_window(&self) {
        let unfinished = self.outstanding.values().filter(|awaits| **awaits != Awaits::Request).count();
        assert!(unfinished <= usize::from(self.peer.receive_maximum), "{unfinished} are unfinished");
    }

    fn sent_answer(&mut self, id: PacketId, qos: QoS) {
        while let Some(due) = self.dues.pop_front() {
            if due == (id, qos) {
                return;
            }
            // A QoS 2 message that came twice is answered once.
            assert_eq!(due.1, QoS::ExactlyOnce, "acknowledged {id} before {}", due.0);
        }
        panic!("acknowledged {id}, which did not come");
    }
}
