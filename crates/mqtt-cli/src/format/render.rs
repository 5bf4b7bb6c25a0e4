//! Printing one message by a compiled format.

use std::io::{self, Write};

use super::{Field, Format, Moment, Part, Printable, Style, json};

impl Format {
    /// Appends `message` to `out`.
    ///
    /// An error is a message that this format cannot print (`%J` of a payload that is not JSON); what can be printed of
    /// the line is in `out` all the same.
    pub(crate) fn render(
        &self,
        message: &Printable<'_>,
        now: &Moment,
        layout: Layout,
        out: &mut Vec<u8>,
    ) -> Result<(), NotJson> {
        let end = if layout.end_of_line { "\n" } else { "" };
        match self {
            Self::Payload => {
                if !message.payload.is_empty() {
                    out.extend_from_slice(message.payload);
                    out.extend_from_slice(end.as_bytes());
                }
                Ok(())
            }
            Self::Verbose => {
                if !message.payload.is_empty() {
                    out.extend_from_slice(message.topic.as_bytes());
                    out.push(b' ');
                    out.extend_from_slice(message.payload);
                    out.extend_from_slice(end.as_bytes());
                } else if layout.end_of_line {
                    out.extend_from_slice(message.topic.as_bytes());
                    out.extend_from_slice(b" (null)\n");
                }
                Ok(())
            }
            Self::Parts(parts) => {
                let mut result = Ok(());
                for part in parts {
                    if part.render(message, now, layout.pretty, out).is_err() {
                        result = Err(NotJson);
                    }
                }
                out.extend_from_slice(end.as_bytes());
                result
            }
        }
    }
}

/// The switches beside the format: `-N` and `--pretty`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) end_of_line: bool,
    pub(crate) pretty: bool,
}

impl Default for Layout {
    fn default() -> Self {
        Self { end_of_line: true, pretty: false }
    }
}

/// The payload of a message printed with `%J` is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotJson;

impl Part {
    fn render(&self, message: &Printable<'_>, now: &Moment, pretty: bool, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Self::Field(field, style) => return field.render(*style, message, now, pretty, out),
            Self::Time(letter) => now.strftime(*letter, out),
            Self::Nanoseconds => now.nanoseconds(out),
        }
        Ok(())
    }
}

impl Field {
    fn render(
        self,
        style: Style,
        message: &Printable<'_>,
        now: &Moment,
        pretty: bool,
        out: &mut Vec<u8>,
    ) -> io::Result<()> {
        let properties = &message.properties;
        match self {
            Self::TopicAlias => style.number(message.topic_alias.map(u64::from), out),
            Self::Expiry => style.number(properties.message_expiry_interval.map(u64::from), out),
            Self::PayloadFormat => style.number(properties.payload_format_indicator.map(u64::from), out),
            Self::SubscriptionId => {
                style.number(properties.subscription_identifiers.first().copied().map(u64::from), out)
            }
            Self::Length => style.number(Some(message.payload.len() as u64), out),
            Self::PacketId => style.number(Some(message.packet_id.into()), out),
            Self::ContentType => style.text(properties.content_type, out),
            Self::Topic => style.text(Some(message.topic), out),
            // Unlike every other absent property this one takes no room, in `mosquitto_sub` as well.
            Self::ResponseTopic if properties.response_topic.is_none() => {}
            Self::ResponseTopic => style.text(properties.response_topic, out),
            Self::CorrelationData => out.extend_from_slice(properties.correlation_data.unwrap_or_default()),
            Self::UserProperties => {
                for (index, (name, value)) in properties.user_properties.iter().enumerate() {
                    let separator = if index == 0 { "" } else { " " };
                    write!(out, "{separator}{name}:{value}")?;
                }
            }
            Self::Qos => write!(out, "{}", message.qos)?,
            Self::Retain => out.push(if message.retain { b'1' } else { b'0' }),
            Self::Payload => style.payload(message.payload, out),
            Self::LowerHex => style.hex(message.payload, b"0123456789abcdef", out),
            Self::UpperHex => style.hex(message.payload, b"0123456789ABCDEF", out),
            Self::Iso8601 => {
                let mut text = Vec::new();
                now.iso8601(&mut text);
                style.bytes(&text, out);
            }
            Self::UnixTime => now.unix(out),
            Self::JsonEscaped => json::write_escaped(message, now, pretty, out)?,
            Self::JsonNested => json::write_nested(message, now, pretty, out)?,
        }
        Ok(())
    }
}

impl Style {
    /// A number in its width; an absent one is as many blanks (or zeros).
    fn number(self, number: Option<u64>, out: &mut Vec<u8>) {
        let Some(number) = number else {
            out.extend(std::iter::repeat_n(if self.zero { b'0' } else { b' ' }, self.width));
            return;
        };
        let digits = number.to_string();
        let pad = if self.zero && !self.left { b'0' } else { b' ' };
        self.pad(digits.as_bytes(), pad, out);
    }

    /// A string in its width, cut to its precision; an absent one is blanks.
    fn text(self, text: Option<&str>, out: &mut Vec<u8>) {
        match text {
            Some(text) => self.bytes(text.as_bytes(), out),
            None => self.pad(b"", b' ', out),
        }
    }

    fn bytes(self, bytes: &[u8], out: &mut Vec<u8>) {
        let end = self.precision.unwrap_or(bytes.len()).min(bytes.len());
        self.pad(&bytes[..end], b' ', out);
    }

    /// The width of a payload is also its maximum: `mosquitto_sub` prints columns with it.
    fn payload(self, payload: &[u8], out: &mut Vec<u8>) {
        let end = if self.width == 0 { payload.len() } else { self.width.min(payload.len()) };
        self.pad(&payload[..end], if self.zero { b'0' } else { b' ' }, out);
    }

    fn hex(self, payload: &[u8], digits: &[u8; 16], out: &mut Vec<u8>) {
        let mut text = Vec::with_capacity(payload.len() * 2);
        for byte in payload {
            text.extend([digits[usize::from(byte >> 4)], digits[usize::from(byte & 15)]]);
        }
        self.pad(&text, if self.zero { b'0' } else { b' ' }, out);
    }

    fn pad(self, bytes: &[u8], pad: u8, out: &mut Vec<u8>) {
        let missing = self.width.saturating_sub(bytes.len());
        if self.left {
            out.extend_from_slice(bytes);
            out.extend(std::iter::repeat_n(b' ', missing));
        } else {
            out.extend(std::iter::repeat_n(pad, missing));
            out.extend_from_slice(bytes);
        }
    }
}
