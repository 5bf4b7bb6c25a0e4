//! Connect, subscribe, publish, print what arrives.
use mqtt_std::QoS;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let broker = mqtt_broker::Server::start()?; // or connect to yours: "mqtt://localhost"
    let client = mqtt_std::connect(broker.url()).wait()?;
    let mut greetings = client.subscribe("greetings/#", QoS::AtLeastOnce).wait()?;
    client.publish("greetings/rust", "hello", QoS::AtLeastOnce).wait()?;
    let message = greetings.next().wait().ok_or("the client has stopped")?;
    println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
    Ok(())
}
