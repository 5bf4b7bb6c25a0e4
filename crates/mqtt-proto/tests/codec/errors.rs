//! What an error says.

use mqtt_proto::{
    Capability, Closed, CommandError, ConnAck, Connect, Disconnect, EncodeError, Instant, Message, Packet, PacketId,
    PacketType, ProtocolError, Publish, QoS, ReasonCode, Timer, TopicName, Version,
};

use crate::util::{complaint, decode, edited, hex, text};

#[test]
fn a_protocol_error_names_packet_field_byte_rule_statement_and_reason() {
    let error = decode(Version::V311, &hex("10 0D 0004 'MQTT' 04 02 003C 0001 FF")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "CONNECT client identifier at byte 12: not valid UTF-8 [MQTT-3.1.3-4] (0x81 malformed packet)"
    );
    assert_eq!((error.packet(), error.field()), (Some(PacketType::Connect), "client identifier"));
    assert_eq!((error.rule(), error.statement()), ("not valid UTF-8", "MQTT-3.1.3-4"));
    assert_eq!((error.offset(), error.version()), (Some(12), Version::V311));
    assert_eq!(format!("{error:?}"), format!("ProtocolError({error})"));
    let error = decode(Version::V5, &[0x00, 0x00]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "packet type at byte 0: no packet of this version has this type [U5-2.1.2] (0x81 malformed packet)"
    );
}

#[test]
fn a_protocol_error_is_small() {
    assert!(size_of::<ProtocolError>() <= 48);
    assert_eq!(size_of::<Result<Option<PacketId>, ProtocolError>>(), size_of::<ProtocolError>());
}

#[test]
fn an_encode_error_names_packet_field_rule_and_remedy() {
    let message = Message::new(TopicName::from_static("t"), "").with_content_type(text("x"));
    let error = complaint(Version::V311, &Packet::Publish(Publish::new(message, None)));
    assert_eq!(
        error.to_string(),
        "PUBLISH Content Type: MQTT 3.1.1 does not have it; leave it out or use another version"
    );
    let message = Message::new(TopicName::from_static("t"), "").with_qos(QoS::AtLeastOnce);
    let error = complaint(Version::V311, &Packet::Publish(Publish::new(message, None)));
    assert_eq!(
        error.to_string(),
        "PUBLISH packet identifier: missing; a message of QoS 1 or 2 needs one [MQTT-2.2.1-3]"
    );
    let long = Connect::new(Version::V311, text("c")).with_credentials(text("u"), Some(vec![0; 70_000].into()));
    let error = complaint(Version::V311, &Packet::Connect(Box::new(long)));
    assert_eq!(error.to_string(), "CONNECT password: longer than 65535; shorten it");
    let lone = edited(Connect::new(Version::V311, text("c")), |connect| connect.password = Some("p".into()));
    let error = complaint(Version::V311, &Packet::Connect(Box::new(lone)));
    assert!(matches!(error, EncodeError::Forbidden { .. }));
    assert_eq!(error.to_string(), "CONNECT password: not allowed; before 5.0 it needs a user name [MQTT-3.1.2-22]");
}

#[test]
fn small_values_say_what_they_are() {
    assert_eq!(QoS::ExactlyOnce.to_string(), "QoS 2");
    assert_eq!(format!("{:>3}", PacketId::MIN), "  1");
    let shown = format!("{:?}", Message::new(TopicName::from_static("a/b"), "secret").with_qos(QoS::AtLeastOnce));
    assert!(shown.contains("a/b") && shown.contains("AtLeastOnce"), "{shown}");
}

#[test]
fn ends_and_refusals_say_whose_doing_they_are() {
    let connack = ConnAck::new(false, ReasonCode::BANNED).with_reason_string(text("out"));
    for (shown, expected) in [
        (Closed::Local.to_string(), "closed by this side"),
        (
            Closed::Remote(Disconnect::new(ReasonCode(0x8B))).to_string(),
            "the peer disconnected: 0x8B server shutting down",
        ),
        (Closed::Refused(connack).to_string(), "the server refused the connection: 0x8A banned (out)"),
        (Closed::TimedOut(Timer::PingResponse).to_string(), "the peer did not answer PINGREQ in time"),
        (Closed::Eof.to_string(), "the transport ended without a DISCONNECT"),
        (Capability::Retain.to_string(), "retained messages (Retain Available 0)"),
    ] {
        assert_eq!(shown, expected);
    }
    let unavailable = CommandError::NotAvailable(Capability::Qos).to_string();
    assert!(unavailable.contains("a QoS above its Maximum QoS"), "{unavailable}");
}

#[test]
fn errors_of_texts_say_what_they_must_not_hold() {
    assert_eq!(mqtt_proto::Text::try_from("\0").unwrap_err().to_string(), "a text must not hold U+0000");
    assert_eq!(TopicName::try_from("#").unwrap_err().to_string(), "a topic name must not hold the wildcards + and #");
    assert_eq!(
        mqtt_proto::TopicFilter::try_from("a#").unwrap_err().to_string(),
        "the wildcard # must be the last level of a topic filter, and alone in it"
    );
}

#[test]
fn instants_count_milliseconds_and_never_overflow() {
    use std::time::Duration;
    let start = Instant::from_millis(5);
    assert_eq!(start.after(Duration::from_millis(10)).as_millis(), 15);
    assert_eq!(start + Duration::from_nanos(1), Instant::from_millis(6));
    assert_eq!(start.after(Duration::MAX), Instant::from_millis(u64::MAX));
    assert_eq!(Instant::from_millis(15).since(start), Duration::from_millis(10));
    assert_eq!(Instant::ZERO.since(start), Duration::ZERO);
}
