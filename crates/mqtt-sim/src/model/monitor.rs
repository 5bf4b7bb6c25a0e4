//! What is on the wire: every packet of one connection, decoded by the strict decoder when it is written and when it has
//! arrived, and the rules that tie packets together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::{Bytes, BytesMut};
use mqtt_proto::{
    AckPacket, FixedHeader, Message, Packet, PacketId, PacketType, Properties, Publish, QoS, ReasonCode, SubAck,
    Subscribe, TopicName, UnsubAck, Unsubscribe, Version,
};

use super::ledger::{Fate, Ledger, Said};
use super::{Side, Verdict, broken, ensure};

/// What one packet id of a session is used for, over all connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Flow {
    pub(super) number: u32,
    /// PUBREC below 0x80 has arrived.
    pub(super) is_received: bool,
    /// PUBREL has been written, as the so-manieth of the session.
    pub(super) released: Option<u32>,
    /// PUBACK, PUBCOMP, or a refusing PUBREC has arrived: the id is free.
    pub(super) is_over: bool,
}

/// The packet ids of both directions (I10), for the session's life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Flows(pub(super) [BTreeMap<u16, Flow>; 2], pub(super) u32);

/// A PUBLISH that arrived and whose PUBACK or PUBREC has not been written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Due {
    id: u16,
    qos: QoS,
    number: u32,
}

/// What one side has said on this connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Half {
    /// The part of a packet that has arrived.
    partial: BytesMut,
    /// CONNECT or CONNACK has been written, has arrived.
    is_open: bool,
    has_arrived: bool,
    /// DISCONNECT has been written.
    is_closed: bool,
    receive_maximum: u16,
    maximum_packet_size: u32,
    topic_alias_maximum: u16,
    /// Ids that were published on this connection and are not finished.
    window: BTreeSet<u16>,
    requests: BTreeSet<u16>,
    newest: Option<u32>,
    /// The order of the last PUBREL that is a repetition.
    resent_release: Option<u32>,
    aliases: BTreeMap<u16, TopicName>,
    /// Written and not arrived.
    under_way: VecDeque<Due>,
    dues: VecDeque<Due>,
    releases: VecDeque<u16>,
    pings: u32,
    /// Something has been written behind CONNECT or CONNACK.
    has_spoken: bool,
    /// When the last packet was written.
    written_at: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Monitor {
    version: Version,
    link: u32,
    halves: [Half; 2],
    /// What CONNACK must say.
    pub(super) is_resumed: bool,
    /// Something of the client's has arrived that it sends only after CONNACK.
    pub(super) is_confirmed: bool,
    /// Milliseconds that may lie between two packets of the client (I17); 0 for any.
    pub(super) longest_gap: u64,
    /// Messages leave in the order of their numbers.
    pub(super) is_ordered: bool,
    /// What is sent is seen here, so that its repetition can be told.
    pub(super) is_exact: bool,
}

impl Monitor {
    pub(super) fn new(version: Version, link: u32, now: u64, longest_gap: u64) -> Self {
        let half =
            Half { receive_maximum: u16::MAX, maximum_packet_size: u32::MAX, written_at: now, ..Half::default() };
        let halves = [half.clone(), half];
        Self {
            version,
            link,
            halves,
            is_resumed: false,
            is_confirmed: false,
            longest_gap,
            is_ordered: true,
            is_exact: true,
        }
    }

    /// `side` has written whole packets.
    pub(super) fn wrote(
        &mut self,
        side: Side,
        mut bytes: Bytes,
        now: u64,
        ledger: &mut Ledger,
        flows: &mut Flows,
    ) -> Verdict {
        while let Some(frame) = split_frame(&mut bytes) {
            let len = frame.len();
            let packet = match Packet::decode(self.version, frame.clone()) {
                Ok(packet) => packet,
                Err(error) => return broken("I5", format!("{side:?} wrote {frame:?}: {error}")),
            };
            self.judge_encoding(side, &packet, &frame)?;
            self.judge(side, &packet, len, now, ledger, flows).map_err(|mut violation| {
                violation.what = format!("{}; {side:?} wrote {packet:?} on connection {}", violation.what, self.link);
                violation
            })?;
        }
        ensure(bytes.is_empty(), "I5", || format!("{side:?} wrote part of a packet: {bytes:?}"))
    }

    /// What is written is what the packet in it is written as (I4).
    fn judge_encoding(&mut self, side: Side, packet: &Packet, frame: &[u8]) -> Verdict {
        let mut again = BytesMut::with_capacity(frame.len());
        let is_same = packet.encode(self.version, &mut again).is_ok() && again == *frame;
        ensure(is_same, "I4", || format!("{side:?} wrote {frame:?}, which is not how {packet:?} is written"))
    }

    /// So many bytes that `side` wrote have reached its peer.
    pub(super) fn arrived(&mut self, side: Side, bytes: &[u8], flows: &mut Flows) -> Verdict {
        self.halves[side.index()].partial.extend_from_slice(bytes);
        loop {
            let partial = &mut self.halves[side.index()].partial;
            let Ok(Some(header)) = FixedHeader::parse(partial) else { return Ok(()) };
            if partial.len() < header.frame_len() {
                return Ok(());
            }
            let frame = partial.split_to(header.frame_len()).freeze();
            let Ok(packet) = Packet::decode(self.version, frame) else {
                return broken("I5", "what was written cannot be read");
            };
            self.note_arrival(side, packet, flows);
        }
    }

    /// Nothing is owed on this connection (I11, I15).
    pub(super) fn check_settled(&self) -> Verdict {
        for side in Side::BOTH {
            let half = &self.halves[side.index()];
            let is_done = half.window.is_empty() && half.dues.is_empty() && half.releases.is_empty();
            let is_done = is_done && half.requests.is_empty() && half.pings == 0;
            ensure(is_done, "I11", || format!("what {side:?} sent is not all answered: {half:?}"))?;
        }
        Ok(())
    }

    /// What `side` has announced.
    #[cfg(feature = "parity")]
    pub(super) fn receive_maximum(&self, side: Side) -> u16 {
        self.halves[side.index()].receive_maximum
    }

    /// The orders of the last PUBRELs that were repetitions.
    pub(super) fn resent_releases(&mut self) -> impl Iterator<Item = &mut u32> {
        self.halves.iter_mut().filter_map(|half| half.resent_release.as_mut())
    }

    fn judge(
        &mut self,
        side: Side,
        packet: &Packet,
        len: usize,
        now: u64,
        ledger: &mut Ledger,
        flows: &mut Flows,
    ) -> Verdict {
        let [half, peer] = halves(&mut self.halves, side);
        ensure(!half.is_closed, "I16", || "written after DISCONNECT".into())?;
        let kind = packet.packet_type();
        let opens = matches!(kind, PacketType::Connect | PacketType::ConnAck);
        ensure(half.is_open != opens, "I16", || "written before, or as another, CONNECT or CONNACK".into())?;
        // A client may disconnect at once; it does nothing else before CONNACK.
        let may_write = side == Side::Server || opens || peer.has_arrived || kind == PacketType::Disconnect;
        ensure(may_write, "I16", || "written before CONNACK came".into())?;
        let maximum = peer.maximum_packet_size;
        ensure(len <= maximum as usize || opens, "I5", || format!("{len} bytes, and {maximum} are allowed"))?;
        // Timers run from CONNACK on, however late it comes.
        if side == Side::Client && self.longest_gap > 0 && half.has_spoken {
            let gap = now - half.written_at;
            ensure(gap <= self.longest_gap, "I17", || format!("the client was silent for {gap} ms"))?;
        }
        (half.written_at, half.has_spoken) = (now, half.is_open);
        match packet {
            Packet::Connect(connect) => half.announce(connect.properties()),
            Packet::ConnAck(connack) => {
                half.announce(connack.properties());
                let expected = self.is_resumed && self.version != Version::V31;
                ensure(connack.session_present == expected, "I14", || "wrong Session Present".into())?;
            }
            Packet::Publish(publish) => self.judge_publish(side, publish, now, ledger, flows)?,
            Packet::PubAck(ack) => self.judge_due(side, ack, QoS::AtLeastOnce, ledger)?,
            Packet::PubRec(ack) => self.judge_due(side, ack, QoS::ExactlyOnce, ledger)?,
            Packet::PubRel(ack) => self.judge_release(side, ack, ledger, flows)?,
            Packet::PubComp(ack) => {
                let next = peer.releases.pop_front();
                ensure(next == Some(ack.packet_id.get()), "I15", || format!("PUBCOMP was due for {next:?}"))?;
            }
            Packet::Subscribe(Subscribe { packet_id, .. }) | Packet::Unsubscribe(Unsubscribe { packet_id, .. }) => {
                let id = packet_id.get();
                let is_free = flows.holder(side, id).is_none_or(|number| {
                    let old = ledger.content(side, number);
                    old.qos == QoS::AtLeastOnce && is_too_large(old, self.version, maximum)
                });
                ensure(half.requests.insert(id) && is_free, "I9", || "the packet id is in use".into())?;
            }
            Packet::PingReq => half.pings += 1,
            Packet::PingResp => {
                ensure(peer.pings > 0, "I17", || "nobody asked".into())?;
                peer.pings -= 1;
            }
            Packet::Disconnect(_) => half.is_closed = true,
            Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::Auth(_) => {}
        }
        self.halves[side.index()].is_open = true;
        Ok(())
    }

    fn judge_publish(
        &mut self,
        side: Side,
        publish: &Publish,
        now: u64,
        ledger: &mut Ledger,
        flows: &mut Flows,
    ) -> Verdict {
        let [half, peer] = halves(&mut self.halves, side);
        let mut message = publish.message.clone();
        if let Some(alias) = publish.topic_alias {
            let maximum = peer.topic_alias_maximum;
            ensure(alias.get() <= maximum, "I22", || format!("the alias is above {maximum}"))?;
            if message.topic.as_bytes().is_empty() {
                let Some(topic) = half.aliases.get(&alias.get()) else {
                    return broken("I22", "the alias was not set on this connection");
                };
                message.topic = topic.clone();
            } else {
                half.aliases.insert(alias.get(), message.topic.clone());
            }
        }
        let Some((number, sent)) = ledger.message(side, &message) else {
            return broken("I6", "nobody published this");
        };
        ensure(sent.fate == Fate::Pending, "I13", || format!("sent after its end: {:?}", sent.fate))?;
        let is_repetition = *sent.link.get_or_insert(self.link) != self.link;
        sent.first_sent.get_or_insert(now);
        let expires = message.properties().message_expiry_interval().map(|left| now + u64::from(left) * 1000);
        if let (Some(expires), Some(deadline), true) = (expires, sent.deadline, self.is_exact && !publish.dup) {
            let is_counted = expires < deadline + 1000; // whole seconds are left
            ensure(is_counted, "MQTT-3.3.2-6", || format!("it expires {} ms too late", expires - deadline))?;
        }
        let may_repeat = sent.load.qos > QoS::AtMostOnce;
        ensure(may_repeat || !is_repetition, "I8", || "QoS 0 is never sent again".into())?;
        let may_be_unseen = publish.dup && !self.is_exact;
        ensure(publish.dup == is_repetition || may_be_unseen, "I13", || "wrong DUP".into())?;
        let Some(id) = publish.packet_id.map(PacketId::get) else { return Ok(()) };
        let first_id = *sent.id.get_or_insert(id);
        ensure(first_id == id, "I13", || format!("it was sent under {first_id} before"))?;
        ensure(!half.requests.contains(&id), "I9", || "the packet id belongs to a SUBSCRIBE".into())?;
        let flow = flows.0[side.index()].entry(id).or_insert(Flow::new(number));
        if flow.number != number {
            let old = ledger.content(side, flow.number);
            // A QoS 1 message that has become too large to be repeated gives its id up without a word.
            let is_given_up = old.qos == QoS::AtLeastOnce && is_too_large(old, self.version, peer.maximum_packet_size);
            ensure(flow.is_over || is_given_up, "I9", || format!("the packet id belongs to {flow:?}"))?;
            *flow = Flow::new(number);
        }
        ensure(flow.released.is_none(), "I13", || "PUBLISH after its PUBREL".into())?;
        (flow.is_over, flow.is_received) = (false, false);
        let is_next = half.newest < Some(number) || !self.is_ordered;
        ensure(is_next, "I13", || format!("{:?} was sent before it", half.newest))?;
        half.newest = Some(number);
        half.under_way.push_back(Due { id, qos: message.qos, number });
        half.window.insert(id);
        let (open, maximum) = (half.window.len(), usize::from(peer.receive_maximum));
        ensure(open <= maximum, "I12", || format!("{open} messages are open, and {maximum} are allowed"))
    }

    /// PUBACK or PUBREC: in the order of arrival, and not before the application has acknowledged.
    fn judge_due(&mut self, side: Side, ack: &AckPacket, qos: QoS, ledger: &mut Ledger) -> Verdict {
        let [_, peer] = halves(&mut self.halves, side);
        let due = peer.dues.pop_front();
        let Some(Due { number, .. }) = due.as_ref().filter(|due| (due.id, due.qos) == (ack.packet_id.get(), qos))
        else {
            return broken("I15", format!("this was due: {due:?}"));
        };
        let sent = ledger.by_number(side.peer(), *number);
        let has_said = sent.said != Said::Nothing && (qos == QoS::ExactlyOnce || sent.delivered_on == self.link);
        sent.answered = true;
        ensure(has_said, "I15", || "the application has not acknowledged it".into())
    }

    /// PUBREL: after PUBREC, or for a message that has become too large to be repeated.
    fn judge_release(&mut self, side: Side, ack: &AckPacket, ledger: &Ledger, flows: &mut Flows) -> Verdict {
        let [half, peer] = halves(&mut self.halves, side);
        let Flows(flows, releases) = flows;
        let flow = flows[side.index()].get_mut(&ack.packet_id.get());
        let unknown = ack.reason == ReasonCode::PACKET_IDENTIFIER_NOT_FOUND;
        let maximum = peer.maximum_packet_size;
        let is_too_large = |number| is_too_large(ledger.content(side, number), self.version, maximum);
        // One that never reached the wire has no flow, or that of the id's last message.
        let given_up = ledger.unwritten(side).any(is_too_large);
        let is_mine = |flow: &&mut Flow| !flow.is_over || flow.released.is_some() && !given_up;
        let Some(flow) = flow.filter(is_mine) else {
            return ensure(unknown || given_up, "I13", || "no message is under way with this id".into());
        };
        let may_release = flow.is_received || flow.released.is_some() || is_too_large(flow.number);
        if !may_release {
            return ensure(unknown, "I13", || "no PUBREC asked for this PUBREL".into());
        }
        match flow.released {
            None => {
                *releases += 1;
                flow.released = Some(*releases);
                half.resent_release = Some(*releases);
            }
            Some(order) => {
                ensure(half.resent_release <= Some(order), "I13", || "PUBRELs are out of order".into())?;
                half.resent_release = Some(order);
            }
        }
        Ok(())
    }

    fn note_arrival(&mut self, side: Side, packet: Packet, flows: &mut Flows) {
        let [half, peer] = halves(&mut self.halves, side);
        // Answers are about what the peer published.
        let asked = &mut flows.0[side.peer().index()];
        half.has_arrived |= matches!(packet, Packet::ConnAck(_));
        self.is_confirmed |= side == Side::Client && !matches!(packet, Packet::Connect(_) | Packet::Disconnect(_));
        match packet {
            Packet::Publish(publish) => {
                if publish.packet_id.is_some() {
                    half.dues.extend(half.under_way.pop_front());
                }
            }
            Packet::PubAck(ack) | Packet::PubComp(ack) => {
                peer.window.remove(&ack.packet_id.get());
                asked.entry(ack.packet_id.get()).and_modify(|flow| flow.is_over = true);
            }
            Packet::PubRec(ack) if ack.reason.is_failure() => {
                peer.window.remove(&ack.packet_id.get());
                asked.entry(ack.packet_id.get()).and_modify(|flow| flow.is_over = true);
            }
            Packet::PubRec(ack) => {
                asked.entry(ack.packet_id.get()).and_modify(|flow| flow.is_received = true);
            }
            Packet::PubRel(ack) => half.releases.push_back(ack.packet_id.get()),
            Packet::SubAck(SubAck { packet_id, .. }) | Packet::UnsubAck(UnsubAck { packet_id, .. }) => {
                peer.requests.remove(&packet_id.get());
            }
            Packet::Connect(_)
            | Packet::ConnAck(_)
            | Packet::Subscribe(_)
            | Packet::Unsubscribe(_)
            | Packet::PingReq
            | Packet::PingResp
            | Packet::Disconnect(_)
            | Packet::Auth(_) => {}
        }
    }
}

impl Half {
    fn announce(&mut self, properties: &Properties) {
        self.receive_maximum = properties.receive_maximum().map_or(u16::MAX, |messages| messages.get());
        self.maximum_packet_size = properties.maximum_packet_size().map_or(u32::MAX, |bytes| bytes.get());
        self.topic_alias_maximum = properties.topic_alias_maximum().unwrap_or(0);
    }
}

impl Flow {
    fn new(number: u32) -> Self {
        Self { number, is_received: false, released: None, is_over: false }
    }
}

impl Flows {
    /// The session is gone: no id means anything any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(feature = "parity")]
    fn of_client(&self, number: u32) -> impl Iterator<Item = &Flow> {
        self.0[Side::Client.index()].values().filter(move |flow| flow.number == number)
    }

    /// PUBREC has come for this message of the client.
    #[cfg(feature = "parity")]
    pub(super) fn is_received(&self, number: u32) -> bool {
        self.of_client(number).any(|flow| flow.is_received)
    }

    /// PUBREL has been written for it.
    #[cfg(feature = "parity")]
    pub(super) fn is_released(&self, number: u32) -> bool {
        self.of_client(number).any(|flow| flow.released.is_some())
    }

    /// The message that this id belongs to.
    fn holder(&self, side: Side, id: u16) -> Option<u32> {
        self.0[side.index()].get(&id).filter(|flow| !flow.is_over).map(|flow| flow.number)
    }
}

/// What `side` has said, and what its peer has.
fn halves(halves: &mut [Half; 2], side: Side) -> [&mut Half; 2] {
    let [client, server] = halves;
    match side {
        Side::Client => [client, server],
        Side::Server => [server, client],
    }
}

pub(super) fn is_too_large(message: Message, version: Version, maximum: u32) -> bool {
    let packet_id = (message.qos > QoS::AtMostOnce).then_some(PacketId::MIN);
    let publish = Publish::new(message, packet_id);
    publish.encoded_len(version).is_ok_and(|len| len > maximum as usize)
}

fn split_frame(bytes: &mut Bytes) -> Option<Bytes> {
    let header = FixedHeader::parse(bytes).ok().flatten()?;
    (header.frame_len() <= bytes.len()).then(|| bytes.split_to(header.frame_len()))
}
