//! A broker inside a program, which takes part in it without a socket: `cargo run -p mqtt-broker --example embedded -- 1883`.
use mqtt_broker::{Listener, Server};
use mqtt_proto::{Message, QoS, TopicFilter, TopicName};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let server = Server::builder().listen(Listener::tcp(format!("localhost:{port}"))).start()?;
    println!("mosquitto_pub -p {} -t program/say -m hello", server.address().port());

    let mut said = server.subscribe(TopicFilter::from_static("program/say"), QoS::AtLeastOnce)?;
    while let Some(message) = said.next().wait() {
        println!("{}", String::from_utf8_lossy(&message.payload));
        server.publish(Message::new(TopicName::from_static("program/echo"), message.payload))?;
    }
    Ok(())
}
