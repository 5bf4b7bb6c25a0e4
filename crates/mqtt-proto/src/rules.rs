//! Rules that several packets share. Rules of one packet stand in its file.

use crate::{ReasonCode, Rule};

/// Inside a whole frame this is malformed, never "more bytes needed".
pub(crate) const TRUNCATED: Rule =
    Rule::malformed("the packet ends before the field is complete", "MQTT-4.8.0-1", "U5-2.1.4");
pub(crate) const TRAILING: Rule = Rule::malformed("bytes follow where the packet must end", "U311-3.1.2.6", "U5-2.1.4");
pub(crate) const TRAILING_FIXED: Rule =
    Rule::malformed("the packet is longer than this kind may be", "U311-fixed-len", "U5-2.1.4");
pub(crate) const FRAME: Rule =
    Rule::malformed("not as many bytes as the Remaining Length says", "MQTT-4.8.0-1", "U5-2.1.4");
pub(crate) const PACKET_TYPE: Rule =
    Rule::malformed("no packet of this version has this type", "U311-2.2.1", "U5-2.1.2");
pub(crate) const FIRST_IS_CONNECT: Rule =
    Rule::protocol("the first packet from a client must be CONNECT", "MQTT-3.1.0-1", "MQTT-3.1.0-1");

pub(crate) const VARINT_LONG: Rule = Rule::malformed("an integer of more than four bytes", "U311-2.2.3", "U5-1.5.5");
pub(crate) const VARINT_PADDED: Rule =
    Rule::malformed("an integer with more bytes than it needs", "U311-2.2.3", "MQTT-1.5.5-1");

pub(crate) const NOT_UTF8: Rule = Rule::malformed(UTF8_WORDS, "MQTT-1.5.3-1", "MQTT-1.5.4-1");
pub(crate) const NOT_UTF8_PAIR: Rule = Rule::malformed(UTF8_WORDS, "MQTT-1.5.7-1", "MQTT-1.5.7-1");
pub(crate) const NUL: Rule = Rule::malformed("holds the character U+0000", "MQTT-1.5.3-2", "MQTT-1.5.4-2");
pub(crate) const UTF8_WORDS: &str = "not valid UTF-8";

pub(crate) const WILDCARD_WORDS: &str = "a topic name must not hold the wildcards + and #";
pub(crate) const TOPIC_WILDCARD: Rule = Rule::malformed(WILDCARD_WORDS, "MQTT-4.7.1-1", "MQTT-4.7.0-1");
pub(crate) const TOPIC_EMPTY: Rule = Rule::malformed("must not be empty", "MQTT-4.7.3-1", "MQTT-4.7.3-1");
pub(crate) const TOPIC_LONG: Rule =
    Rule::malformed("a topic name of MQTT 3.1 has at most 32,767 characters", "D31-utf8", "MQTT-4.7.3-3");
pub(crate) const FILTER_HASH: Rule =
    Rule::malformed("the wildcard # must be the last level, and alone in it", "MQTT-4.7.1-2", "MQTT-4.7.1-1");
pub(crate) const FILTER_PLUS: Rule =
    Rule::malformed("the wildcard + must be alone in its level", "MQTT-4.7.1-3", "MQTT-4.7.1-2");
pub(crate) const FILTER_SHARE: Rule = Rule::malformed(
    "a shared subscription is $share/name/filter, its name without / + #",
    "MQTT-4.8.2-2",
    "MQTT-4.8.2-2",
);

pub(crate) const PACKET_ID_ZERO: Rule =
    Rule::protocol("a packet identifier must not be 0", "MQTT-2.3.1-1", "MQTT-2.2.1-3");
pub(crate) const AUTHENTICATION_DATA_ALONE: Rule =
    Rule::protocol("stands without an Authentication Method", "U5-3.1.2.11.10", "U5-3.1.2.11.10");

/// A reason code that the packet's table does not list.
pub(crate) const fn unlisted(v3: &'static str, v5: &'static str) -> Rule {
    Rule { words: "this packet may not carry this reason code", v3, v5, reason: ReasonCode::PROTOCOL_ERROR }
}
