//! Connect, subscribe, publish, print what arrives.
use mqtt_std::QoS;
fn main() -> Result<(), mqtt_std::Error> {
    let client = mqtt_std::connect("mqtt://localhost").wait()?;
    let mut greetings = client.subscribe("greetings/#", QoS::AtLeastOnce).wait()?;
    client.publish("greetings/rust", "hello", QoS::AtLeastOnce).wait()?;
    while let Some(message) = greetings.next().wait() {
        println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
    }
    Ok(())
}
