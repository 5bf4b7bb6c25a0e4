//! SUBSCRIBE (section 3.8 of both standards).

use alloc::vec::Vec;

use bytes::Bytes;

use crate::{
    EncodeError, PacketId, PacketType, Properties, PropertyId, PropertyValue, ProtocolError, QoS, RetainHandling, Rule,
    Storage, SubscriptionId, Text, TopicFilter, Version,
    property::Place,
    read::{FILTER, Reader},
    rules,
    write::{Sink, Write},
};

/// One topic filter of a SUBSCRIBE, and its options (5.0 section 3.8.3.1).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Subscription<B: Storage = Bytes> {
    /// What is asked for.
    pub filter: TopicFilter<B>,
    /// The highest QoS wanted.
    pub qos: QoS,
    /// Not the messages that this client publishes itself (5.0); false in MQTT 3.x.
    pub no_local: bool,
    /// Messages keep their retain flag (5.0); false in MQTT 3.x.
    pub retain_as_published: bool,
    /// Which retained messages to send at once (5.0); [`RetainHandling::Send`] in MQTT 3.x.
    pub retain_handling: RetainHandling,
}

impl<B: Storage> Subscription<B> {
    /// A subscription with the options that MQTT 3.x has.
    #[must_use]
    pub const fn new(filter: TopicFilter<B>, qos: QoS) -> Self {
        Self { filter, qos, no_local: false, retain_as_published: false, retain_handling: RetainHandling::Send }
    }
}

/// SUBSCRIBE: a client asks for messages.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Subscribe<B: Storage = Bytes> {
    /// Which request. A [`Connection`](crate) chooses it itself.
    pub packet_id: PacketId,
    /// What is asked for; at least one.
    pub subscriptions: Vec<Subscription<B>>,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Subscribe<B> {
    /// A request without properties, with the smallest packet identifier.
    #[must_use]
    pub fn new(subscriptions: Vec<Subscription<B>>) -> Self {
        Self { packet_id: PacketId::MIN, subscriptions, properties: Properties::default() }
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

impl<B: Storage> Subscribe<B> {
    pub(super) fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        let packet_id = reader.packet_id()?;
        let (properties, _) = Properties::decode(reader, Place::of(PacketType::Subscribe))?;
        if reader.is_empty() {
            return Err(reader.fail("payload", &EMPTY));
        }
        let mut subscriptions = Vec::new();
        while !reader.is_empty() {
            subscriptions.push(Subscription::decode(reader)?);
        }
        Ok(Self { packet_id, subscriptions, properties })
    }
}

impl<B: Storage> Subscription<B> {
    fn decode(reader: &mut Reader<'_, B>) -> Result<Self, ProtocolError> {
        let filter = reader.filter(&FILTER_UTF8)?;
        let at = reader.position();
        let options = reader.u8(OPTIONS)?;
        let reserved = match reader.version() {
            Version::V31 | Version::V311 => 0b1111_1100,
            Version::V5 => 0b1100_0000,
        };
        if options & reserved != 0 {
            return Err(reader.fail_at(at, OPTIONS, &RESERVED));
        }
        let Some(qos) = QoS::new(options & 0b11) else {
            return Err(reader.fail_at(at, OPTIONS, &QOS_3));
        };
        let Some(retain_handling) = RetainHandling::new(options >> 4 & 0b11) else {
            return Err(reader.fail_at(at, OPTIONS, &RETAIN_HANDLING_3));
        };
        let no_local = options & NO_LOCAL != 0;
        if no_local && filter.is_shared() {
            return Err(reader.fail_at(at, "No Local", &NO_LOCAL_SHARED));
        }
        Ok(Self { filter, qos, no_local, retain_as_published: options & RETAIN_AS_PUBLISHED != 0, retain_handling })
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::Subscribe;
        check_share(packet, &self.filter, version)?;
        if self.no_local && self.filter.is_shared() {
            let rule = "a shared subscription gets all messages [MQTT-3.8.3-4]";
            return Err(EncodeError::Forbidden { packet, field: "No Local", rule });
        }
        let no_local = if self.no_local { NO_LOCAL } else { 0 };
        let retain_as_published = if self.retain_as_published { RETAIN_AS_PUBLISHED } else { 0 };
        let options = no_local | retain_as_published | (self.retain_handling as u8) << 4;
        if options != 0 && version != Version::V5 {
            return Err(EncodeError::NotInVersion { packet, field: OPTIONS, version });
        }
        sink.section(self.filter.as_bytes());
        sink.u8(options | self.qos as u8);
        Ok(())
    }
}

/// The type holds filters of all versions.
pub(super) fn check_share<B: Storage>(
    packet: PacketType,
    filter: &TopicFilter<B>,
    version: Version,
) -> Result<(), EncodeError> {
    if filter.is_legal_in(version) {
        return Ok(());
    }
    let rule = "a shared subscription is $share/name/filter, its name without / + # [MQTT-4.8.2-2]";
    Err(EncodeError::Forbidden { packet, field: FILTER, rule })
}

impl<B: Storage> Write for Subscribe<B> {
    fn packet_type(&self) -> PacketType {
        PacketType::Subscribe
    }

    fn write<S: Sink>(&self, version: Version, sink: &mut S) -> Result<(), EncodeError> {
        let packet = PacketType::Subscribe;
        if self.subscriptions.is_empty() {
            let rule = "at least one is needed [MQTT-3.8.3-2]";
            return Err(EncodeError::Missing { packet, field: FILTER, rule });
        }
        sink.u16(self.packet_id.get());
        self.properties.write(packet, Place::of(packet), version, None, sink)?;
        self.subscriptions.iter().try_for_each(|subscription| subscription.write(version, sink))
    }
}

impl Subscribe<Bytes> {
    /// Sets the number that comes with each message of these subscriptions (5.0 section 3.8.2.1.2).
    #[must_use]
    pub fn with_subscription_identifier(mut self, id: SubscriptionId) -> Self {
        self.properties.set(PropertyId::SubscriptionIdentifier, PropertyValue::Number(id.get()));
        self
    }

    /// Adds a User Property; names may repeat (5.0).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }
}

const OPTIONS: &str = "subscription options";
const NO_LOCAL: u8 = 0b0000_0100;
const RETAIN_AS_PUBLISHED: u8 = 0b0000_1000;

const EMPTY: Rule = Rule::protocol("asks for nothing", "MQTT-3.8.3-3", "MQTT-3.8.3-2");
const FILTER_UTF8: Rule = Rule::malformed(rules::UTF8_WORDS, "MQTT-3.8.3-1", "MQTT-3.8.3-1");
const RESERVED: Rule = Rule::malformed("the reserved bits must be 0", "MQTT-3.8.3-4", "MQTT-3.8.3-5");
const QOS_3: Rule = Rule::protocol("there is no QoS 3", "MQTT-3.8.3-4", "U5-3.8.3.1a");
const RETAIN_HANDLING_3: Rule = Rule::protocol("there is no Retain Handling 3", "MQTT-3.8.3-4", "U5-3.8.3.1b");
const NO_LOCAL_SHARED: Rule =
    Rule::protocol("must not be set for a shared subscription", "MQTT-3.8.3-4", "MQTT-3.8.3-4");
