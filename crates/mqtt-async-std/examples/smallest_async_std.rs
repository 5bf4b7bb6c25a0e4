//! Connect, subscribe, publish, print what arrives.
use mqtt_async_std::QoS;
fn main() -> Result<(), Box<dyn std::error::Error>> {
    async_std::task::block_on(async {
        let broker = mqtt_broker::Server::start()?; // or connect to yours: "mqtt://localhost"
        let client = mqtt_async_std::connect(broker.url()).await?;
        let mut greetings = client.subscribe("greetings/#", QoS::AtLeastOnce).await?;
        client.publish("greetings/rust", "hello", QoS::AtLeastOnce).await?;
        let message = greetings.next().await.ok_or("the client has stopped")?;
        println!("{}: {}", message.topic, String::from_utf8_lossy(&message.payload));
        Ok(())
    })
}
