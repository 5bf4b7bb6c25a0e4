//! One direction of a link: bytes in flight, and an auditor that reads them.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{FixedHeader, Outbox, Packet, QoS, Version};

use super::describe;

/// What travels.
#[derive(Clone, Debug)]
pub(super) enum Item {
    Bytes(Bytes),
    End,
}

/// One direction of a link.
#[derive(Clone, Debug)]
pub(super) struct Wire {
    /// Milliseconds from one end to the other.
    pub(super) latency: u64,
    /// Bytes that arrive at a time.
    pub(super) chunk: usize,
    /// Nothing arrives any more, and nobody is told.
    pub(super) is_dead: bool,
    /// Bytes that still arrive before the link breaks.
    pub(super) cut_after: Option<usize>,
    in_flight: VecDeque<(u64, Item)>,
    audit: Audit,
}

/// Reads what one end sends on one connection, and knows what it may never do.
#[derive(Clone, Debug)]
struct Audit {
    version: Version,
    unread: BytesMut,
    has_ended: bool,
    /// Ids under way: whether it was this connection that sent their PUBLISH.
    unfinished: BTreeMap<u16, bool>,
}

impl Wire {
    pub(super) fn new(version: Version, latency: u64, chunk: usize) -> Self {
        let audit = Audit { version, unread: BytesMut::new(), has_ended: false, unfinished: BTreeMap::new() };
        Self { latency, chunk, is_dead: false, cut_after: None, in_flight: VecDeque::new(), audit }
    }

    /// Puts everything of an outbox on the wire, and tells which packets that completes.
    pub(super) fn send(&mut self, now: u64, outbox: &mut Outbox) -> Vec<String> {
        let mut bytes = outbox.copy_to_bytes(outbox.remaining());
        self.audit.unread.extend_from_slice(&bytes);
        while bytes.has_remaining() && !self.is_dead {
            let piece = bytes.split_to(self.chunk.min(bytes.len()));
            self.in_flight.push_back((now + self.latency, Item::Bytes(piece)));
        }
        self.audit.read()
    }

    /// The sender closes the transport behind what it has sent.
    pub(super) fn end(&mut self, now: u64) {
        if !self.is_dead {
            self.in_flight.push_back((now + self.latency, Item::End));
        }
    }

    /// When the next thing arrives.
    pub(super) fn next(&self) -> Option<u64> {
        self.in_flight.front().map(|(at, _)| *at)
    }

    /// Takes what has arrived at `now`. Beyond the cut nothing does.
    pub(super) fn arrive(&mut self, now: u64) -> Option<Item> {
        self.next().filter(|at| *at <= now)?;
        let (_, item) = self.in_flight.pop_front()?;
        match (item, self.cut_after.as_mut()) {
            (Item::Bytes(mut bytes), Some(left)) => {
                bytes.truncate(*left);
                *left -= bytes.len();
                Some(Item::Bytes(bytes))
            }
            (item, _) => Some(item),
        }
    }

    /// The other end has answered: which ids are free again, by what `line` says.
    pub(super) fn answered(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (name, id, reason) = (words.next(), words.nth(1), words.next());
        let Some(id) = id.and_then(|id| id.parse::<u16>().ok()) else { return };
        let is_failure = reason.is_some_and(|reason| reason.starts_with("0x8") || reason.starts_with("0x9"));
        match name {
            Some("PUBACK" | "PUBCOMP") => {
                self.audit.unfinished.remove(&id);
            }
            Some("PUBREC") if is_failure => {
                self.audit.unfinished.remove(&id);
            }
            Some(_) | None => {}
        }
    }

    /// QoS 1 and 2 messages that were sent on this connection and are not finished, as far as the wire tells.
    pub(super) fn unfinished(&self) -> usize {
        self.audit.unfinished.values().filter(|is_published| **is_published).count()
    }
}

impl Audit {
    /// Reads the packets that are complete.
    ///
    /// # Panics
    ///
    /// If a packet cannot be decoded, or breaks what holds for every sender: nothing after DISCONNECT, no id twice at a
    /// time, no PUBLISH after its PUBREL.
    fn read(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(header) = FixedHeader::parse(&self.unread).expect("what we send has a valid fixed header") {
            if header.frame_len() > self.unread.len() {
                break;
            }
            let frame = self.unread.split_to(header.frame_len()).freeze();
            let packet = Packet::decode(self.version, frame).expect("what we send can be decoded");
            let line = describe::packet(&packet);
            assert!(!self.has_ended, "nothing follows DISCONNECT (MQTT-3.14.4-1): {line}");
            self.check(&packet);
            lines.push(line);
        }
        lines
    }

    fn check(&mut self, packet: &Packet) {
        match packet {
            Packet::Disconnect(_) => self.has_ended = true,
            Packet::Publish(publish) if publish.message.qos != QoS::AtMostOnce => {
                let id = publish.packet_id.expect("QoS 1 and 2 have an id").get();
                let before = self.unfinished.insert(id, true);
                assert_eq!(before, None, "id {id} is taken (MQTT-2.2.1-3), and one connection sends a message once");
            }
            Packet::PubRel(ack) => {
                self.unfinished.entry(ack.packet_id.get()).or_insert(false);
            }
            _ => {}
        }
    }
}
