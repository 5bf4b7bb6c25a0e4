//! How an application is tested: README.md shows this file.

use std::{thread, time::Duration};

use mqtt_broker::{Message, QoS, Server, TopicName};

/// The application: a lamp that does as it is told, and says so.
fn lamp(url: &str) -> Result<(), mqtt_std::Error> {
    let client = mqtt_std::connect(url).wait()?;
    let mut orders = client.subscribe("lamp/set", QoS::AtLeastOnce).wait()?;
    while let Some(order) = orders.next().wait() {
        client.publish("lamp/is", order.payload.clone(), QoS::AtLeastOnce).wait()?;
    }
    Ok(())
}

#[test]
fn the_lamp_does_as_it_is_told() {
    let broker = Server::start().unwrap();
    let mut reports = broker.subscribe("lamp/is", QoS::AtLeastOnce).unwrap();
    let url = broker.url();
    thread::spawn(move || lamp(&url));

    // Retained, so that the lamp gets it whether it has subscribed already or not.
    broker.send(Message::new(TopicName::from_static("lamp/set"), "on").with_retain(true)).unwrap();
    let report = reports.next().wait_timeout(Duration::from_secs(10)).expect("the lamp reports");
    assert_eq!(report.payload, "on");
}
