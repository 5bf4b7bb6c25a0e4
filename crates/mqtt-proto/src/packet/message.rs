//! A message of the application: what PUBLISH carries, and what a will is.

use core::fmt;

use bytes::Bytes;

use crate::{Properties, PropertyId, PropertyValue, QoS, Storage, SubscriptionId, Text, TopicName};

/// A message of the application: a topic, a payload, and how to deliver it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Message<B: Storage = Bytes> {
    /// Where it is published.
    pub topic: TopicName<B>,
    /// The content, of any bytes.
    pub payload: B,
    /// How often it may arrive.
    pub qos: QoS,
    /// Sent: the server shall keep it for later subscribers. Received: the server had kept it.
    pub retain: bool,
    pub(crate) properties: Properties<B>,
}

impl<B: Storage> Message<B> {
    /// The properties (5.0 section 3.3.2.3); none in MQTT 3.x.
    #[must_use]
    pub const fn properties(&self) -> &Properties<B> {
        &self.properties
    }

    /// The same message, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> Message<Bytes> {
        Message {
            topic: self.topic.to_shared(),
            payload: self.payload.to_shared(),
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.to_shared(),
        }
    }
}

impl Message<Bytes> {
    /// A message of QoS 0, not retained.
    #[must_use]
    pub fn new(topic: TopicName, payload: impl Into<Bytes>) -> Self {
        Self { topic, payload: payload.into(), qos: QoS::AtMostOnce, retain: false, properties: Properties::default() }
    }

    /// The same message in memory of its own, in one allocation. What came over a connection shares the buffer it came in, with
    /// other messages perhaps: whoever keeps a small message for long saves memory by a copy.
    #[must_use]
    pub fn compacted(&self) -> Self {
        let (topic, properties) = (self.topic.as_bytes(), self.properties.as_bytes());
        let all = Bytes::from([topic, properties, &self.payload].concat());
        let (topic_end, payload_start) = (topic.len(), all.len().saturating_sub(self.payload.len()));
        Self {
            topic: TopicName::trusted(Storage::slice(&all, 0..topic_end)),
            payload: Storage::slice(&all, payload_start..all.len()),
            qos: self.qos,
            retain: self.retain,
            properties: self.properties.in_bytes(Storage::slice(&all, topic_end..payload_start)),
        }
    }

    /// Sets the quality of service.
    #[must_use]
    pub fn with_qos(mut self, qos: QoS) -> Self {
        self.qos = qos;
        self
    }

    /// Sets whether the server shall keep the message for later subscribers.
    #[must_use]
    pub fn with_retain(mut self, retain: bool) -> Self {
        self.retain = retain;
        self
    }

    /// Says whether the payload is UTF-8 text (5.0 section 3.3.2.3.2).
    #[must_use]
    pub fn with_payload_format_indicator(mut self, is_text: bool) -> Self {
        self.properties.set(PropertyId::PayloadFormatIndicator, PropertyValue::Byte(is_text.into()));
        self
    }

    /// Sets how long the message is worth delivering, in seconds (5.0 section 3.3.2.3.3).
    #[must_use]
    pub fn with_message_expiry_interval(mut self, seconds: u32) -> Self {
        self.properties.set(PropertyId::MessageExpiryInterval, PropertyValue::Number(seconds));
        self
    }

    /// Describes the payload, say by a MIME type (5.0 section 3.3.2.3.9).
    #[must_use]
    pub fn with_content_type(mut self, content_type: Text) -> Self {
        self.properties.set(PropertyId::ContentType, PropertyValue::Text(&content_type));
        self
    }

    /// Says where an answer is awaited (5.0 section 3.3.2.3.5).
    #[must_use]
    pub fn with_response_topic(mut self, topic: TopicName) -> Self {
        self.properties.set(PropertyId::ResponseTopic, PropertyValue::Text(&topic));
        self
    }

    /// Sets bytes that an answer repeats (5.0 section 3.3.2.3.6). More than 65,535 make the message impossible to encode.
    #[must_use]
    pub fn with_correlation_data(mut self, data: impl Into<Bytes>) -> Self {
        self.properties.set(PropertyId::CorrelationData, PropertyValue::Binary(&data.into()));
        self
    }

    /// Adds a User Property; names may repeat (5.0 section 3.3.2.3.7).
    #[must_use]
    pub fn with_user_property(mut self, name: Text, value: Text) -> Self {
        self.properties.add(PropertyId::UserProperty, PropertyValue::Pair(&name, &value));
        self
    }

    /// Adds a Subscription Identifier: for servers alone (5.0 section 3.3.2.3.8).
    #[must_use]
    pub fn with_subscription_identifier(mut self, id: SubscriptionId) -> Self {
        self.properties.add(PropertyId::SubscriptionIdentifier, PropertyValue::Number(id.get()));
        self
    }
}

impl<B: Storage> fmt::Debug for Message<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("payload", &self.payload)
            .field("qos", &self.qos)
            .field("retain", &self.retain)
            .field("properties", &self.properties)
            .finish()
    }
}
