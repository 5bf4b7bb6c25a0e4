//! Reason codes: what came of a request, in one byte (5.0 section 2.4).

use core::fmt;

use crate::PacketType;

/// What came of a request, in one byte (5.0 section 2.4): below 0x80 it succeeded, from there on it failed.
///
/// The same set serves MQTT 3.x: its CONNACK return codes 1 to 5 are translated both ways to 0x84, 0x85, 0x88, 0x86
/// and 0x87, and its SUBACK failure code is 0x80, so an application matches on one set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ReasonCode(pub u8);

impl ReasonCode {
    /// 0x00: The request succeeded; also granted QoS 0, and normal disconnection.
    pub const SUCCESS: Self = Self(0x00);
    /// 0x01: The subscription is granted at QoS 1.
    pub const GRANTED_QOS_1: Self = Self(0x01);
    /// 0x02: The subscription is granted at QoS 2.
    pub const GRANTED_QOS_2: Self = Self(0x02);
    /// 0x04: A client leaves and wants its will published nevertheless.
    pub const DISCONNECT_WITH_WILL: Self = Self(0x04);
    /// 0x10: The message is accepted, and nobody has subscribed to its topic.
    pub const NO_MATCHING_SUBSCRIBERS: Self = Self(0x10);
    /// 0x11: There was nothing to unsubscribe from.
    pub const NO_SUBSCRIPTION_EXISTED: Self = Self(0x11);
    /// 0x18: The authentication goes on.
    pub const CONTINUE_AUTHENTICATION: Self = Self(0x18);
    /// 0x19: A client starts to authenticate anew.
    pub const REAUTHENTICATE: Self = Self(0x19);
    /// 0x80: It failed, for a reason that the sender does not tell. MQTT 3.1.1's SUBACK failure code.
    pub const UNSPECIFIED_ERROR: Self = Self(0x80);
    /// 0x81: A packet could not be parsed.
    pub const MALFORMED_PACKET: Self = Self(0x81);
    /// 0x82: A packet was well formed but not allowed, or not then.
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    /// 0x83: The packet is valid, and the receiver does not accept it.
    pub const IMPLEMENTATION_SPECIFIC_ERROR: Self = Self(0x83);
    /// 0x84: The server does not speak this version. MQTT 3.x return code 1.
    pub const UNSUPPORTED_PROTOCOL_VERSION: Self = Self(0x84);
    /// 0x85: The server does not allow this client identifier. MQTT 3.x return code 2.
    pub const CLIENT_IDENTIFIER_NOT_VALID: Self = Self(0x85);
    /// 0x86: The server does not accept these credentials. MQTT 3.x return code 4.
    pub const BAD_USER_NAME_OR_PASSWORD: Self = Self(0x86);
    /// 0x87: The client may not do this. MQTT 3.x return code 5.
    pub const NOT_AUTHORIZED: Self = Self(0x87);
    /// 0x88: The server is not there for clients at the moment. MQTT 3.x return code 3.
    pub const SERVER_UNAVAILABLE: Self = Self(0x88);
    /// 0x89: The server is busy; try again later.
    pub const SERVER_BUSY: Self = Self(0x89);
    /// 0x8A: The server's administrator has banned this client.
    pub const BANNED: Self = Self(0x8a);
    /// 0x8B: The server is shutting down.
    pub const SERVER_SHUTTING_DOWN: Self = Self(0x8b);
    /// 0x8C: The authentication method is not supported, or not the one in use.
    pub const BAD_AUTHENTICATION_METHOD: Self = Self(0x8c);
    /// 0x8D: Nothing came for one and a half times the keep-alive.
    pub const KEEP_ALIVE_TIMEOUT: Self = Self(0x8d);
    /// 0x8E: Another connection came with the same client identifier.
    pub const SESSION_TAKEN_OVER: Self = Self(0x8e);
    /// 0x8F: The topic filter is well formed, and the server does not accept it.
    pub const TOPIC_FILTER_INVALID: Self = Self(0x8f);
    /// 0x90: The topic name is well formed, and the receiver does not accept it.
    pub const TOPIC_NAME_INVALID: Self = Self(0x90);
    /// 0x91: The packet identifier is taken by another exchange.
    pub const PACKET_IDENTIFIER_IN_USE: Self = Self(0x91);
    /// 0x92: No exchange is known under the packet identifier.
    pub const PACKET_IDENTIFIER_NOT_FOUND: Self = Self(0x92);
    /// 0x93: More messages than Receive Maximum are unacknowledged.
    pub const RECEIVE_MAXIMUM_EXCEEDED: Self = Self(0x93);
    /// 0x94: The topic alias is zero, above the maximum, or never set.
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    /// 0x95: The packet is larger than the receiver's maximum.
    pub const PACKET_TOO_LARGE: Self = Self(0x95);
    /// 0x96: Messages come too fast.
    pub const MESSAGE_RATE_TOO_HIGH: Self = Self(0x96);
    /// 0x97: A limit of the implementation or of the administrator is exceeded.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);
    /// 0x98: An administrator closed the connection.
    pub const ADMINISTRATIVE_ACTION: Self = Self(0x98);
    /// 0x99: The payload is not what its format indicator says.
    pub const PAYLOAD_FORMAT_INVALID: Self = Self(0x99);
    /// 0x9A: The server keeps no retained messages.
    pub const RETAIN_NOT_SUPPORTED: Self = Self(0x9a);
    /// 0x9B: The quality of service is above the server's maximum.
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9b);
    /// 0x9C: The client should use another server for now.
    pub const USE_ANOTHER_SERVER: Self = Self(0x9c);
    /// 0x9D: The client should use another server from now on.
    pub const SERVER_MOVED: Self = Self(0x9d);
    /// 0x9E: The server has no shared subscriptions.
    pub const SHARED_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0x9e);
    /// 0x9F: Connections come too fast.
    pub const CONNECTION_RATE_EXCEEDED: Self = Self(0x9f);
    /// 0xA0: The connection has lasted as long as it may.
    pub const MAXIMUM_CONNECT_TIME: Self = Self(0xa0);
    /// 0xA1: The server has no subscription identifiers.
    pub const SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED: Self = Self(0xa1);
    /// 0xA2: The server has no wildcard subscriptions.
    pub const WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED: Self = Self(0xa2);

    /// Whether it says failure: 0x80 and above. // U5-2.4
    #[must_use]
    pub const fn is_failure(self) -> bool {
        self.0 >= 0x80
    }

    /// The code in words; "unknown reason" for a code that the standard does not list.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.0 {
            0x00 => "success",
            0x01 => "granted QoS 1",
            0x02 => "granted QoS 2",
            0x04 => "disconnect with will message",
            0x10 => "no matching subscribers",
            0x11 => "no subscription existed",
            0x18 => "continue authentication",
            0x19 => "re-authenticate",
            0x80 => "unspecified error",
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "implementation specific error",
            0x84 => "unsupported protocol version",
            0x85 => "client identifier not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8a => "banned",
            0x8b => "server shutting down",
            0x8c => "bad authentication method",
            0x8d => "keep alive timeout",
            0x8e => "session taken over",
            0x8f => "topic filter invalid",
            0x90 => "topic name invalid",
            0x91 => "packet identifier in use",
            0x92 => "packet identifier not found",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias invalid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format invalid",
            0x9a => "retain not supported",
            0x9b => "QoS not supported",
            0x9c => "use another server",
            0x9d => "server moved",
            0x9e => "shared subscriptions not supported",
            0x9f => "connection rate exceeded",
            0xa0 => "maximum connect time",
            0xa1 => "subscription identifiers not supported",
            0xa2 => "wildcard subscriptions not supported",
            _ => "unknown reason",
        }
    }

    /// Whether this sender may say it in this packet (5.0; in SUBACK and UNSUBACK: in each of its reasons). Packets
    /// without a reason code take none.
    pub(crate) const fn may_stand_in(self, packet: PacketType, from_client: bool) -> bool {
        match packet {
            // MQTT-3.2.2-8
            PacketType::ConnAck => {
                matches!(self.0, 0x00 | 0x80..=0x8A | 0x8C | 0x90 | 0x95 | 0x97 | 0x99..=0x9D | 0x9F)
            }
            // MQTT-3.4.2-1, MQTT-3.5.2-1
            PacketType::PubAck | PacketType::PubRec => {
                matches!(self.0, 0x00 | 0x80 | 0x83 | 0x87 | 0x90 | 0x91 | 0x97 | 0x99)
                    || (self.0 == 0x10 && !from_client)
            }
            // MQTT-3.6.2-1, MQTT-3.7.2-1
            PacketType::PubRel | PacketType::PubComp => matches!(self.0, 0x00 | 0x92),
            // MQTT-3.9.3-2
            PacketType::SubAck => {
                matches!(self.0, 0x00..=0x02 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91 | 0x97 | 0x9E | 0xA1 | 0xA2)
            }
            // MQTT-3.11.3-2
            PacketType::UnsubAck => matches!(self.0, 0x00 | 0x11 | 0x80 | 0x83 | 0x87 | 0x8F | 0x91),
            // MQTT-3.14.2-1
            PacketType::Disconnect if from_client => {
                matches!(self.0, 0x00 | 0x04 | 0x80..=0x83 | 0x90 | 0x93..=0x99)
            }
            PacketType::Disconnect => {
                matches!(self.0, 0x00 | 0x80..=0x83 | 0x87 | 0x89 | 0x8B | 0x8D..=0x90 | 0x93..=0xA2)
            }
            // MQTT-3.15.2-1
            PacketType::Auth => self.0 == 0x18 || self.0 == if from_client { 0x19 } else { 0x00 },
            PacketType::Connect
            | PacketType::Publish
            | PacketType::Subscribe
            | PacketType::Unsubscribe
            | PacketType::PingReq
            | PacketType::PingResp => false,
        }
    }

    /// Whether anyone may say it in this packet.
    #[inline]
    pub(crate) fn is_listed_for(self, packet: PacketType) -> bool {
        let of_packet = LISTED.get(packet as usize).copied().unwrap_or_default();
        let word = of_packet.get(usize::from(self.0 / 64)).copied().unwrap_or_default();
        word >> (self.0 % 64) & 1 != 0
    }
}

impl fmt::Display for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:02X} {}", self.0, self.name())
    }
}

impl fmt::Debug for ReasonCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReasonCode({self})")
    }
}

/// By packet type, the reason codes that anyone may say in it, as bits: asked with every packet that has one.
static LISTED: [[u64; 4]; 16] = listed();

// Run by the compiler alone, where a panic is a compile error.
const fn listed() -> [[u64; 4]; 16] {
    let mut table = [[0; 4]; 16];
    let mut number = 1;
    while let Some(packet) = PacketType::new(number) {
        let mut code = 0;
        while code <= 0xFF {
            let reason = ReasonCode(code as u8);
            if reason.may_stand_in(packet, true) || reason.may_stand_in(packet, false) {
                table[number as usize][code / 64] |= 1 << (code % 64);
            }
            code += 1;
        }
        number += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    // U5-3.14.2.1b, U5-3.15.2.1, MQTT-3.14.2-1, MQTT-3.15.2-1
    #[test]
    fn some_reasons_are_one_ends_alone() {
        let cases = [
            (PacketType::PubAck, 0x10, false, true),
            (PacketType::PubRec, 0x10, false, true),
            (PacketType::Disconnect, 0x04, true, false),
            (PacketType::Disconnect, 0x87, false, true),
            (PacketType::Disconnect, 0x8E, false, true),
            (PacketType::Disconnect, 0x9C, false, true),
            (PacketType::Disconnect, 0x99, true, true),
            (PacketType::Disconnect, 0x8C, false, false),
            (PacketType::Auth, 0x00, false, true),
            (PacketType::Auth, 0x18, true, true),
            (PacketType::Auth, 0x19, true, false),
            (PacketType::PingReq, 0x00, false, false),
        ];
        for (packet, code, client, server) in cases {
            let reason = ReasonCode(code);
            assert_eq!(reason.may_stand_in(packet, true), client, "{packet} {reason} from a client");
            assert_eq!(reason.may_stand_in(packet, false), server, "{packet} {reason} from a server");
        }
    }

    #[test]
    fn a_client_has_14_reasons_to_disconnect_and_a_server_28() {
        let count = |from_client| {
            (0..=255).filter(|&code| ReasonCode(code).may_stand_in(PacketType::Disconnect, from_client)).count()
        };
        assert_eq!((count(true), count(false)), (14, 28));
    }

    #[test]
    fn a_reason_is_listed_for_a_packet_if_either_end_may_say_it() {
        for packet in (1..16).filter_map(PacketType::new) {
            for reason in (0..=255).map(ReasonCode) {
                let may_stand = reason.may_stand_in(packet, true) || reason.may_stand_in(packet, false);
                assert_eq!(reason.is_listed_for(packet), may_stand, "{packet} {reason}");
            }
        }
    }
}
