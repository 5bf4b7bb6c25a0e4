//! Connect, subscribe, publish, print what arrives.
use mqtt_smol::QoS;
fn main() -> Result<(), mqtt_smol::Error> {
    smol::block_on(async {
        let client = mqtt_smol::connect("mqtt://localhost").await?;
        let mut greetings = client.subscribe("greetings/#", QoS::AtLeastOnce).await?;
        client.publish("greetings/rust", "hello", QoS::AtLeastOnce).await?;
        while let Some(message) = greetings.next().await {
            println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
        }
        Ok(())
    })
}
