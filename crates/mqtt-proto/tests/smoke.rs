//! A first look at the codecs: a message and a CONNECT survive the wire in each version.

use bytes::{Bytes, BytesMut};
use mqtt_proto::*;
#[test]
fn smoke() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut out = BytesMut::new();
        let message = Message::new(TopicName::from_static("a/b"), "hello").with_qos(QoS::AtLeastOnce);
        let publish = Publish::new(message, PacketId::new(7));
        publish.encode(version, &mut out).unwrap();
        let back = Packet::decode(version, out.split().freeze()).unwrap();
        assert_eq!(back, Packet::Publish(publish));
        let mut connect = Connect::new(version, Text::from_static("me"))
            .with_credentials(Text::from_static("u"), Some(Bytes::from_static(b"p")))
            .with_will(Will::new(Message::new(TopicName::from_static("w"), "gone")));
        if version == Version::V5 {
            connect = connect
                .with_session_expiry_interval(5)
                .with_user_property(Text::from_static("a"), Text::from_static("b"));
        }
        connect.encode(&mut out).unwrap();
        println!("{out:?} {connect:?}");
        assert_eq!(Packet::decode(Version::V5, out.split().freeze()).unwrap(), Packet::Connect(Box::new(connect)));
    }
}
