//! `mqtt demo`: a broker and its clients in one process, and what MQTT does between them, told as it happens.
//!
//! Everything that is told has been seen: a line about a message is written when the client has it. So the demo is a test,
//! too, and says so when something does not come.

mod cable;
mod cast;

use std::time::Instant;

use mqtt_broker::Server;
use mqtt_tokio::{Message, QoS, TopicName, Version, Will};

use crate::report::{Outcome, say};
use cable::Cable;
use cast::{Actor, Stage};

/// Plays it from the beginning to the end.
pub(crate) async fn run() -> Outcome {
    match play().await {
        Ok(()) => Outcome::Done,
        Err(error) => {
            say(format_args!("mqtt: the demo has stopped: {error}"));
            Outcome::Failed
        }
    }
}

async fn play() -> Result<(), String> {
    let begun = Instant::now();
    let server = Server::start().map_err(|error| error.to_string())?;
    let mut stage = Stage::default();
    stage.heading("A broker");
    stage.tell("Clients of MQTT do not talk to each other but to a broker, which knows who wants to hear what.");
    stage.tell(format_args!("This one lives in this process: {}", server.url()));

    stage.heading("Two clients, of two versions of the protocol");
    let address = server.address();
    let cable = Cable::default();
    let sensor = Actor::connect("sensor", address, Version::V311, &Cable::default(), |options| options).await?;
    stage.says("sensor", "connected, with MQTT 3.1.1");
    // Its session stays with the broker for a minute after a connection is lost.
    let mut display = Actor::connect("display", address, Version::V5, &cable, |options| {
        options.clean_start(false).session_expiry(60)
    })
    .await?;
    stage.says("display", "connected, with MQTT 5.0");
    display.subscribe("house/#").await?;
    stage.says("display", "subscribed to house/#, which is every topic below house");

    qualities(&mut stage, &sensor, &mut display).await?;
    retained(&mut stage, &server, &sensor, &mut display).await?;
    will(&mut stage, &server, &mut display).await?;
    outage(&mut stage, &cable, &sensor, &mut display).await?;

    sensor.disconnect().await?;
    display.disconnect().await?;
    server.shut_down().map_err(|error| error.to_string())?;
    stage.heading("That was all");
    let (messages, clients) = (stage.messages(), CLIENTS);
    let milliseconds = begun.elapsed().as_millis();
    stage.tell(format_args!("{clients} clients, {messages} messages, none lost and none twice, in {milliseconds} ms."));
    stage.end(&advice());
    Ok(())
}

/// The same message three times, each with more care.
async fn qualities(stage: &mut Stage, sensor: &Actor, display: &mut Actor) -> Result<(), String> {
    stage.heading("Quality of service: how much care is taken of a message");
    for (qos, degrees, meaning) in [
        (QoS::AtMostOnce, "20.5", "QoS 0, at most once: one packet, and never looked after again"),
        (QoS::AtLeastOnce, "20.6", "QoS 1, at least once: sent again until it is acknowledged"),
        (QoS::ExactlyOnce, "20.7", "QoS 2, exactly once: four packets, and it is neither lost nor doubled"),
    ] {
        stage.tell(meaning);
        let message = message("house/temperature", degrees).with_qos(qos);
        stage.says("sensor", format_args!("publishes house/temperature = {degrees}"));
        sensor.publish(message).await?;
        if qos != QoS::AtMostOnce {
            stage.says("sensor", "the broker has acknowledged it");
        }
        display.receive("house/temperature", degrees, qos).await?;
        stage.received("display", format_args!("house/temperature = {degrees}, QoS {}", qos as u8));
    }
    Ok(())
}

async fn retained(stage: &mut Stage, server: &Server, sensor: &Actor, display: &mut Actor) -> Result<(), String> {
    stage.heading("A retained message: the latest news, for those who come later");
    stage.says("sensor", "publishes house/door = closed, retained: the broker keeps it");
    sensor.publish(message("house/door", "closed").with_qos(QoS::AtLeastOnce).with_retain(true)).await?;
    display.receive("house/door", "closed", QoS::AtLeastOnce).await?;
    stage.received("display", "house/door = closed, at once, as all who are there");
    let mut phone =
        Actor::connect("phone", server.address(), Version::V5, &Cable::default(), |options| options).await?;
    phone.subscribe("house/door").await?;
    stage.says("phone", "connects only now, and subscribes to house/door");
    let news = phone.receive("house/door", "closed", QoS::AtLeastOnce).await?;
    if !news.retain {
        return Err("the message for the phone is not marked as retained".into());
    }
    stage.received("phone", "house/door = closed, marked as retained: it was there before the phone was");
    phone.disconnect().await
}

async fn will(stage: &mut Stage, server: &Server, display: &mut Actor) -> Result<(), String> {
    stage.heading("A will: what the broker says for a client that vanishes");
    let cable = Cable::default();
    // With QoS 1 it might come again in the next chapter, in which the display is cut off before its acknowledgement is out.
    let will = Will::new(message("house/heater", "offline"));
    let mut heater = Actor::connect("heater", server.address(), Version::V311, &cable, |options| {
        options.will(will).reconnect(false)
    })
    .await?;
    stage.says("heater", "connects, and leaves a will: house/heater = offline");
    cable.pull();
    heater.lost().await?;
    stage.says("heater", "loses its power: the connection breaks without a goodbye");
    display.receive("house/heater", "offline", QoS::AtMostOnce).await?;
    stage.received("display", "house/heater = offline, which the broker has published");
    Ok(())
}

async fn outage(stage: &mut Stage, cable: &Cable, sensor: &Actor, display: &mut Actor) -> Result<(), String> {
    stage.heading("A session that outlives its connection");
    cable.pull();
    display.lost().await?;
    stage.says("display", "loses its network. The broker keeps its session: what it has subscribed to, what it misses");
    let missed = ["21.0", "21.5", "22.0"];
    for degrees in missed {
        sensor.publish(message("house/temperature", degrees).with_qos(QoS::ExactlyOnce)).await?;
    }
    stage.says("sensor", format_args!("publishes house/temperature = {}, and hears nothing of it", missed.join(", ")));
    cable.plug();
    if !display.resumed().await? {
        return Err("the broker has not kept the session of the display".into());
    }
    stage.says("display", "has its network again and reconnects by itself; its session is still there");
    for degrees in missed {
        display.receive("house/temperature", degrees, QoS::ExactlyOnce).await?;
        stage.received("display", format_args!("house/temperature = {degrees}"));
    }
    stage.tell("Nobody has published again, and nobody has subscribed again.");
    Ok(())
}

fn message(topic: &'static str, payload: &'static str) -> Message {
    Message::new(TopicName::from_static(topic), payload)
}

/// What to try next, in commands that work as they stand where this one did.
fn advice() -> String {
    let mqtt = if std::env::var_os("CARGO").is_some() { "cargo run --release --" } else { "mqtt" };
    ADVICE.replace("MQTT", mqtt)
}

/// Sensor, display, phone and heater.
const CLIENTS: usize = 4;

const ADVICE: &str = "
Try it yourself, in three terminals:
  MQTT broker
  MQTT sub -t 'house/#' -v
  MQTT pub -t house/door -m open -q 1 -r

Then: MQTT broker --help, and docs/broker.md for a mosquitto.conf of yours;
      crates/mqtt-tokio/examples and its neighbours for a client in your program.
";
