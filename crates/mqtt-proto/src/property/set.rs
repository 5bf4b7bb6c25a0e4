//! The properties of one packet, as the validated bytes they have on the wire.

use core::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;

use super::{PropertyId, PropertyValue};
use crate::{QoS, Storage, SubscriptionId};

/// The properties of one packet (5.0 section 2.2.2), checked once and kept as encoded.
///
/// Topic Alias and Will Delay Interval are never among them: they are fields of [`Publish`](crate::Publish) and
/// [`Will`](crate::Will).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub struct Properties<B: Storage = Bytes> {
    bytes: B,
    /// Bit n: property n is among the bytes.
    present: u64,
}

impl<B: Storage> Properties<B> {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        todo!()
    }

    /// Whether a property is there.
    #[must_use]
    pub fn contains(&self, _id: PropertyId) -> bool {
        todo!()
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (PropertyId, PropertyValue<'_>)> {
        core::iter::empty()
    }

    /// The User Properties: names and values, in their order; names may repeat (3.1.2.11.8).
    pub fn user_properties(&self) -> impl Iterator<Item = (&str, &str)> {
        core::iter::empty()
    }

    /// The Subscription Identifiers, in their order (3.3.2.3.8, 3.8.2.1.2).
    pub fn subscription_identifiers(&self) -> impl Iterator<Item = SubscriptionId> {
        core::iter::empty()
    }

    /// The same properties, independent of the buffer.
    #[must_use]
    pub fn to_shared(&self) -> Properties<Bytes> {
        todo!()
    }

    /// Payload Format Indicator: 1 for a payload of UTF-8 text, 0 for bytes (3.3.2.3.2).
    #[must_use]
    pub fn payload_format_indicator(&self) -> Option<u8> {
        todo!()
    }

    /// Message Expiry Interval, in seconds (3.3.2.3.3).
    #[must_use]
    pub fn message_expiry_interval(&self) -> Option<u32> {
        todo!()
    }

    /// Content Type (3.3.2.3.9).
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        todo!()
    }

    /// Response Topic (3.3.2.3.5).
    #[must_use]
    pub fn response_topic(&self) -> Option<&str> {
        todo!()
    }

    /// Correlation Data (3.3.2.3.6).
    #[must_use]
    pub fn correlation_data(&self) -> Option<&[u8]> {
        todo!()
    }

    /// Session Expiry Interval, in seconds; `u32::MAX` is never (3.1.2.11.2).
    #[must_use]
    pub fn session_expiry_interval(&self) -> Option<u32> {
        todo!()
    }

    /// Assigned Client Identifier (3.2.2.3.7).
    #[must_use]
    pub fn assigned_client_identifier(&self) -> Option<&str> {
        todo!()
    }

    /// Server Keep Alive, in seconds; 0 is off (3.2.2.3.14).
    #[must_use]
    pub fn server_keep_alive(&self) -> Option<u16> {
        todo!()
    }

    /// Authentication Method (3.1.2.11.9).
    #[must_use]
    pub fn authentication_method(&self) -> Option<&str> {
        todo!()
    }

    /// Authentication Data (3.1.2.11.10).
    #[must_use]
    pub fn authentication_data(&self) -> Option<&[u8]> {
        todo!()
    }

    /// Request Problem Information (3.1.2.11.7); absent means `true`.
    #[must_use]
    pub fn request_problem_information(&self) -> Option<bool> {
        todo!()
    }

    /// Request Response Information (3.1.2.11.6); absent means `false`.
    #[must_use]
    pub fn request_response_information(&self) -> Option<bool> {
        todo!()
    }

    /// Response Information (3.2.2.3.15).
    #[must_use]
    pub fn response_information(&self) -> Option<&str> {
        todo!()
    }

    /// Server Reference (3.2.2.3.16).
    #[must_use]
    pub fn server_reference(&self) -> Option<&str> {
        todo!()
    }

    /// Reason String (3.2.2.3.9).
    #[must_use]
    pub fn reason_string(&self) -> Option<&str> {
        todo!()
    }

    /// Receive Maximum, in messages of QoS 1 and 2; absent means 65,535 (3.1.2.11.3).
    #[must_use]
    pub fn receive_maximum(&self) -> Option<NonZeroU16> {
        todo!()
    }

    /// Topic Alias Maximum; absent means 0 (3.1.2.11.5).
    #[must_use]
    pub fn topic_alias_maximum(&self) -> Option<u16> {
        todo!()
    }

    /// Maximum QoS; absent means 2 (3.2.2.3.4).
    #[must_use]
    pub fn maximum_qos(&self) -> Option<QoS> {
        todo!()
    }

    /// Retain Available; absent means `true` (3.2.2.3.5).
    #[must_use]
    pub fn retain_available(&self) -> Option<bool> {
        todo!()
    }

    /// Maximum Packet Size, in bytes; absent means no limit (3.1.2.11.4).
    #[must_use]
    pub fn maximum_packet_size(&self) -> Option<NonZeroU32> {
        todo!()
    }

    /// Wildcard Subscription Available; absent means `true` (3.2.2.3.11).
    #[must_use]
    pub fn wildcard_subscription_available(&self) -> Option<bool> {
        todo!()
    }

    /// Subscription Identifier Available; absent means `true` (3.2.2.3.12).
    #[must_use]
    pub fn subscription_identifier_available(&self) -> Option<bool> {
        todo!()
    }

    /// Shared Subscription Available; absent means `true` (3.2.2.3.13).
    #[must_use]
    pub fn shared_subscription_available(&self) -> Option<bool> {
        todo!()
    }
}

impl Properties<Bytes> {
    /// Puts a property in; takes the place of one that may stand once only. A text or binary value must not be longer
    /// than 65,535 bytes: one that is makes the packet impossible to encode.
    pub(crate) fn set(&mut self, _id: PropertyId, _value: PropertyValue<'_>) {
        todo!()
    }

    /// Puts a property in, unless it is there.
    pub(crate) fn set_if_absent(&mut self, id: PropertyId, value: PropertyValue<'_>) {
        if !self.contains(id) {
            self.set(id, value);
        }
    }

    /// Takes all properties of this name out; tells whether there was one.
    pub(crate) fn remove(&mut self, _id: PropertyId) -> bool {
        todo!()
    }
}
