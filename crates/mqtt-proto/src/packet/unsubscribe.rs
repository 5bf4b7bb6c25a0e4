//! UNSUBSCRIBE (section 3.10 of both standards).

use alloc::vec::Vec;

use bytes::Bytes;

use super::subscribe::check_share;
use crate::{
    EncodeError, PacketId, PacketType, Properties, PropertyId, PropertyValue, ProtocolError, Rule, Storage, Text,
    TopicFilter, Version,
    property::Place,
    read::{FILTER, Reader},
    rules,
    write::{Sink, Write},
};

/// UNSUBSCRIBE: a client wants messages no more.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Unsubscribe<B: Storage = Bytes> {
    /// Which request. A [`Connection`](crate) chooses it itself.
    pub packet_id: PacketId,
    /// The filters as they were subscribed; at least one.
    pub filters: Vec<TopicFilter<B>>,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Unsubscribe<B> {
    /// A request without properties, with the smallest packet identifier.
    #[must_use]
    pub fn new(filters: Vec<TopicFilter<B>>) -> Self {
        Self { packet_id: PacketId::MIN, filters, properties: Properties::default() }
    }

    /// Sets the packet identifier, for users of the codec alone.
    #[must_use]
    pub fn with_packet_id(mut self, packet_id: PacketId) -> Self {
        self.packet_id = packet_id;
        self
    }

    /// The properties; none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }
}

impl<B: Storage> Unsubscribe<B> {
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        let packet_id = reader.packet_id()?;
        let (properties, _) = Properties::decode(reader, Place::of(PacketType::Unsubscribe))?;
        if reader.is_empty() {
            return Err(reader.fail("payload", &EMPTY));
        }
        let mut filters = Vec::new();
        while !reader.is_empty() {
            filters.push(reader.filter(&FILTER_UTF8)?);
        }
        Ok(Self { packet_id, filters, properties })
    }
}

impl<B: Storage> Write for Unsubscribe<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::Unsubscribe
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::Unsubscribe;
        if self.filters.is_empty() {
            let rule = "at least one is needed [MQTT-3.10.3-2]";
            return Err(EncodeError::Missing { packet, field: FILTER, rule });
        }
        sink.u16(self.packet_id.get());
        self.properties.write(packet, Place::of(packet), version, None, sink)?;
        self.filters.iter().try_for_each(|filter| {
            check_share(packet, filter, version)?;
            sink.section(filter.as_bytes());
            Ok(())
        })
    }
}

impl Unsubscribe<Bytes> {
    /// Adds a User Property; names may repeat (5.0).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }
}

const EMPTY: Rule = Rule::protocol("names no filter", "MQTT-3.10.3-2", "MQTT-3.10.3-2");
const FILTER_UTF8: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.10.3-1", "MQTT-3.10.3-1");
