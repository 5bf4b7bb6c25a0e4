//! Publishing and subscribing in the process.

use mqtt_broker::{Config, OpenError, Peer};
use mqtt_proto::{QoS, ReasonCode, TopicFilter};

use crate::rig::{Rig, at, message, payload, subscription, text};

const LOCAL: Peer = Peer::new(1 << 40);

fn fetch(rig: &mut Rig) -> Vec<String> {
    let now = rig.now;
    let outgoing = std::iter::from_fn(|| rig.broker.poll_message(now, LOCAL, |_| true));
    outgoing.map(|outgoing| format!("{}={}", outgoing.message.topic, payload(&outgoing.message))).collect()
}

#[test]
fn the_process_publishes_and_subscribes_without_a_connection() {
    let mut rig = Rig::new(Config::default());
    let client = rig.client("client");
    rig.subscribe(client, "down/#", QoS::AtLeastOnce);
    rig.broker.open_local(LOCAL, text("local")).unwrap();
    assert_eq!(rig.broker.open_local(LOCAL, text("local")), Err(OpenError::PeerInUse));
    rig.broker.publish(rig.now, message("up/old", "kept").with_retain(true)).unwrap();
    assert_eq!(rig.broker.subscribe_local(LOCAL, &subscription("up/#", QoS::ExactlyOnce)), Ok(QoS::ExactlyOnce));
    assert_eq!(rig.broker.poll_action().map(|(peer, _)| peer), Some(LOCAL));
    assert_eq!(fetch(&mut rig), ["up/old=kept"]);

    assert_eq!(rig.broker.publish(rig.now, at(QoS::AtLeastOnce, "down/x", "1")), Ok(true));
    assert_eq!(rig.broker.publish(rig.now, message("nowhere", "1")), Ok(false));
    rig.settle();
    assert_eq!(rig.received(client), ["down/x=1"]);

    let reason = rig.publish_for_reason(client, at(QoS::ExactlyOnce, "up/x", "2"));
    assert_eq!(reason, ReasonCode::SUCCESS);
    assert_eq!(fetch(&mut rig), ["up/x=2"]);

    assert!(rig.broker.unsubscribe_local(rig.now, LOCAL, &TopicFilter::from_static("up/#")));
    assert!(!rig.broker.unsubscribe_local(rig.now, LOCAL, &TopicFilter::from_static("up/#")));
    rig.publish(client, message("up/x", "3"));
    assert!(fetch(&mut rig).is_empty());
}

#[test]
fn what_a_local_subscriber_does_not_fetch_is_limited_like_everybodys() {
    let mut rig = Rig::new(Config { maximum_queued_messages: 3, maximum_subscriptions: 1, ..Config::default() });
    rig.broker.open_local(LOCAL, text("local")).unwrap();
    rig.broker.subscribe_local(LOCAL, &subscription("#", QoS::AtMostOnce)).unwrap();
    let more = rig.broker.subscribe_local(LOCAL, &subscription("a", QoS::AtMostOnce));
    assert_eq!(more, Err(ReasonCode::QUOTA_EXCEEDED));
    for n in 0..10 {
        rig.broker.publish(rig.now, message("a", &n.to_string())).unwrap();
    }
    assert_eq!(fetch(&mut rig), ["a=0", "a=1", "a=2"]);
}

#[test]
fn a_local_member_of_a_group_leaves_its_work_to_the_others() {
    let mut rig = Rig::new(Config::default());
    rig.broker.open_local(LOCAL, text("local")).unwrap();
    let no_group = rig.broker.subscribe_local(LOCAL, &subscription("$share/job", QoS::AtLeastOnce));
    assert_eq!(no_group, Err(ReasonCode::TOPIC_FILTER_INVALID));
    rig.broker.subscribe_local(LOCAL, &subscription("$share/g/job", QoS::AtLeastOnce)).unwrap();
    for n in 0..10 {
        rig.broker.publish(rig.now, at(QoS::AtLeastOnce, "job", &n.to_string())).unwrap();
    }
    let now = rig.now;
    let first = rig.broker.poll_message(now, LOCAL, |_| true).unwrap();
    assert_eq!(payload(&first.message), "0");
    let client = rig.client("client");
    rig.subscribe(client, "$share/g/job", QoS::AtLeastOnce);
    rig.broker.close_local(rig.now, LOCAL);
    rig.broker.close_local(rig.now, LOCAL);
    rig.settle();
    assert_eq!(rig.take(client).len(), 9, "all but the one it had");
    rig.cut(client);
    let left = format!("{:?}", rig.broker);
    assert!(left.contains("links: 0, clients: 0, messages: 0"), "{left}");
}

// A name in the process is no client identifier.
#[test]
fn a_local_subscriber_does_not_stand_in_the_way_of_a_client_of_its_name() {
    let mut rig = Rig::new(Config::default());
    rig.broker.open_local(LOCAL, text("same")).unwrap();
    let client = rig.client("same");
    rig.broker.close_local(rig.now, LOCAL);
    rig.settle();
    rig.subscribe(client, "a", QoS::AtMostOnce);
    let again = rig.client("same");
    assert!(rig.devices[client].closed.is_some() && rig.devices[again].connection.is_open());
}
