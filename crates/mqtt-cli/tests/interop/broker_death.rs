//! The broker dies under a publishing client, again and again, and nothing that was accepted is lost.
//!
//! The publisher reaches the broker over a `Link`, because the broker that comes back listens elsewhere. The
//! subscriber has a session and is away meanwhile; it collects everything at the end.
//!
//! A broker may die in two ways here. Told to end (`SIGTERM`), Mosquitto saves what it holds. Killed (`SIGKILL`), it
//! comes back with what it saved last, while it may have acknowledged more: Mosquitto takes snapshots and keeps no
//! journal, so what it acknowledged after the last one is lost by *it*. To judge only ourselves, the test makes it a
//! broker that acknowledges nothing it has not saved: the link first holds back the broker's answers, then the broker
//! saves, and then it is killed. The client goes on publishing all the while, so each death finds messages in every state
//! of their flow.

use std::num::NonZeroU16;

use mqtt_tokio::{Options, QoS, Ticket, Version};
use tokio::sync::mpsc::channel;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::broker::Broker;
use crate::link::Link;
use crate::log::DEADLINE;

const MESSAGES: usize = 10_000;

/// The broker dies when it has acknowledged so many: early, in the middle and late.
const DEATHS: [usize; 3] = [1_000, 4_000, 8_000];

/// So many messages may be under way: the publisher keeps the broker's pace, and each death finds it publishing.
const UNACKNOWLEDGED: usize = 500;

const TOPIC: &str = "numbers";
const LAST: &str = "last";

#[derive(Clone, Copy, Debug)]
enum Death {
    /// `SIGTERM`
    Told,
    /// `SIGKILL`
    Killed,
}

#[test]
fn at_qos_1_every_message_survives_a_broker_that_is_killed() {
    at_least_once(Death::Killed);
}

#[test]
fn at_qos_1_every_message_survives_a_broker_that_is_restarted() {
    at_least_once(Death::Told);
}

#[test]
fn at_qos_2_every_message_arrives_once_from_a_broker_that_is_killed() {
    exactly_once(Death::Killed);
}

#[test]
fn at_qos_2_every_message_arrives_once_from_a_broker_that_is_restarted() {
    exactly_once(Death::Told);
}

fn at_least_once(death: Death) {
    in_every_version(|version| {
        let mut arrived = publish_through_deaths(version, QoS::AtLeastOnce, death);
        arrived.sort_unstable();
        arrived.dedup();
        let lost: Vec<usize> = (0..MESSAGES).filter(|n| arrived.binary_search(n).is_err()).collect();
        assert_eq!(lost, [0; 0], "lost, of {MESSAGES}");
    });
}

fn exactly_once(death: Death) {
    in_every_version(|version| {
        let mut arrived = publish_through_deaths(version, QoS::ExactlyOnce, death);
        arrived.sort_unstable();
        let twice: Vec<usize> = arrived.windows(2).filter(|w| w[0] == w[1]).map(|w| w[0]).collect();
        assert_eq!(twice, [0; 0], "arrived more than once, of {MESSAGES}");
        let lost: Vec<usize> = (0..MESSAGES).filter(|n| arrived.binary_search(n).is_err()).collect();
        assert_eq!(lost, [0; 0], "lost, of {MESSAGES}");
    });
}

fn in_every_version(case: impl Fn(Version)) {
    for version in [Version::V31, Version::V311, Version::V5] {
        println!("--- {version:?}");
        case(version);
    }
}

/// Publishes the numbers below `MESSAGES` while the broker dies three times. Returns what a subscriber got, in order.
fn publish_through_deaths(version: Version, qos: QoS, death: Death) -> Vec<usize> {
    let mut broker = Broker::durable();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(in_time("subscribing", subscribe(options(broker.port(), version, "collector"), qos)));

    let link = Link::to(broker.port());
    let (acknowledged, mut progress) = watch::channel(0);
    let publisher = runtime.spawn(publish(options(link.port(), version, "publisher"), qos, acknowledged));
    for count in DEATHS {
        let due = progress.wait_for(|&acknowledged| acknowledged >= count);
        let acknowledged = *runtime.block_on(in_time("the next death", due)).unwrap();
        assert!(acknowledged < MESSAGES, "the broker has no time to die before everything is done");
        die(&mut broker, &link, death);
        broker.start_again();
        link.lead_to(broker.port());
    }
    runtime.block_on(in_time("publishing", publisher)).unwrap();
    runtime.block_on(in_time("collecting", collect(options(broker.port(), version, "collector"))))
}

fn die(broker: &mut Broker, link: &Link, death: Death) {
    match death {
        Death::Told => {
            broker.stop();
            link.cut();
        }
        Death::Killed => {
            link.hold_answers();
            broker.save();
            broker.kill();
            link.cut();
        }
    }
}

fn options(port: u16, version: Version, client_id: &str) -> Options {
    let options = Options::new("127.0.0.1", port).version(version).client_id(client_id).clean_start(false);
    if version == Version::V5 { options.session_expiry(u32::MAX) } else { options }
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = timeout(DEADLINE, future).await;
    done.unwrap_or_else(|_| panic!("{what} did not end"))
}

/// Leaves a session with this one subscription at the broker.
async fn subscribe(options: Options, qos: QoS) {
    let client = mqtt_tokio::connect(options).await.unwrap();
    // The subscription would end with its stream.
    let _numbers = client.subscribe(TOPIC, qos).await.unwrap();
    client.disconnect().await.unwrap();
}

async fn publish(options: Options, qos: QoS, acknowledged: watch::Sender<usize>) {
    let client = mqtt_tokio::connect(options).await.unwrap();
    let (sender, mut tickets) = channel::<Ticket>(UNACKNOWLEDGED);
    let counting = tokio::spawn(async move {
        while let Some(ticket) = tickets.recv().await {
            ticket.await.unwrap();
            acknowledged.send_modify(|count| *count += 1);
        }
    });
    for number in 0..MESSAGES {
        let mut ticket = client.publish(TOPIC, number.to_string(), qos);
        ticket.accepted().await.unwrap();
        sender.send(ticket).await.unwrap();
    }
    drop(sender);
    counting.await.unwrap();
    client.publish(TOPIC, LAST, qos).await.unwrap();
    client.disconnect().await.unwrap();
}

/// What the session holds, up to the last message.
async fn collect(options: Options) -> Vec<usize> {
    // After a restart Mosquitto 2.0.11 sends a session's whole backlog at once, whatever Receive Maximum says. A client
    // that announces less closes, comes back, and gets there in small steps.
    let options = options.receive_maximum(NonZeroU16::MAX);
    // The stream stands before the connection does: a resumed session sends at once.
    let (client, driver) = mqtt_tokio::new(options).unwrap();
    let mut messages = client.messages();
    tokio::spawn(mqtt_tokio::drive(driver, mqtt_tokio::dial));
    client.connected().await.unwrap();

    let mut numbers = Vec::with_capacity(MESSAGES);
    while let Some(message) = messages.next().await {
        let payload = std::str::from_utf8(&message.payload).unwrap();
        if payload == LAST {
            client.disconnect().await.unwrap();
            return numbers;
        }
        numbers.push(payload.parse().unwrap());
    }
    panic!("the stream ended after {} numbers", numbers.len());
}
