//! Our own client and the server, over real sockets.

use mqtt_broker::Server;
use mqtt_tokio::{Options, QoS, Version};

const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];
const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

fn options(server: &Server, version: Version, id: &str) -> Options {
    let address = server.address();
    Options::new(address.ip().to_string(), address.port()).version(version).client_id(id)
}

// MQTT-7.1.1-1
#[tokio::test]
async fn messages_travel_between_clients_of_every_version_at_every_qos() {
    let server = Server::start().unwrap();
    for (from, to) in VERSIONS.into_iter().flat_map(|from| VERSIONS.map(|to| (from, to))) {
        let sender = mqtt_tokio::connect(options(&server, from, "sender")).await.unwrap();
        let receiver = mqtt_tokio::connect(options(&server, to, "receiver")).await.unwrap();
        let mut messages = receiver.subscribe("doors/+", QoS::ExactlyOnce).await.unwrap();
        for qos in LEVELS {
            for size in [0, 3, 600, 100_000] {
                let payload = vec![qos as u8; size];
                sender.publish("doors/front", payload.clone(), qos).await.unwrap();
                let message = messages.next().await.unwrap();
                assert_eq!((message.qos, message.topic.as_str()), (qos, "doors/front"), "{from:?} to {to:?}");
                assert!(message.payload == payload, "{from:?} to {to:?}, {size} bytes");
            }
        }
        sender.disconnect().await.unwrap();
        receiver.disconnect().await.unwrap();
    }
    server.shut_down().unwrap();
}
