//! `-D packet property value`: the MQTT 5 properties that the user may set, packet by packet.
//!
//! Each packet that the commands send has a struct of what may be set on it; `take` is the table of names. A property
//! that only the client itself can choose well (a Topic Alias, a Subscription Identifier of a PUBLISH) is refused.

use std::fmt::Display;
use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use mqtt_tokio::{Message, SubscriptionId, Text, TopicName};

use crate::args::{Reader, UsageError};

/// A user property: name and value.
pub(crate) type Pair = (Text, Text);

/// Everything that `-D` has set.
#[derive(Debug, Default)]
pub(crate) struct PropertyArgs {
    pub(crate) connect: ConnectProperties,
    pub(crate) publish: MessageProperties,
    pub(crate) will: MessageProperties,
    /// Seconds.
    pub(crate) will_delay_interval: Option<u32>,
    pub(crate) subscription_identifier: Option<SubscriptionId>,
    pub(crate) subscribe_user: Vec<Pair>,
    pub(crate) unsubscribe_user: Vec<Pair>,
    pub(crate) disconnect: DisconnectProperties,
}

/// Properties of CONNECT.
#[derive(Debug, Default)]
pub(crate) struct ConnectProperties {
    pub(crate) session_expiry_interval: Option<u32>,
    pub(crate) receive_maximum: Option<NonZeroU16>,
    pub(crate) maximum_packet_size: Option<NonZeroU32>,
    pub(crate) topic_alias_maximum: Option<u16>,
    pub(crate) request_response_information: Option<bool>,
    pub(crate) request_problem_information: Option<bool>,
    pub(crate) authentication_method: Option<Text>,
    pub(crate) authentication_data: Option<Bytes>,
    pub(crate) user: Vec<Pair>,
}

/// Properties of PUBLISH and of the will.
#[derive(Debug, Default)]
pub(crate) struct MessageProperties {
    payload_format_indicator: Option<bool>,
    message_expiry_interval: Option<u32>,
    content_type: Option<Text>,
    response_topic: Option<TopicName>,
    correlation_data: Option<Bytes>,
    user: Vec<Pair>,
}

/// Properties of DISCONNECT.
#[derive(Debug, Default)]
pub(crate) struct DisconnectProperties {
    pub(crate) session_expiry_interval: Option<u32>,
    pub(crate) user: Vec<Pair>,
}

impl PropertyArgs {
    /// Reads what follows `-D`: a packet, the name of a property, its value or, for a user property, name and value.
    pub(crate) fn take(&mut self, reader: &mut Reader) -> Result<(), UsageError> {
        let packet = reader.string()?.to_ascii_lowercase();
        match packet.as_str() {
            "connect" => self.connect.take(reader),
            "publish" => {
                let name = reader_name(reader)?;
                self.publish.take(reader, "publish", &name)
            }
            "will" => self.take_will(reader),
            "subscribe" => self.take_subscribe(reader),
            "unsubscribe" => match reader_name(reader)?.as_str() {
                "user-property" => push(&mut self.unsubscribe_user, reader),
                name => Err(unknown(reader, "unsubscribe", name, "user-property")),
            },
            "disconnect" => self.disconnect.take(reader),
            "auth" | "puback" | "pubrec" | "pubrel" | "pubcomp" => {
                Err(reader.error(format_args!("{packet} is not supported: the client writes these packets by itself")))
            }
            "connack" | "suback" | "unsuback" => {
                Err(reader.error(format_args!("{packet} is not possible: the broker sends these packets")))
            }
            _ => Err(reader.error(format_args!(
                "takes connect, publish, subscribe, unsubscribe, disconnect or will first, not '{packet}'"
            ))),
        }
    }

    /// Which packet of a subscriber has been given a property, if any.
    pub(crate) fn subscriber_packet(&self) -> Option<&'static str> {
        if self.subscription_identifier.is_some() || !self.subscribe_user.is_empty() {
            Some("subscribe")
        } else if !self.unsubscribe_user.is_empty() {
            Some("unsubscribe")
        } else {
            None
        }
    }

    fn take_will(&mut self, reader: &mut Reader) -> Result<(), UsageError> {
        match reader_name(reader)?.as_str() {
            name @ "will-delay-interval" => once(&mut self.will_delay_interval, name, reader, seconds),
            name => self.will.take(reader, "will", name),
        }
    }

    fn take_subscribe(&mut self, reader: &mut Reader) -> Result<(), UsageError> {
        match reader_name(reader)?.as_str() {
            name @ "subscription-identifier" => {
                once(&mut self.subscription_identifier, name, reader, |reader, rule| {
                    let number = reader.number(rule, 1..=268_435_455)?;
                    SubscriptionId::new(number).ok_or_else(|| reader.error("takes a subscription identifier"))
                })
            }
            "user-property" => push(&mut self.subscribe_user, reader),
            name => Err(unknown(reader, "subscribe", name, "subscription-identifier, user-property")),
        }
    }
}

impl ConnectProperties {
    fn take(&mut self, reader: &mut Reader) -> Result<(), UsageError> {
        match reader_name(reader)?.as_str() {
            name @ "session-expiry-interval" => once(&mut self.session_expiry_interval, name, reader, seconds),
            name @ "receive-maximum" => once(&mut self.receive_maximum, name, reader, |reader, rule| {
                reader.number(rule, NonZeroU16::MIN..=NonZeroU16::MAX)
            }),
            name @ "maximum-packet-size" => once(&mut self.maximum_packet_size, name, reader, |reader, rule| {
                reader.number(rule, NonZeroU32::MIN..=NonZeroU32::MAX)
            }),
            name @ "topic-alias-maximum" => {
                once(&mut self.topic_alias_maximum, name, reader, |reader, rule| reader.number(rule, 0..=u16::MAX))
            }
            name @ "request-response-information" => {
                once(&mut self.request_response_information, name, reader, boolean)
            }
            name @ "request-problem-information" => once(&mut self.request_problem_information, name, reader, boolean),
            name @ "authentication-method" => {
                once(&mut self.authentication_method, name, reader, |reader, _| reader.text())
            }
            name @ "authentication-data" => {
                once(&mut self.authentication_data, name, reader, |reader, _| reader.bytes())
            }
            "user-property" => push(&mut self.user, reader),
            name => Err(unknown(
                reader,
                "connect",
                name,
                "authentication-data, authentication-method, maximum-packet-size, receive-maximum, \
                 request-problem-information, request-response-information, session-expiry-interval, \
                 topic-alias-maximum, user-property",
            )),
        }
    }
}

impl MessageProperties {
    fn take(&mut self, reader: &mut Reader, packet: &str, name: &str) -> Result<(), UsageError> {
        match name {
            "payload-format-indicator" => once(&mut self.payload_format_indicator, name, reader, boolean),
            "message-expiry-interval" => once(&mut self.message_expiry_interval, name, reader, seconds),
            "content-type" => once(&mut self.content_type, name, reader, |reader, _| reader.text()),
            "response-topic" => once(&mut self.response_topic, name, reader, |reader, _| reader.topic()),
            "correlation-data" => once(&mut self.correlation_data, name, reader, |reader, _| reader.bytes()),
            "user-property" => push(&mut self.user, reader),
            "topic-alias" if packet == "publish" => {
                Err(reader.error("publish topic-alias is not supported: the client uses aliases by itself"))
            }
            _ => Err(unknown(
                reader,
                packet,
                name,
                "content-type, correlation-data, message-expiry-interval, payload-format-indicator, response-topic, \
                 user-property, and will-delay-interval for a will",
            )),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.payload_format_indicator.is_none()
            && self.message_expiry_interval.is_none()
            && self.content_type.is_none()
            && self.response_topic.is_none()
            && self.correlation_data.is_none()
            && self.user.is_empty()
    }

    /// `message` with these properties.
    pub(crate) fn apply(self, mut message: Message) -> Message {
        if let Some(is_text) = self.payload_format_indicator {
            message = message.with_payload_format_indicator(is_text);
        }
        if let Some(seconds) = self.message_expiry_interval {
            message = message.with_message_expiry_interval(seconds);
        }
        if let Some(content_type) = self.content_type {
            message = message.with_content_type(content_type);
        }
        if let Some(topic) = self.response_topic {
            message = message.with_response_topic(topic);
        }
        if let Some(data) = self.correlation_data {
            message = message.with_correlation_data(data);
        }
        self.user.into_iter().fold(message, |message, (name, value)| message.with_user_property(name, value))
    }
}

impl DisconnectProperties {
    fn take(&mut self, reader: &mut Reader) -> Result<(), UsageError> {
        match reader_name(reader)?.as_str() {
            name @ "session-expiry-interval" => once(&mut self.session_expiry_interval, name, reader, seconds),
            "user-property" => push(&mut self.user, reader),
            name => Err(unknown(reader, "disconnect", name, "session-expiry-interval, user-property")),
        }
    }
}

fn reader_name(reader: &mut Reader) -> Result<String, UsageError> {
    Ok(reader.string()?.to_ascii_lowercase())
}

/// Reads a property that may occur once.
fn once<T>(
    slot: &mut Option<T>,
    name: &str,
    reader: &mut Reader,
    read: impl FnOnce(&mut Reader, &str) -> Result<T, UsageError>,
) -> Result<(), UsageError> {
    let value = read(reader, &format!("for {name} a number"))?;
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(reader.error(format_args!("sets {name} twice; a packet has it once"))),
    }
}

fn push(list: &mut Vec<Pair>, reader: &mut Reader) -> Result<(), UsageError> {
    list.push((reader.text()?, reader.text()?));
    Ok(())
}

fn seconds(reader: &mut Reader, rule: &str) -> Result<u32, UsageError> {
    reader.number(rule, 0..=u32::MAX)
}

fn boolean(reader: &mut Reader, rule: &str) -> Result<bool, UsageError> {
    Ok(reader.number(rule, 0..=1)? == 1)
}

fn unknown(reader: &Reader, packet: &str, name: &str, known: impl Display) -> UsageError {
    reader.error(format_args!("{packet} has no property '{name}' to set; there are {known}"))
}
