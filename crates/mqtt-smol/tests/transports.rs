//! The adapter over a transport that it knows nothing of.

use mqtt_broker::Server;
use mqtt_smol::{Options, QoS};
use smol::net::TcpStream;

#[test]
fn any_stream_will_do_as_a_transport() {
    let server = Server::start().unwrap();
    let address = server.address();
    smol::block_on(async {
        let dial = move |_| TcpStream::connect(address);
        let client = mqtt_smol::connect_with(Options::new("nowhere", 1), dial).await.unwrap();
        let mut stream = client.subscribe("#", QoS::AtLeastOnce).await.unwrap();
        client.publish("a", vec![7; 1 << 20], QoS::AtLeastOnce).await.unwrap();
        assert_eq!(stream.next().await.unwrap().payload.len(), 1 << 20);
        client.disconnect().await.unwrap();
    });
}
