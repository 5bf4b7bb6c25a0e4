//! PUBLISH (section 3.3 of both standards).

use core::num::NonZeroU16;

use bytes::{Bytes, BytesMut};

use crate::{
    EncodeError, Message, PacketId, PacketType, Properties, PropertyId, ProtocolError, QoS, Rule, Storage, Version,
    property::Place,
    read::Reader,
    rules, topic,
    write::{self, Sink, Write},
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
    pub fn encode(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.parts().encode_header(version, out)?;
        out.extend_from_slice(self.message.payload.as_ref());
        Ok(())
    }

    /// The same packet, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> Publish<Bytes> {
        let Self { message, dup, packet_id, topic_alias } = self;
        Publish { message: message.to_shared(), dup: *dup, packet_id: *packet_id, topic_alias: *topic_alias }
    }

    fn parts(&self) -> PublishParts<'_, B> {
        let Self { message, dup, packet_id, topic_alias } = self;
        PublishParts { message, dup: *dup, packet_id: *packet_id, topic_alias: *topic_alias, omit_topic: false }
    }

    // Into `Packet::decode`, whose one call this is: the reader stays in registers.
    #[inline(always)]
    pub(super) fn decode(mut reader: Reader<'_, B>, flags: u8) -> Result<Self, ProtocolError> {
        let Some(qos) = QoS::new(flags >> 1 & 0b11) else {
            return Err(reader.fail_at(0, "QoS", &QOS_3));
        };
        let dup = flags & DUP != 0;
        if dup && qos == QoS::AtMostOnce {
            return Err(reader.fail_at(0, "DUP", &DUP_QOS_0));
        }
        let topic_at = reader.position();
        let topic = reader.topic(TOPIC, &TOPIC_UTF8, &TOPIC_WILDCARD)?;
        // MQTT-2.2.1-2
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(reader.packet_id()?) };
        let (properties, alias) = Properties::decode(&mut reader, Place::of(PacketType::Publish))?;
        let topic_alias = alias.and_then(|number| u16::try_from(number).ok()).and_then(NonZeroU16::new);
        if topic.as_bytes().is_empty() && topic_alias.is_none() {
            return Err(reader.fail_at(topic_at, TOPIC, &TOPIC_EMPTY));
        }
        let message = Message { topic, payload: reader.tail(), qos, retain: flags & RETAIN != 0, properties };
        Ok(Self { message, dup, packet_id, topic_alias })
    }
}

/// What PUBLISH is written from, when the message stays where it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublishParts<'a, B: Storage = Bytes> {
    pub(crate) message: &'a Message<B>,
    pub(crate) dup: bool,
    pub(crate) packet_id: Option<PacketId>,
    pub(crate) topic_alias: Option<NonZeroU16>,
    /// Leave the topic empty: the alias stands for it.
    pub(crate) omit_topic: bool,
}

impl<B: Storage> PublishParts<'_, B> {
    /// Length of the whole packet in bytes, with its fixed header and payload.
    pub(crate) fn encoded_len(&self, version: Version) -> Result<usize, EncodeError> {
        write::encoded_len(self, version)
    }

    /// Writes all of the packet but the payload.
    pub(crate) fn encode_header(&self, version: Version, out: &mut BytesMut) -> Result<(), EncodeError> {
        write::encode(self, version, out)
    }

    fn check(&self, topic: &[u8], version: Version) -> Result<(), EncodeError> {
        let packet = PacketType::Publish;
        if topic.is_empty() && self.topic_alias.is_none() {
            let rule = "only a Topic Alias can stand for the topic name [U5-3.3.2.1]";
            return Err(EncodeError::Missing { packet, field: TOPIC, rule });
        }
        if version == Version::V31 && topic::is_too_long_for_v31(topic) {
            return Err(EncodeError::TooLong { packet, field: TOPIC, max: topic::V31_MAX_CHARS });
        }
        let field = "packet identifier";
        match (self.message.qos, self.packet_id) {
            (QoS::AtMostOnce, None) => {}
            (QoS::AtMostOnce, Some(_)) => {
                let rule = "a message of QoS 0 has none [MQTT-2.2.1-2]";
                return Err(EncodeError::Forbidden { packet, field, rule });
            }
            (QoS::AtLeastOnce | QoS::ExactlyOnce, Some(_)) => {}
            (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => {
                let rule = "a message of QoS 1 or 2 needs one [MQTT-2.2.1-3]";
                return Err(EncodeError::Missing { packet, field, rule });
            }
        }
        if self.dup && self.message.qos == QoS::AtMostOnce {
            let rule = "a message of QoS 0 is never sent again [MQTT-3.3.1-2]";
            return Err(EncodeError::Forbidden { packet, field: "DUP", rule });
        }
        Ok(())
    }
}

impl<B: Storage> Write for PublishParts<'_, B> {
    fn packet_type(&self) -> PacketType {
        PacketType::Publish
    }

    fn flags(&self) -> u8 {
        let dup = if self.dup { DUP } else { 0 };
        let retain = if self.message.retain { RETAIN } else { 0 };
        dup | (self.message.qos as u8) << 1 | retain
    }

    fn detached(&self) -> usize {
        self.message.payload.as_ref().len()
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let topic = if self.omit_topic { &[] } else { self.message.topic.as_bytes() };
        self.check(topic, version)?;
        sink.section(topic);
        if let Some(packet_id) = self.packet_id {
            sink.u16(packet_id.get());
        }
        let alias = self.topic_alias.map(|alias| (PropertyId::TopicAlias, alias.get().into()));
        self.message.properties.write(PacketType::Publish, Place::of(PacketType::Publish), version, alias, sink)
    }
}

const TOPIC: &str = "topic name";
const DUP: u8 = 0b1000;
const RETAIN: u8 = 0b0001;

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
}
