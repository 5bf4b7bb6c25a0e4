//! Which packet may come when, and the rules that only a connection can check.

use crate::{PacketType, ReasonCode, Rule};

use super::Phase;

/// Whether a packet of this type may come now: one row per phase of each role.
pub(crate) fn may_come(from_client: bool, phase: Phase, packet: PacketType) -> bool {
    use PacketType::{
        Auth, ConnAck, Connect, Disconnect, PingReq, PingResp, PubAck, PubComp, PubRec, PubRel, Publish, SubAck,
        Subscribe, UnsubAck, Unsubscribe,
    };
    match (from_client, phase) {
        (true, Phase::AwaitConnect) => packet == Connect,
        (true, Phase::AwaitAccept) => matches!(packet, Auth | Disconnect),
        (true, Phase::Open) => matches!(
            packet,
            Publish | PubAck | PubRec | PubRel | PubComp | Subscribe | Unsubscribe | PingReq | Disconnect | Auth
        ),
        (false, Phase::AwaitConnAck) => matches!(packet, ConnAck | Auth),
        (false, Phase::Open) => matches!(
            packet,
            Publish | PubAck | PubRec | PubRel | PubComp | SubAck | UnsubAck | PingResp | Disconnect | Auth
        ),
        (true, Phase::AwaitConnAck) | (false, Phase::AwaitConnect | Phase::AwaitAccept) | (_, Phase::Closed) => false,
    }
}

/// The rule that a packet at the wrong time breaks.
pub(crate) fn out_of_turn(from_client: bool, phase: Phase, packet: PacketType) -> &'static Rule {
    match (from_client, phase, packet) {
        (true, Phase::AwaitConnect, _) => &crate::rules::FIRST_IS_CONNECT,
        (true, _, PacketType::Connect) => &SECOND_CONNECT,
        (true, Phase::AwaitAccept, _) => &ONLY_AUTH_BEFORE_CONNACK,
        (false, Phase::AwaitConnAck, _) => &CONNACK_FIRST,
        (false, _, PacketType::ConnAck) => &SECOND_CONNACK,
        _ => &WRONG_DIRECTION,
    }
}

pub(crate) static SECOND_CONNECT: Rule = Rule::protocol("a connection has one CONNECT", "MQTT-3.1.0-2", "MQTT-3.1.0-2");
pub(crate) static ONLY_AUTH_BEFORE_CONNACK: Rule =
    Rule::protocol("during authentication a client sends only AUTH and DISCONNECT", "MQTT-3.1.4-5", "MQTT-3.1.2-30");
pub(crate) static CONNACK_FIRST: Rule =
    Rule::protocol("nothing but AUTH may come before CONNACK", "MQTT-3.2.0-1", "MQTT-3.2.0-1");
pub(crate) static SECOND_CONNACK: Rule = Rule::protocol("a connection has one CONNACK", "MQTT-3.2.0-1", "MQTT-3.2.0-2");
pub(crate) static WRONG_DIRECTION: Rule =
    Rule::protocol("this side does not receive such a packet", "MQTT-4.8.0-1", "MQTT-4.13.1-1");
pub(crate) static PACKET_TOO_LARGE: Rule = Rule {
    words: "the packet is larger than this side's Maximum Packet Size",
    v3: "MQTT-4.8.0-2",
    v5: "U5-3.2.2.3.6",
    reason: ReasonCode::PACKET_TOO_LARGE,
};
pub(crate) static RECEIVE_MAXIMUM: Rule = Rule {
    words: "more unfinished QoS 1 and 2 messages than this side's Receive Maximum",
    v3: "MQTT-4.8.0-2",
    v5: "MQTT-3.3.4-7",
    reason: ReasonCode::RECEIVE_MAXIMUM_EXCEEDED,
};
pub(crate) static ALIAS_INVALID: Rule = Rule {
    words: "not from 1 to this side's Topic Alias Maximum",
    v3: "MQTT-4.8.0-1",
    v5: "U5-3.3.2.3.4a",
    reason: ReasonCode::TOPIC_ALIAS_INVALID,
};
pub(crate) static ALIAS_UNKNOWN: Rule =
    Rule::protocol("no topic has been given to this alias on this connection", "MQTT-4.8.0-1", "U5-3.3.2.3.4b");
pub(crate) static EMPTY_TOPIC: Rule = Rule::protocol("empty without a Topic Alias", "MQTT-4.7.3-1", "U5-3.3.2.1");
pub(crate) static QOS_NOT_SUPPORTED: Rule = Rule {
    words: "above this server's Maximum QoS",
    v3: "MQTT-4.8.0-1",
    v5: "U5-3.2.2.3.4b",
    reason: ReasonCode::QOS_NOT_SUPPORTED,
};
pub(crate) static RETAIN_NOT_SUPPORTED: Rule = Rule {
    words: "this server does not keep retained messages",
    v3: "MQTT-4.8.0-1",
    v5: "U5-3.2.2.3.5b",
    reason: ReasonCode::RETAIN_NOT_SUPPORTED,
};
pub(crate) static IDENTIFIER_FROM_CLIENT: Rule =
    Rule::protocol("a client's PUBLISH has no Subscription Identifier", "MQTT-4.8.0-1", "MQTT-3.3.4-6");
pub(crate) static WILDCARDS_NOT_SUPPORTED: Rule = Rule {
    words: "this server does not offer wildcard subscriptions",
    v3: "MQTT-3.8.3-2",
    v5: "U5-3.2.2.3.11",
    reason: ReasonCode::WILDCARD_SUBSCRIPTIONS_NOT_SUPPORTED,
};
pub(crate) static IDENTIFIERS_NOT_SUPPORTED: Rule = Rule {
    words: "this server does not offer subscription identifiers",
    v3: "MQTT-4.8.0-1",
    v5: "U5-3.2.2.3.12",
    reason: ReasonCode::SUBSCRIPTION_IDENTIFIERS_NOT_SUPPORTED,
};
pub(crate) static SHARED_NOT_SUPPORTED: Rule = Rule {
    words: "this server does not offer shared subscriptions",
    v3: "MQTT-4.8.0-1",
    v5: "U5-3.2.2.3.13",
    reason: ReasonCode::SHARED_SUBSCRIPTIONS_NOT_SUPPORTED,
};
pub(crate) static WRONG_ANSWER: Rule =
    Rule::protocol("another answer is due for this packet identifier", "MQTT-2.3.1-6", "MQTT-2.2.1-5");
pub(crate) static NO_SUCH_REQUEST: Rule =
    Rule::protocol("no request with this packet identifier waits for it", "MQTT-2.3.1-7", "MQTT-2.2.1-6");
pub(crate) static CODE_COUNT: Rule =
    Rule::protocol("not one reason code per filter of the request", "MQTT-3.8.4-5", "MQTT-3.8.4-6");
pub(crate) static RELEASE_TOO_EARLY: Rule = Rule::protocol("PUBREL before PUBREC", "MQTT-4.3.3-2", "MQTT-4.3.3-11");
pub(crate) static SESSION_PRESENT_UNEXPECTED: Rule =
    Rule::protocol("Session Present 1, and this side has no session state", "U311-3.1.3.1", "MQTT-3.2.2-4");
pub(crate) static REASON_OF_OTHER_SIDE: Rule =
    Rule::protocol("this reason code is not for the sender's role", "MQTT-4.8.0-1", "U5-3.14.2.1b");
pub(crate) static EXPIRY_FROM_SERVER: Rule =
    Rule::protocol("a server's DISCONNECT has no Session Expiry Interval", "MQTT-4.8.0-1", "MQTT-3.14.2-2");
pub(crate) static EXPIRY_RAISED_FROM_ZERO: Rule = Rule::protocol(
    "a Session Expiry Interval of 0 in CONNECT cannot be raised in DISCONNECT",
    "MQTT-4.8.0-1",
    "U5-3.14.2.2.2",
);
pub(crate) static DISCONNECT_FROM_SERVER: Rule =
    Rule::protocol("a 3.x server does not send DISCONNECT", "MQTT-4.8.0-1", "MQTT-4.8.0-1");
pub(crate) static AUTH_METHOD: Rule =
    Rule::protocol("not the Authentication Method of CONNECT", "MQTT-4.8.0-1", "MQTT-4.12.0-5");
pub(crate) static AUTH_WITHOUT_METHOD: Rule =
    Rule::protocol("CONNECT had no Authentication Method", "MQTT-4.8.0-1", "U5-3.15.0");
pub(crate) static AUTH_OUT_OF_TURN: Rule =
    Rule::protocol("not this side's turn in the authentication exchange", "MQTT-4.8.0-1", "MQTT-4.12.1-1");
pub(crate) static AUTH_REASON: Rule =
    Rule::protocol("this reason code is not for the sender's role here", "MQTT-4.8.0-1", "U5-3.15.2.1");
