//! PUBLISH (section 3.3 of both standards).

use core::{num::NonZeroU16, ops::Range};

use bytes::{Bytes, BytesMut};

use crate::{
    EncodeError, Message, Packet, PacketId, PacketType, Properties, ProtocolError, QoS, Rule, Storage, TopicName,
    Version, frame,
    property::{Apart, Place},
    read::Reader,
    rules, topic, varint,
    write::{self, Sink},
};

/// PUBLISH: a message on its way.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Publish<B: Storage = Bytes> {
    /// The message. Its topic is empty when a Topic Alias stands for it.
    pub message: Message<B>,
    /// It may have been sent before.
    pub dup: bool,
    /// There with QoS 1 and 2, and only there.
    pub packet_id: Option<PacketId>,
    /// A number that stands for the topic from now on, or already does (5.0).
    pub topic_alias: Option<NonZeroU16>,
}

impl<B: Storage> Publish<B> {
    /// A PUBLISH of this message, sent for the first time, without a Topic Alias.
    #[must_use]
    pub const fn new(message: Message<B>, packet_id: Option<PacketId>) -> Self {
        Self { message, dup: false, packet_id, topic_alias: None }
    }

    /// Length of the whole packet in bytes, with its fixed header.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`].
    pub fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        self.parts().encoded_len(version)
    }

    /// Writes the whole packet at the end of `out`.
    ///
    /// # Errors
    ///
    /// If the packet cannot be written: see [`EncodeError`]. Then `out` is left as it was.
    // The shortest way within the caller's code: 15 instructions less, and few callers.
    #[inline(always)]
    pub fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        let is_written = match (version, self.packet_id) {
            (Version::V31 | Version::V311, None) => self.encode_short::<0>(out),
            (Version::V31 | Version::V311, Some(_)) => self.encode_ended::<2>(out),
            (Version::V5, None) => self.encode_ended::<1>(out),
            (Version::V5, Some(_)) => self.encode_ended::<3>(out),
        };
        if is_written { Ok(()) } else { self.encode_any(version, out) }
    }

    #[inline(never)]
    fn encode_ended<const END: usize>(&self, out: &mut BytesMut) -> bool {
        self.encode_short::<END>(out)
    }

    /// Writes the packet, if it is [short](PublishParts::encode_short).
    #[inline(always)]
    fn encode_short<const END: usize>(&self, out: &mut BytesMut) -> bool {
        let is_written = self.parts().encode_short::<END>(out);
        if is_written {
            out.extend_from_slice(self.message.payload.as_ref());
        }
        is_written
    }

    #[inline(never)]
    fn encode_any(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.parts().encode_any(version, out)?;
        out.extend_from_slice(self.message.payload.as_ref());
        Ok(())
    }

    /// The same packet, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> Publish<Bytes> {
        let Self { message, dup, packet_id, topic_alias } = self;
        Publish { message: message.to_shared(), dup: *dup, packet_id: *packet_id, topic_alias: *topic_alias }
    }

    #[inline(always)]
    fn parts(&self) -> PublishParts<'_, B> {
        let Self { message, dup, packet_id, topic_alias } = self;
        PublishParts { message, dup: *dup, packet_id: *packet_id, topic_alias: *topic_alias, omit_topic: false }
    }

    // Into `Packet::decode`, whose one call this is.
    #[inline(always)]
    pub(super) fn decode(version: Version, frame: B) -> Result<Packet<B>, ProtocolError> {
        let (first, body) = match *frame.as_ref() {
            [first, low @ 0..0x80, ref body @ ..] if usize::from(low) == body.len() => (first, body),
            [first, low, high @ 1..0x80, ref body @ ..]
                if low >= 0x80 && (usize::from(high) << 7 | usize::from(low & 0x7F)) == body.len() =>
            {
                (first, body)
            }
            _ => {
                let (header, body) = frame::split(version, frame.as_ref())?;
                (header.first_byte(), body)
            }
        };
        let mut reader = Reader::new(&frame, body, PacketType::Publish, version);
        let Some(qos) = QoS::new(first >> 1 & 0b11) else {
            return Err(reader.fail_at(0, "QoS", &QOS_3));
        };
        if qos == QoS::AtMostOnce && first & DUP != 0 {
            return Err(reader.fail_at(0, "DUP", &DUP_QOS_0));
        }
        let topic = reader.topic(TOPIC, &TOPIC_UTF8, &TOPIC_WILDCARD)?;
        // MQTT-2.2.1-2
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let head = Head { first, qos, topic, packet_id };
        if version == Version::V5 {
            if reader.peek() != Some(0) {
                return head.decode_properties(reader.position(), frame);
            }
            reader.u8("Property Length")?;
        }
        let payload_at = reader.position();
        if head.topic.is_empty() {
            return Err(head.no_topic(version));
        }
        Ok(head.publish(frame, payload_at, Properties::default(), None))
    }
}

/// What PUBLISH has before its properties.
struct Head {
    first: u8,
    qos: QoS,
    topic: Range<usize>,
    packet_id: Option<PacketId>,
}

impl Head {
    /// Reads the rest of a packet that has properties, from byte `at` on.
    #[inline(never)]
    fn decode_properties<B: Storage>(self, at: usize, frame: B) -> Result<Packet<B>, ProtocolError> {
        let body = frame.as_ref().get(at..).unwrap_or_default();
        let mut reader = Reader::new(&frame, body, PacketType::Publish, Version::V5);
        let (properties, alias) = Properties::decode(&mut reader, Place::of(PacketType::Publish))?;
        let topic_alias = alias.and_then(|number| u16::try_from(number).ok()).and_then(NonZeroU16::new);
        if self.topic.is_empty() && topic_alias.is_none() {
            return Err(self.no_topic(Version::V5));
        }
        let payload_at = reader.position();
        Ok(self.publish(frame, payload_at, properties, topic_alias))
    }

    #[cold]
    fn no_topic(&self, version: Version) -> ProtocolError {
        // Where its length stands.
        let at = self.topic.start.saturating_sub(2);
        ProtocolError::new(version, Some(PacketType::Publish), TOPIC, &TOPIC_EMPTY).at(at)
    }

    #[inline(always)]
    fn publish<B: Storage>(
        self,
        frame: B,
        payload_at: usize,
        properties: Properties<B>,
        topic_alias: Option<NonZeroU16>,
    ) -> Packet<B> {
        let Self { first, qos, topic, packet_id } = self;
        let topic = TopicName::trusted(frame.slice(topic));
        let payload = frame.into_tail(payload_at);
        let message = Message { topic, payload, qos, retain: first & RETAIN != 0, properties };
        Packet::Publish(Publish { message, dup: first & DUP != 0, packet_id, topic_alias })
    }
}

/// What PUBLISH is written from, when the message stays where it is.
#[derive(Debug)]
pub(crate) struct PublishParts<'a, B: Storage = Bytes> {
    pub(crate) message: &'a Message<B>,
    pub(crate) dup: bool,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) topic_alias: Option<NonZeroU16>,
    /// Leave the topic empty: the alias stands for it.
    pub(crate) omit_topic: bool,
}

// Derived, they would want `B: Copy`.
impl<B: Storage> Clone for PublishParts<'_, B> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<B: Storage> Copy for PublishParts<'_, B> {}

impl<'a, B: Storage> PublishParts<'a, B> {
    /// Length of the whole packet in bytes, with its fixed header and payload.
    pub(crate) fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        Ok(write::frame_len(self.remaining_len(self.property_length(version)?)?))
    }

    /// Writes all of the packet but the payload.
    #[inline(always)]
    pub(crate) fn encode_header(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        let is_written = match (version, self.packet_id) {
            (Version::V5, Some(_)) => self.encode_apart::<3>(out),
            (Version::V5, None) => self.encode_apart::<1>(out),
            (Version::V31 | Version::V311, Some(_)) => self.encode_apart::<2>(out),
            (Version::V31 | Version::V311, None) => self.encode_apart::<0>(out),
        };
        if is_written { Ok(()) } else { self.encode_any(version, out) }
    }

    // Within what sends a message, the compiler would not inline what this calls.
    #[inline(never)]
    fn encode_apart<const END: usize>(&self, out: &mut BytesMut) -> bool {
        self.encode_short::<END>(out)
    }

    /// All but the payload of a packet without properties and of less than 130 bytes: nothing of any other, and of one that
    /// breaks a rule. `END` is how many bytes stand between topic and payload: two of a packet identifier and, in 5.0, one of a
    /// Property Length.
    // Apart from `encode_any`, which takes 60 instructions more. No topic here is too long for 3.1.
    #[inline(always)]
    fn encode_short<const END: usize>(&self, out: &mut BytesMut) -> bool {
        let Message { payload, qos, retain, properties, .. } = self.message;
        let is_legal = if END < 2 { (*qos == QoS::AtMostOnce) & !self.dup } else { *qos != QoS::AtMostOnce };
        // Few branches: behind many the compiler takes what follows for rare, and calls what it should inline.
        if !(self.topic_alias.is_none() & properties.is_none() & is_legal) {
            return false;
        }
        let topic = self.topic();
        if topic.is_empty() {
            return false;
        }
        // The sum of a slice's length, a topic's and a few bytes does not overflow.
        let len = END.wrapping_add(2).wrapping_add(topic.len()).wrapping_add(payload.as_ref().len());
        if len >= 0x80 {
            return false;
        }
        // A topic in it is as short.
        let first = if END < 2 { FIRST | u8::from(*retain) } else { self.first_byte() };
        out.put(&(u32::from(first) | (len as u32) << 8 | (topic.len() as u32) << 24).to_le_bytes());
        out.put(topic);
        let [high, low] = self.packet_id.map_or(0, PacketId::get).to_be_bytes();
        match END {
            3 => out.put(&[high, low, NO_PROPERTIES]),
            2 => out.put(&[high, low]),
            1 => out.u8(NO_PROPERTIES),
            _ => {}
        }
        true
    }

    #[inline(always)]
    fn encode_any(self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        let property_length = self.property_length(version)?;
        let remaining = self.remaining_len(property_length)?;
        let (topic, first) = (self.topic(), self.first_byte());
        let [high, low] = (topic.len() as u16).to_be_bytes();
        let [one, two, three, four] = [0, 7, 14, 21].map(|shift| (remaining >> shift) as u8 | 0x80);
        match varint::len(remaining) {
            1 => out.put(&[first, remaining as u8, high, low]),
            2 => out.put(&[first, one, two & 0x7F, high, low]),
            3 => out.put(&[first, one, two, three & 0x7F, high, low]),
            _ => out.put(&[first, one, two, three, four & 0x7F, high, low]),
        }
        out.put(topic);
        if let Some(packet_id) = self.packet_id {
            out.u16(packet_id.get());
        }
        if let Some(length) = property_length {
            out.varint(length);
            self.message.properties.write_bytes(self.alias(), out);
        }
        Ok(())
    }

    #[inline]
    fn topic(&self) -> &'a [u8] {
        if self.omit_topic { &[] } else { self.message.topic.as_bytes() }
    }

    #[inline]
    fn alias(&self) -> Option<Apart> {
        self.topic_alias.map(Apart::TopicAlias)
    }

    #[inline]
    fn first_byte(&self) -> u8 {
        let dup = if self.dup { DUP } else { 0 };
        (PacketType::Publish as u8) << 4 | dup | (self.message.qos as u8) << 1 | self.message.retain as u8
    }

    /// Checks the packet; returns the Property Length, if the version has one.
    #[inline(always)]
    fn property_length(&self, version: Version) -> Result<Option<u32>, EncodeError> {
        self.check(version)?;
        let place = Place::of(PacketType::Publish);
        self.message.properties.length(PacketType::Publish, place, version, self.alias())
    }

    #[inline]
    fn remaining_len(&self, property_length: Option<u32>) -> Result<u32, EncodeError> {
        let id = if self.packet_id.is_some() { 2 } else { 0 };
        let properties = property_length.map_or(0, varint::len_with);
        // A topic and properties have not as many bytes as could overflow.
        let head = 2usize.wrapping_add(self.topic().len()).wrapping_add(id).wrapping_add(properties);
        let len = head.saturating_add(self.message.payload.as_ref().len());
        write::as_varint(len, PacketType::Publish, "Remaining Length")
    }

    #[inline(always)]
    fn check(&self, version: Version) -> Result<(), EncodeError> {
        let topic = self.topic();
        let is_qos_0 = self.message.qos == QoS::AtMostOnce;
        let has_topic = !topic.is_empty() || self.topic_alias.is_some();
        let is_too_long = version == Version::V31 && topic::is_too_long_for_v31(topic);
        if has_topic && !is_too_long && self.packet_id.is_none() == is_qos_0 && !(is_qos_0 && self.dup) {
            return Ok(());
        }
        Err(self.mistake(has_topic, is_too_long))
    }

    #[cold]
    fn mistake(self, has_topic: bool, is_too_long: bool) -> EncodeError {
        let packet = PacketType::Publish;
        if !has_topic {
            let rule = "only a Topic Alias can stand for the topic name [U5-3.3.2.1]";
            return EncodeError::Missing { packet, field: TOPIC, rule };
        }
        if is_too_long {
            return EncodeError::TooLong { packet, field: TOPIC, max: topic::V31_MAX_CHARS };
        }
        let field = "packet identifier";
        match (self.message.qos, self.packet_id) {
            (QoS::AtMostOnce, Some(_)) => {
                let rule = "a message of QoS 0 has none [MQTT-2.2.1-2]";
                EncodeError::Forbidden { packet, field, rule }
            }
            (QoS::AtLeastOnce | QoS::ExactlyOnce, _) => {
                let rule = "a message of QoS 1 or 2 needs one [MQTT-2.2.1-3]";
                EncodeError::Missing { packet, field, rule }
            }
            (QoS::AtMostOnce, None) => {
                let rule = "a message of QoS 0 is never sent again [MQTT-3.3.1-2]";
                EncodeError::Forbidden { packet, field: "DUP", rule }
            }
        }
    }
}

const TOPIC: &str = "topic name";
const DUP: u8 = 0b1000;
const RETAIN: u8 = 0b0001;
const FIRST: u8 = (PacketType::Publish as u8) << 4;
/// A Property Length: no properties are no reason to leave it out. // MQTT-2.2.2-1
const NO_PROPERTIES: u8 = 0;

const QOS_3: Rule = Rule::malformed("there is no QoS 3", "MQTT-3.3.1-4", "MQTT-3.3.1-4");
const DUP_QOS_0: Rule = Rule::malformed("must not be set with QoS 0", "MQTT-3.3.1-2", "MQTT-3.3.1-2");
const TOPIC_UTF8: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.3.2-1", "MQTT-3.3.2-1");
const TOPIC_WILDCARD: Rule = Rule::malformed(rules::WILDCARD_WORDS, "MQTT-3.3.2-2", "MQTT-3.3.2-2");
/// In 3.x an empty name is malformed; in 5.0 it is one without its alias.
const TOPIC_EMPTY: Rule =
    Rule::protocol("must not be empty, but where a Topic Alias stands for it", "MQTT-4.7.3-1", "U5-3.3.2.1");

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TopicName;

    #[test]
    fn parts_leave_the_topic_to_its_alias_and_the_payload_to_others() {
        let message = Message::new(TopicName::from_static("a/b"), "payload").with_qos(QoS::AtLeastOnce);
        let (packet_id, topic_alias) = (PacketId::new(7), NonZeroU16::new(9));
        let parts = PublishParts { message: &message, dup: true, packet_id, topic_alias, omit_topic: true };
        let mut out = BytesMut::new();
        assert_eq!(parts.encode_header(Version::V5, &mut out), Ok(()));
        assert_eq!(out, &b"\x3A\x0F\x00\x00\x00\x07\x03\x23\x00\x09"[..]);
        assert_eq!(parts.encoded_len(Version::V5), Ok(out.len() + 7));

        let without_alias = PublishParts { topic_alias: None, ..parts };
        assert!(matches!(without_alias.encoded_len(Version::V5), Err(EncodeError::Missing { field: TOPIC, .. })));
    }

    #[test]
    fn short_messages_are_written_as_all_others_are() {
        for payload in (0..200).chain(16_300..16_400) {
            for (version, packet_id) in [
                (Version::V311, None),
                (Version::V311, PacketId::new(7)),
                (Version::V5, None),
                (Version::V5, PacketId::new(7)),
            ] {
                let qos = if packet_id.is_some() { QoS::ExactlyOnce } else { QoS::AtMostOnce };
                let message = Message::new(TopicName::from_static("a/b"), alloc::vec![b'p'; payload]);
                let publish = Publish::new(message.with_qos(qos).with_retain(true), packet_id);
                let [mut short, mut any] = [BytesMut::new(), BytesMut::new()];
                assert_eq!(
                    (publish.encode(version, &mut short), publish.encode_any(version, &mut any)),
                    (Ok(()), Ok(()))
                );
                assert_eq!(short, any);
                assert_eq!(publish.encoded_len(version), Ok(any.len()));
            }
        }
    }
}
