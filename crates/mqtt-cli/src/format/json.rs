//! One message as a JSON object, in the field order of `mosquitto_sub`.

use std::io::{self, Write};

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::value::RawValue;

use super::{Moment, Printable, PrintableProperties};

/// Writes `message` with its payload as a string. Bytes that are not UTF-8 become U+FFFD: JSON has no place for them,
/// and `payloadlen` stays the true length.
pub(super) fn write_escaped(message: &Printable<'_>, now: &Moment, pretty: bool, out: &mut Vec<u8>) -> io::Result<()> {
    let text = (!message.payload.is_empty()).then(|| String::from_utf8_lossy(message.payload));
    let line = Line { message, tst: now.iso8601_micros(), payload: text };
    lay_out(&serde_json::to_vec(&line)?, pretty, out);
    Ok(())
}

/// Writes `message` with its payload as the JSON value that it is; an error if it is not one. An empty payload is null.
pub(super) fn write_nested(message: &Printable<'_>, now: &Moment, pretty: bool, out: &mut Vec<u8>) -> io::Result<()> {
    let value = match message.payload {
        [] => None,
        payload => Some(serde_json::from_slice::<&RawValue>(payload)?),
    };
    let line = Line { message, tst: now.iso8601_micros(), payload: value };
    lay_out(&serde_json::to_vec(&line)?, pretty, out);
    Ok(())
}

struct Line<'a, P> {
    message: &'a Printable<'a>,
    tst: String,
    payload: P,
}

impl<P: Serialize> Serialize for Line<'_, P> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("tst", &self.tst)?;
        map.serialize_entry("topic", message.topic)?;
        map.serialize_entry("qos", &message.qos)?;
        map.serialize_entry("retain", &u8::from(message.retain))?;
        map.serialize_entry("payloadlen", &message.payload.len())?;
        if message.packet_id != 0 {
            map.serialize_entry("mid", &message.packet_id)?;
        }
        if !message.properties.is_empty() || message.topic_alias.is_some() {
            let properties = Properties { topic_alias: message.topic_alias, properties: &message.properties };
            map.serialize_entry("properties", &properties)?;
        }
        map.serialize_entry("payload", &self.payload)?;
        map.end()
    }
}

struct Properties<'a> {
    topic_alias: Option<u16>,
    properties: &'a PrintableProperties<'a>,
}

impl Serialize for Properties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let properties = self.properties;
        let mut map = serializer.serialize_map(None)?;
        if let Some(text) = properties.content_type {
            map.serialize_entry("content-type", text)?;
        }
        if let Some(data) = properties.correlation_data {
            map.serialize_entry("correlation-data", &String::from_utf8_lossy(data))?;
        }
        if let Some(indicator) = properties.payload_format_indicator {
            map.serialize_entry("payload-format-indicator", &indicator)?;
        }
        if let Some(topic) = properties.response_topic {
            map.serialize_entry("response-topic", topic)?;
        }
        for id in properties.subscription_identifiers {
            map.serialize_entry("subscription-identifier", id)?;
        }
        if let Some(alias) = self.topic_alias {
            map.serialize_entry("topic-alias", &alias)?;
        }
        if !properties.user_properties.is_empty() {
            map.serialize_entry("user-properties", &UserProperties(properties.user_properties))?;
        }
        if let Some(seconds) = properties.message_expiry_interval {
            map.serialize_entry("message-expiry-interval", &seconds)?;
        }
        map.end()
    }
}

/// An object; a name may occur twice in it, as it may in MQTT.
struct UserProperties<'a>(&'a [(&'a str, &'a str)]);

impl Serialize for UserProperties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

impl PrintableProperties<'_> {
    fn is_empty(&self) -> bool {
        self.content_type.is_none()
            && self.correlation_data.is_none()
            && self.message_expiry_interval.is_none()
            && self.payload_format_indicator.is_none()
            && self.response_topic.is_none()
            && self.subscription_identifiers.is_empty()
            && self.user_properties.is_empty()
    }
}

/// Copies valid JSON token by token, on one line or (`pretty`) as `mosquitto_sub --pretty` lays it out: a line per
/// member of an object, arrays inline. Numbers and strings stay as they are written, byte for byte.
fn lay_out(json: &[u8], pretty: bool, out: &mut Vec<u8>) {
    let mut objects = Vec::new();
    let mut position = 0;
    while let Some(&byte) = json.get(position) {
        position += 1;
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {}
            b'"' => {
                let end = position + string_len(&json[position..]);
                out.extend_from_slice(&json[position - 1..end]);
                position = end;
            }
            b'{' | b'[' => {
                objects.push(byte == b'{');
                out.push(byte);
                if pretty && byte == b'{' {
                    new_line(&objects, out);
                }
            }
            b'}' | b']' => {
                objects.pop();
                if pretty && byte == b'}' {
                    // An empty object has its line break from the opening brace, with one tab too many.
                    while out.last() == Some(&b'\t') {
                        out.pop();
                    }
                    if out.last() == Some(&b'\n') {
                        out.pop();
                    }
                    new_line(&objects, out);
                }
                out.push(byte);
            }
            b',' if pretty && objects.last() == Some(&true) => {
                out.push(byte);
                new_line(&objects, out);
            }
            b',' if pretty => out.extend_from_slice(b", "),
            b':' if pretty => out.extend_from_slice(b":\t"),
            _ => out.push(byte),
        }
    }
}

/// The bytes from after an opening quote to the closing one, which included.
fn string_len(rest: &[u8]) -> usize {
    let mut escaped = false;
    for (index, byte) in rest.iter().enumerate() {
        match byte {
            b'"' if !escaped => return index + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

fn new_line(objects: &[bool], out: &mut Vec<u8>) {
    let depth = objects.iter().filter(|object| **object).count();
    let _infallible: io::Result<()> = writeln!(out);
    out.extend(std::iter::repeat_n(b'\t', depth));
}
