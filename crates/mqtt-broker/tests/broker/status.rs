//! The topics below `$SYS`.

use std::collections::BTreeMap;
use std::time::Duration;

use mqtt_broker::{Config, DropReason, Notice};
use mqtt_proto::{Message, QoS, ReasonCode};

use crate::rig::{Rig, at, message, payload, v5};

fn values(messages: &[Message]) -> BTreeMap<String, String> {
    let name = |message: &Message| message.topic.strip_prefix("$SYS/broker/").unwrap().to_owned();
    messages.iter().map(|message| (name(message), payload(message))).collect()
}

#[test]
fn dashboards_find_the_names_they_know() {
    let mut rig = Rig::new(Config::default());
    let (publisher, dashboard) = (rig.client("publisher"), rig.client("dashboard"));
    let away = rig.lasting("away");
    rig.cut(away);
    rig.subscribe(dashboard, "a", QoS::AtMostOnce);
    rig.publish(publisher, message("a", "12345").with_retain(true));
    rig.broker.handle_traffic(700, 900);
    let peer = rig.devices[publisher].peer;
    rig.broker.handle_tolerated(peer, 3);
    rig.advance_secs(10);
    rig.subscribe(dashboard, "$SYS/broker/#", QoS::AtMostOnce);
    let values = values(&rig.take(dashboard).split_off(1));
    assert_eq!(values["uptime"], "10 seconds");
    assert!(values["version"].starts_with("mqtt-broker "));
    for (name, value) in [
        ("clients/total", "3"),
        ("clients/maximum", "3"),
        ("clients/connected", "2"),
        ("clients/disconnected", "1"),
        ("retained messages/count", "1"),
        ("subscriptions/count", "1"),
        ("publish/messages/received", "1"),
        ("publish/messages/sent", "1"),
        ("publish/messages/dropped", "0"),
        ("publish/messages/tolerated", "3"),
        ("publish/bytes/received", "5"),
        ("publish/bytes/sent", "5"),
        ("bytes/received", "700"),
        ("bytes/sent", "900"),
        ("messages/stored", "1"),
    ] {
        assert_eq!(values[name], value, "{name}");
    }
    // 700 bytes in ten seconds are 4,200 a minute: after a sixth of a minute the average is at 1 - e^(-1/6) of it.
    assert_eq!(values["load/bytes/received/1min"], "644.78");
    assert!(values["load/bytes/received/15min"].starts_with("46."), "{}", values["load/bytes/received/15min"]);
    assert_eq!(values.keys().filter(|name| name.starts_with("load/")).count(), 27);
}

#[test]
fn a_short_queue_takes_all_values_at_once_and_one_that_nobody_empties_no_more() {
    let mut rig = Rig::new(Config { maximum_queued_messages: 1, ..Config::default() });
    let (dashboard, deaf) = (rig.client("dashboard"), rig.connect(v5("deaf").with_keep_alive(0)));
    for device in [dashboard, deaf] {
        rig.subscribe(device, "$SYS/#", QoS::AtMostOnce);
    }
    let all = values(&rig.take(dashboard)).len();
    assert!((50..=64).contains(&all), "{all}");
    rig.broker.handle_traffic(700, 900);
    rig.advance_secs(10);
    let changed = values(&rig.take(dashboard));
    assert!(changed.len() > 10 && changed.contains_key("load/bytes/sent/15min"), "{changed:?}");
    assert_eq!(rig.notices.iter().filter(|notice| matches!(notice, Notice::Dropped { .. })).count(), 0);
    rig.devices[deaf].is_deaf = true;
    for _ in 0..20_000 {
        rig.broker.handle_traffic(1, 1);
        rig.advance_secs(10);
        if rig.notices.iter().any(|notice| matches!(notice, Notice::Dropped { why: DropReason::QueueFull, .. })) {
            return;
        }
        rig.take(dashboard);
    }
    panic!("there is no limit");
}

// Bugs 85, 88
#[test]
fn a_value_is_published_when_it_changes_and_never_expires() {
    let mut rig = Rig::new(Config { status_interval: Duration::from_secs(3), ..Config::default() });
    let dashboard = rig.connect(v5("dashboard").with_keep_alive(0));
    rig.subscribe(dashboard, "$SYS/broker/clients/total", QoS::AtMostOnce);
    assert_eq!(rig.received(dashboard), ["$SYS/broker/clients/total=0"], "as it was at the start");
    rig.advance_secs(300);
    assert_eq!(rig.received(dashboard), ["$SYS/broker/clients/total=1"]);
    rig.client("other");
    rig.advance(Duration::from_millis(2_999));
    assert!(rig.received(dashboard).is_empty());
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.received(dashboard), ["$SYS/broker/clients/total=2"]);
}

// MQTT-4.7.2-1
#[test]
fn clients_publish_nothing_below_sys_and_get_it_only_by_name() {
    let mut rig = Rig::new(Config::default());
    let (publisher, all) = (rig.client("publisher"), rig.client("all"));
    for filter in ["#", "+/broker/#", "/#"] {
        rig.subscribe(all, filter, QoS::AtMostOnce);
    }
    for topic in ["$SYS", "$SYS/", "$SYS/broker/version"] {
        let reason = rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, topic, "lie").with_retain(true));
        assert_eq!(reason, ReasonCode::NOT_AUTHORIZED);
    }
    rig.advance_secs(20);
    assert!(rig.received(all).is_empty());
    rig.subscribe(all, "$SYS/broker/version", QoS::AtMostOnce);
    assert!(rig.received(all)[0].starts_with("$SYS/broker/version=mqtt-broker "));
}

#[test]
fn what_the_program_retains_below_sys_is_found_beside_the_brokers_own() {
    let mut rig = Rig::new(Config::default());
    let dashboard = rig.client("dashboard");
    rig.broker.publish(rig.now, message("$SYS/broker/site", "north").with_retain(true)).unwrap();
    rig.subscribe(dashboard, "$SYS/broker/site", QoS::AtMostOnce);
    assert_eq!(rig.received(dashboard), ["$SYS/broker/site=north"]);
    rig.subscribe(dashboard, "$SYS/broker/+", QoS::AtMostOnce);
    let values = values(&rig.take(dashboard));
    assert!(values["site"] == "north" && values.contains_key("version"), "{values:?}");
}

#[test]
fn the_status_can_be_turned_off() {
    let mut rig = Rig::new(Config { status_interval: Duration::ZERO, ..Config::default() });
    let dashboard = rig.client("dashboard");
    rig.advance_secs(30);
    rig.subscribe(dashboard, "$SYS/#", QoS::AtMostOnce);
    assert!(rig.received(dashboard).is_empty());
}

#[test]
fn time_may_come_to_its_end() {
    let mut rig = Rig::new(Config::default());
    let device = rig.lasting("c");
    rig.cut(device);
    for _ in 0..3 {
        rig.broker.handle_timeout(mqtt_proto::Instant::from_millis(u64::MAX));
    }
}
