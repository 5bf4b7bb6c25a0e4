//! Connect, subscribe, publish, print what arrives.
use mqtt_tokio::QoS;
#[tokio::main]
async fn main() -> Result<(), mqtt_tokio::Error> {
    let client = mqtt_tokio::connect("mqtt://localhost").await?;
    let mut greetings = client.subscribe("greetings/#", QoS::AtLeastOnce).await?;
    client.publish("greetings/rust", "hello", QoS::AtLeastOnce).await?;
    while let Some(message) = greetings.next().await {
        println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
    }
    Ok(())
}
