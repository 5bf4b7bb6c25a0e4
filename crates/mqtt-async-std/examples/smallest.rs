//! Connect, subscribe, publish, print what arrives.
use mqtt_async_std::QoS;
fn main() -> Result<(), mqtt_async_std::Error> {
    async_std::task::block_on(async {
        let client = mqtt_async_std::connect("mqtt://localhost").await?;
        let mut greetings = client.subscribe("greetings/#", QoS::AtLeastOnce).await?;
        client.publish("greetings/rust", "hello", QoS::AtLeastOnce).await?;
        while let Some(message) = greetings.next().await {
            println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
        }
        Ok(())
    })
}
