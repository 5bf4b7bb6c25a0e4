//! Messages both ways, at every quality of service.

use mqtt_client::QoS;

use super::{Adapter, host::Host, within};

/// Publish and receive at QoS 0, 1 and 2; the ticket resolves when the flow is done.
pub fn messages_travel_both_ways_at_every_qos(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.connect(host.options());
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut stream = within("SUBACK", handle.subscribe("qos/+", qos)).expect("the broker grants all");
        let payloads: Vec<String> = (0..100).map(|number| format!("{qos} {number}")).collect();
        let tickets: Vec<_> = payloads.iter().map(|payload| handle.publish("qos/up", payload.clone(), qos)).collect();
        for ticket in tickets {
            within("the acknowledgement", ticket).expect("the broker takes all");
        }
        for payload in &payloads {
            let message = within("a message", stream.next()).expect("the stream goes on");
            assert_eq!(message.qos, qos);
            assert_eq!(&message.payload[..], payload.as_bytes(), "in the order of publishing");
        }
        within("UNSUBACK", handle.unsubscribe("qos/+")).expect("the broker grants all");
    }
}

/// Each subscription has its own stream, and there is one of everything.
pub fn each_stream_gets_its_own_messages(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.connect(host.options());
    let mut everything = handle.messages();
    let mut left = within("SUBACK", handle.subscribe("left/#", QoS::AtLeastOnce)).expect("the broker grants all");
    let mut right = within("SUBACK", handle.subscribe("right/#", QoS::AtLeastOnce)).expect("the broker grants all");
    for (topic, payload) in [("left/1", "l"), ("right/1", "r")] {
        host.publish(topic, payload, QoS::AtLeastOnce);
    }
    for expected in ["l", "r"] {
        let message = within("a message", everything.next()).expect("the stream goes on");
        assert_eq!(&message.payload[..], expected.as_bytes());
    }
    assert_eq!(&within("a message", left.next()).expect("the stream goes on").payload[..], b"l");
    assert_eq!(&within("a message", right.next()).expect("the stream goes on").payload[..], b"r");
}

/// Payloads around the boundaries of the length field and of the buffers.
///
/// MQTT-4.2-1, MQTT-7.1.2-1
pub fn payloads_of_every_size_arrive_whole(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.connect(host.options());
    let mut stream = within("SUBACK", handle.subscribe("sizes", QoS::AtLeastOnce)).expect("the broker grants all");
    for len in [0, 1, 110, 127, 128, 511, 512, 513, 16_383, 16_384, 65_535, 65_536, 2_097_151, 2_097_152] {
        let payload = super::noise(len, len as u64);
        within("PUBACK", handle.publish("sizes", payload.clone(), QoS::AtLeastOnce)).expect("the broker takes all");
        let message = within("the message", stream.next()).expect("the stream goes on");
        assert!(message.payload == payload, "{len} bytes come back as they were");
    }
}
