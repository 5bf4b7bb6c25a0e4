//! One accessor for each property, typed.

use core::num::{NonZeroU16, NonZeroU32};

use super::{Properties, PropertyId, PropertyValue};
use crate::{QoS, Storage, SubscriptionId};

/// One accessor for each property; the sections are those of 5.0.
impl<B: Storage> Properties<B> {
    /// Payload Format Indicator: whether the payload is UTF-8 text (3.3.2.3.2).
    #[must_use]
    pub fn payload_format_indicator(&self) -> Option<bool> {
        self.flag(PropertyId::PayloadFormatIndicator)
    }

    /// Message Expiry Interval, in seconds (3.3.2.3.3).
    #[must_use]
    pub fn message_expiry_interval(&self) -> Option<u32> {
        self.number(PropertyId::MessageExpiryInterval)
    }

    /// Content Type (3.3.2.3.9).
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.text(PropertyId::ContentType)
    }

    /// Response Topic (3.3.2.3.5).
    #[must_use]
    pub fn response_topic(&self) -> Option<&str> {
        self.text(PropertyId::ResponseTopic)
    }

    /// Correlation Data (3.3.2.3.6).
    #[must_use]
    pub fn correlation_data(&self) -> Option<&[u8]> {
        self.binary(PropertyId::CorrelationData)
    }

    /// Session Expiry Interval, in seconds; `u32::MAX` is never (3.1.2.11.2).
    #[must_use]
    pub fn session_expiry_interval(&self) -> Option<u32> {
        self.number(PropertyId::SessionExpiryInterval)
    }

    /// Assigned Client Identifier (3.2.2.3.7).
    #[must_use]
    pub fn assigned_client_identifier(&self) -> Option<&str> {
        self.text(PropertyId::AssignedClientIdentifier)
    }

    /// Server Keep Alive, in seconds; 0 is off (3.2.2.3.14).
    #[must_use]
    pub fn server_keep_alive(&self) -> Option<u16> {
        self.u16(PropertyId::ServerKeepAlive)
    }

    /// Authentication Method (3.1.2.11.9).
    #[must_use]
    pub fn authentication_method(&self) -> Option<&str> {
        self.text(PropertyId::AuthenticationMethod)
    }

    /// Authentication Data (3.1.2.11.10).
    #[must_use]
    pub fn authentication_data(&self) -> Option<&[u8]> {
        self.binary(PropertyId::AuthenticationData)
    }

    /// Request Problem Information (3.1.2.11.7); absent means `true`.
    #[must_use]
    pub fn request_problem_information(&self) -> Option<bool> {
        self.flag(PropertyId::RequestProblemInformation)
    }

    /// Request Response Information (3.1.2.11.6); absent means `false`.
    #[must_use]
    pub fn request_response_information(&self) -> Option<bool> {
        self.flag(PropertyId::RequestResponseInformation)
    }

    /// Response Information (3.2.2.3.15).
    #[must_use]
    pub fn response_information(&self) -> Option<&str> {
        self.text(PropertyId::ResponseInformation)
    }

    /// Server Reference (3.2.2.3.16).
    #[must_use]
    pub fn server_reference(&self) -> Option<&str> {
        self.text(PropertyId::ServerReference)
    }

    /// Reason String (3.2.2.3.9).
    #[must_use]
    pub fn reason_string(&self) -> Option<&str> {
        self.text(PropertyId::ReasonString)
    }

    /// Receive Maximum, in messages of QoS 1 and 2; absent means 65,535 (3.1.2.11.3).
    #[must_use]
    pub fn receive_maximum(&self) -> Option<NonZeroU16> {
        self.u16(PropertyId::ReceiveMaximum).and_then(NonZeroU16::new)
    }

    /// Topic Alias Maximum; absent means 0 (3.1.2.11.5).
    #[must_use]
    pub fn topic_alias_maximum(&self) -> Option<u16> {
        self.u16(PropertyId::TopicAliasMaximum)
    }

    /// Maximum QoS; absent means 2 (3.2.2.3.4).
    #[must_use]
    pub fn maximum_qos(&self) -> Option<QoS> {
        self.number(PropertyId::MaximumQoS).and_then(|number| u8::try_from(number).ok()).and_then(QoS::new)
    }

    /// Retain Available; absent means `true` (3.2.2.3.5).
    #[must_use]
    pub fn retain_available(&self) -> Option<bool> {
        self.flag(PropertyId::RetainAvailable)
    }

    /// Maximum Packet Size, in bytes; absent means no limit (3.1.2.11.4).
    #[must_use]
    pub fn maximum_packet_size(&self) -> Option<NonZeroU32> {
        self.number(PropertyId::MaximumPacketSize).and_then(NonZeroU32::new)
    }

    /// Wildcard Subscription Available; absent means `true` (3.2.2.3.11).
    #[must_use]
    pub fn wildcard_subscription_available(&self) -> Option<bool> {
        self.flag(PropertyId::WildcardSubscriptionAvailable)
    }

    /// Subscription Identifier Available; absent means `true` (3.2.2.3.12).
    #[must_use]
    pub fn subscription_identifier_available(&self) -> Option<bool> {
        self.flag(PropertyId::SubscriptionIdentifierAvailable)
    }

    /// Shared Subscription Available; absent means `true` (3.2.2.3.13).
    #[must_use]
    pub fn shared_subscription_available(&self) -> Option<bool> {
        self.flag(PropertyId::SharedSubscriptionAvailable)
    }

    /// The User Properties: names and values, in their order; names may repeat (3.1.2.11.8).
    pub fn user_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all(PropertyId::UserProperty).filter_map(|value| {
            let PropertyValue::Pair(name, value) = value else { return None };
            Some((name, value))
        })
    }

    /// The Subscription Identifiers, in their order (3.3.2.3.8, 3.8.2.1.2).
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = SubscriptionId> {
        self.all(PropertyId::SubscriptionIdentifier).filter_map(|value| {
            let PropertyValue::Number(number) = value else { return None };
            SubscriptionId::new(number)
        })
    }

    #[inline]
    fn number(&self, id: PropertyId) -> Option<u32> {
        if self.contains(id) { self.find_number(id) } else { None }
    }

    fn find_number(&self, id: PropertyId) -> Option<u32> {
        match self.all(id).next()? {
            PropertyValue::Byte(byte) => Some(byte.into()),
            PropertyValue::Number(number) => Some(number),
            PropertyValue::Text(_) | PropertyValue::Binary(_) | PropertyValue::Pair(..) => None,
        }
    }

    fn u16(&self, id: PropertyId) -> Option<u16> {
        self.number(id).and_then(|number| u16::try_from(number).ok())
    }

    fn flag(&self, id: PropertyId) -> Option<bool> {
        self.number(id).map(|number| number != 0)
    }

    #[inline]
    fn text(&self, id: PropertyId) -> Option<&str> {
        if self.contains(id) { self.find_text(id) } else { None }
    }

    fn find_text(&self, id: PropertyId) -> Option<&str> {
        let PropertyValue::Text(text) = self.all(id).next()? else { return None };
        Some(text)
    }

    fn binary(&self, id: PropertyId) -> Option<&[u8]> {
        let PropertyValue::Binary(bytes) = self.all(id).next()? else { return None };
        Some(bytes)
    }
}
