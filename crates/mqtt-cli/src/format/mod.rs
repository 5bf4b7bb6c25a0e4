//! How `mqtt sub` prints a message: the payload, topic and payload (`-v`), or a format string (`-F`).
//!
//! The letters, flags and escapes of `-F` are those of `mosquitto_sub` 2.0, and the tests hold its recorded output. We
//! differ where its output is wrong rather than surprising: `%x` with a width prints the whole payload (there: half of
//! it), `%E` is unsigned, JSON is JSON for every payload, and `%J` keeps the numbers as the publisher wrote them.

mod json;
mod render;
mod time;

use std::fmt;

pub(crate) use render::Layout;
pub(crate) use time::Moment;

/// What can be printed of one message. Properties are absent with MQTT 3.1 and 3.1.1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Printable<'a> {
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    /// 0 for QoS 0, which has none.
    pub(crate) packet_id: u16,
    pub(crate) topic_alias: Option<u16>,
    pub(crate) properties: PrintableProperties<'a>,
}

/// The properties of one message.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PrintableProperties<'a> {
    pub(crate) content_type: Option<&'a str>,
    pub(crate) correlation_data: Option<&'a [u8]>,
    pub(crate) message_expiry_interval: Option<u32>,
    pub(crate) payload_format_indicator: Option<u8>,
    pub(crate) response_topic: Option<&'a str>,
    pub(crate) subscription_identifiers: &'a [u32],
    pub(crate) user_properties: &'a [(&'a str, &'a str)],
}

/// A compiled output format.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// The payload and an end of line. An empty payload prints nothing at all, as in `mosquitto_sub`.
    #[default]
    Payload,
    /// `-v`: topic, space, payload. An empty payload prints as `(null)`.
    Verbose,
    /// `-F`.
    Parts(Vec<Part>),
}

/// A piece of a `-F` string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Literal(String),
    Field(Field, Style),
    /// `@` and a letter of strftime.
    Time(char),
    /// `@N`: nanoseconds of the current second.
    Nanoseconds,
}

/// What a `%` letter stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    TopicAlias,
    ContentType,
    CorrelationData,
    Expiry,
    PayloadFormat,
    Iso8601,
    JsonEscaped,
    JsonNested,
    Length,
    PacketId,
    UserProperties,
    Payload,
    Qos,
    ResponseTopic,
    Retain,
    SubscriptionId,
    Topic,
    UnixTime,
    LowerHex,
    UpperHex,
}

/// Flags, width and precision between `%` and its letter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Style {
    left: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
}

/// Why a `-F` string is not one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FormatError(String);

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Format {
    /// Compiles a `-F` string.
    pub(crate) fn parse(text: &str) -> Result<Self, FormatError> {
        let mut parts = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(first) = chars.next() {
            match first {
                '%' => match parse_field(&mut chars)? {
                    Some(part) => parts.push(part),
                    None => push_literal(&mut parts, '%'),
                },
                '@' => match chars.next() {
                    None => return Err(FormatError("ends with '@'; write '@@' for a literal '@'".into())),
                    Some('@') => push_literal(&mut parts, '@'),
                    Some('N') => parts.push(Part::Nanoseconds),
                    Some(letter) => parts.push(Part::Time(letter)),
                },
                '\\' => push_literal(&mut parts, parse_escape(chars.next())?),
                other => push_literal(&mut parts, other),
            }
        }
        Ok(Self::Parts(parts))
    }

    /// Whether any part of it is `%A`.
    pub(crate) fn prints_topic_alias(&self) -> bool {
        match self {
            Self::Payload | Self::Verbose => false,
            Self::Parts(parts) => parts.iter().any(|part| matches!(part, Part::Field(Field::TopicAlias, _))),
        }
    }
}

fn push_literal(parts: &mut Vec<Part>, literal: char) {
    if let Some(Part::Literal(text)) = parts.last_mut() {
        text.push(literal);
    } else {
        parts.push(Part::Literal(literal.into()));
    }
}

/// What follows a `%`: `-`, `0`, width, `.` and precision, letter. `None` is a literal `%`.
fn parse_field(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Option<Part>, FormatError> {
    let mut style = Style { left: chars.next_if_eq(&'-').is_some(), ..Style::default() };
    style.zero = chars.next_if_eq(&'0').is_some();
    style.width = parse_number(chars)?;
    if chars.next_if_eq(&'.').is_some() {
        style.precision = Some(parse_number(chars)?);
    }
    let Some(letter) = chars.next() else {
        return Err(FormatError("ends within a '%' sequence; write '%%' for a literal '%'".into()));
    };
    let field = match letter {
        '%' => return Ok(None),
        'A' => Field::TopicAlias,
        'C' => Field::ContentType,
        'D' => Field::CorrelationData,
        'E' => Field::Expiry,
        'F' => Field::PayloadFormat,
        'I' => Field::Iso8601,
        'J' => Field::JsonNested,
        'P' => Field::UserProperties,
        'R' => Field::ResponseTopic,
        'S' => Field::SubscriptionId,
        'U' => Field::UnixTime,
        'X' => Field::UpperHex,
        'j' => Field::JsonEscaped,
        'l' => Field::Length,
        'm' => Field::PacketId,
        'p' => Field::Payload,
        'q' => Field::Qos,
        'r' => Field::Retain,
        't' => Field::Topic,
        'x' => Field::LowerHex,
        other => {
            return Err(FormatError(format!(
                "'%{other}' is not known; after '%' come ACDEFIJPRSUXjlmpqrtx or another '%'"
            )));
        }
    };
    Ok(Some(Part::Field(field, style)))
}

fn parse_number(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<usize, FormatError> {
    let mut number = 0;
    while let Some(digit) = chars.peek().and_then(|next| next.to_digit(10)) {
        chars.next();
        number = number * 10 + digit as usize;
        if number > WIDTH_LIMIT {
            return Err(FormatError(format!("a width or precision is at most {WIDTH_LIMIT}")));
        }
    }
    Ok(number)
}

fn parse_escape(letter: Option<char>) -> Result<char, FormatError> {
    match letter {
        Some('\\') => Ok('\\'),
        Some('0') => Ok('\0'),
        Some('a') => Ok('\x07'),
        Some('e') => Ok('\x1b'),
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some('v') => Ok('\x0b'),
        Some(other) => Err(FormatError(format!("'\\{other}' is not known; after '\\' comes one of \\0aenrtv"))),
        None => Err(FormatError("ends with '\\'; write '\\\\' for a literal '\\'".into())),
    }
}

/// A mistyped width must not become gigabytes of blanks.
const WIDTH_LIMIT: usize = 65_535;

#[cfg(test)]
mod tests;
