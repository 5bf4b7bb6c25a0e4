//! From CONNECT to CONNACK.

use std::num::NonZeroU16;
use std::time::Duration;

use mqtt_broker::{Config, Gone, ListenerConfig, Notice, OpenError, Origin};
use mqtt_proto::{Closed, Connect, Disconnect, QoS, ReasonCode, Session, Text, TopicName, Version, Will};

use crate::rig::{Rig, at, message, text, v5, v311};

fn refusal(rig: &Rig, device: usize) -> ReasonCode {
    match rig.devices[device].closed.as_ref().expect("refused") {
        Closed::Refused(connack) => connack.reason,
        other => panic!("{other:?}"),
    }
}

// MQTT-3.1.3-5 of both, D31-clientid
#[test]
fn every_identifier_that_a_server_must_take_is_taken() {
    let mut rig = Rig::new(Config::default());
    let long = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ".repeat(9);
    for version in [Version::V31, Version::V311, Version::V5] {
        for id in ["a", "0123456789abcdefghijklm", "nopqrstuvwxyzABCDEFGHIJ", "KLMNOPQRSTUVWXYZ", &long, "ü/#+ "] {
            let device = rig.connect(Connect::new(version, text(id)));
            rig.disconnect(device, Disconnect::new(ReasonCode::SUCCESS));
        }
    }
}

// MQTT-3.1.3-6, MQTT-3.1.3-7, MQTT-3.2.2-16; 3.1.1: MQTT-3.1.3-6
#[test]
fn a_client_without_an_identifier_gets_one_that_nobody_has() {
    let mut rig = Rig::new(Config { assigned_id_prefix: Text::from_static("given-"), ..Config::default() });
    let ids: Vec<String> = (0..50)
        .map(|_| {
            let device = rig.client("");
            let connack = rig.devices[device].connack.clone().unwrap();
            connack.properties().assigned_client_identifier().unwrap().to_owned()
        })
        .collect();
    assert!(ids.iter().all(|id| id.starts_with("given-")));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), 50);
    assert!(rig.devices.iter().all(|device| device.connection.is_open()), "none has pushed out another");
    let old = rig.connect(v311(""));
    assert!(rig.devices[old].connection.is_open());
    // The identifier is a client's like any other: it can come back under it.
    let session = rig.cut(0);
    let back = rig.resume(v5(&ids[0]), session);
    assert!(rig.devices[back].connection.is_open());
}

// MQTT-3.1.3-8; 3.1.1: MQTT-3.1.3-9
#[test]
fn a_client_without_an_identifier_is_refused_where_it_must_have_one() {
    let mut rig = Rig::new(Config { allow_empty_client_id: false, ..Config::default() });
    for connect in [v5(""), v311("")] {
        let device = rig.dial(connect, Session::new());
        assert_eq!(refusal(&rig, device), ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
    }
    assert!(rig.links.is_empty(), "MQTT-3.2.2-7");
}

// MQTT-3.1.4-3; 3.1.1: MQTT-3.1.4-2; bug 60
#[test]
fn a_newer_connection_of_the_same_client_ends_the_older_one() {
    for version in [Version::V31, Version::V311, Version::V5] {
        let mut rig = Rig::new(Config::default());
        let older = rig.connect(Connect::new(version, text("same")));
        rig.subscribe(older, "a", QoS::AtLeastOnce);
        let newer = rig.connect(Connect::new(version, text("same")));
        match (version, rig.devices[older].closed.as_ref().expect("closed")) {
            (Version::V5, Closed::Remote(disconnect)) => {
                assert_eq!(disconnect.reason, ReasonCode::SESSION_TAKEN_OVER);
            }
            (Version::V31 | Version::V311, Closed::Eof) => {}
            other => panic!("{other:?}"),
        }
        assert!(rig.devices[newer].connection.is_open());
        assert_eq!(rig.links.len(), 1);
        // A clean start: the older one's subscription is gone.
        rig.publish(newer, at(QoS::AtLeastOnce, "a", ""));
        assert!(rig.received(newer).is_empty());
    }
}

// Bugs 60, 61
#[test]
fn a_storm_of_take_overs_leaves_one_connection_and_one_session() {
    let mut rig = Rig::new(Config::default());
    let mut session = Session::new();
    for n in 0..500 {
        let connect = v5("same").with_clean_start(n % 7 == 0).with_session_expiry_interval(60);
        let device = rig.resume(connect, session);
        assert_eq!(rig.session_present(device), n % 7 != 0);
        rig.subscribe(device, "a", QoS::ExactlyOnce);
        session = rig.session_of(device);
    }
    assert_eq!(rig.links.len(), 1);
    let last = rig.devices.len() - 1;
    rig.publish(last, at(QoS::ExactlyOnce, "a", "x"));
    assert_eq!(rig.received(last), ["a=x"]);
}

#[test]
fn of_many_that_wait_to_take_over_the_newest_gets_in() {
    let mut rig = Rig::new(Config::default());
    rig.client("same");
    // The older connection does not end while these come.
    let now = rig.now;
    let held: Vec<_> = (100..103)
        .map(|number| {
            let peer = mqtt_broker::Peer::new(number);
            rig.broker.handle_open(now, peer, mqtt_broker::Origin::default()).unwrap();
            rig.broker.handle_event(now, peer, mqtt_proto::ServerEvent::Connect(Box::new(v5("same"))));
            peer
        })
        .collect();
    let mut actions = Vec::new();
    while let Some((peer, action)) = rig.broker.poll_action() {
        actions.push((peer, action));
    }
    assert!(matches!(&actions[0].1, mqtt_broker::Action::Disconnect(_)), "{actions:?}");
    assert!(matches!(&actions[1], (peer, mqtt_broker::Action::Refuse(_)) if *peer == held[0]), "{actions:?}");
    assert!(matches!(&actions[2], (peer, mqtt_broker::Action::Refuse(_)) if *peer == held[1]), "{actions:?}");
    let older = rig.devices[0].peer;
    rig.broker.handle_closed(now, older, &Closed::Local, Session::new());
    let (peer, action) = rig.broker.poll_action().unwrap();
    assert!(matches!(action, mqtt_broker::Action::Accept { session: None, .. }) && peer == held[2]);
    assert!(rig.broker.poll_action().is_none());
}

#[test]
fn one_that_waits_to_take_over_may_go_away_meanwhile() {
    let mut rig = Rig::new(Config::default());
    rig.lasting("same");
    let (now, older, peer) = (rig.now, rig.devices[0].peer, mqtt_broker::Peer::new(100));
    rig.broker.handle_open(now, peer, mqtt_broker::Origin::default()).unwrap();
    rig.broker.handle_event(now, peer, mqtt_proto::ServerEvent::Connect(Box::new(v5("same"))));
    rig.broker.handle_closed(now, peer, &Closed::Eof, Session::new());
    while rig.broker.poll_action().is_some() {}
    rig.broker.handle_closed(now, older, &Closed::Local, Session::new());
    rig.links.clear();
    // The session is there for whoever comes next.
    let back = rig.resume(v5("same").with_clean_start(false), Session::continued());
    assert!(rig.session_present(back));
}

// MQTT-3.2.2-22, bugs 73, 77
#[test]
fn a_longer_keep_alive_than_the_servers_is_overruled_in_5_0_and_refused_before() {
    let maximum = NonZeroU16::new(60);
    let mut rig = Rig::new(Config { maximum_keep_alive: maximum, ..Config::default() });
    for (asked, told) in [(0, Some(60)), (1, None), (59, None), (60, None), (61, Some(60)), (u16::MAX, Some(60))] {
        let device = rig.connect(v5("new").with_keep_alive(asked));
        let connack = rig.devices[device].connack.clone().unwrap();
        assert_eq!(connack.properties().server_keep_alive(), told, "{asked}");
        let old = rig.dial(v311("old").with_keep_alive(asked), Session::new());
        if told.is_some() {
            assert_eq!(refusal(&rig, old), ReasonCode::CLIENT_IDENTIFIER_NOT_VALID);
        } else {
            assert!(rig.devices[old].connection.is_open());
        }
    }
    // A client that is told nothing is held to what it said.
    let silent = rig.connect(v5("silent").with_keep_alive(10));
    rig.devices[silent].is_dead = true;
    rig.advance(Duration::from_millis(14_999));
    assert!(rig.links.contains_key(&rig.devices[silent].peer));
    rig.advance(Duration::from_millis(1));
    assert!(!rig.links.contains_key(&rig.devices[silent].peer));
}

// MQTT-3.1.2-23, U5-3.1.2.11.2; bug 87
#[test]
fn a_longer_session_expiry_than_the_servers_is_cut_and_told() {
    let mut rig = Rig::new(Config { maximum_session_expiry: Some(100), ..Config::default() });
    for (asked, told) in
        [(None, None), (Some(0), None), (Some(100), None), (Some(101), Some(100)), (Some(u32::MAX), Some(100))]
    {
        let connect = asked.into_iter().fold(v5("c"), Connect::with_session_expiry_interval);
        let device = rig.connect(connect);
        let connack = rig.devices[device].connack.clone().unwrap();
        assert_eq!(connack.properties().session_expiry_interval(), told, "{asked:?}");
        rig.disconnect(device, Disconnect::new(ReasonCode::SUCCESS));
    }
    // DISCONNECT cannot raise it above either.
    let device = rig.connect(v5("d").with_session_expiry_interval(1));
    let goodbye = Disconnect::new(ReasonCode::SUCCESS).with_session_expiry_interval(1_000);
    let session = rig.disconnect(device, goodbye);
    rig.advance_secs(100);
    let back = rig.resume(v5("d").with_clean_start(false), session);
    assert!(!rig.session_present(back));
}

// MQTT-3.1.2-28
#[test]
fn response_information_is_for_those_who_ask() {
    let mut rig = Rig::new(Config::default());
    let asked = rig.connect(v5("me").with_request_response_information(true));
    let silent = rig.client("you");
    let wild = rig.connect(v5("a/#").with_request_response_information(true));
    let informations = [asked, silent, wild].map(|device| {
        rig.devices[device].connack.as_ref().unwrap().properties().response_information().map(str::to_owned)
    });
    assert_eq!(informations, [Some("response/me".to_owned()), None, None]);
}

#[test]
fn silent_links_are_closed_in_time_and_do_not_keep_others_out() {
    let config = Config { maximum_unauthenticated: 3, connect_timeout: Duration::from_secs(5), ..Config::default() };
    let mut rig = Rig::new(config);
    let silent: Vec<_> = (0..4).map(|_| rig.open().unwrap()).collect();
    assert_eq!(rig.closed, silent[..1], "the oldest makes room");
    let client = rig.client("client");
    assert_eq!(rig.closed, silent[..2]);
    rig.advance(Duration::from_millis(4_999));
    assert_eq!(rig.closed, silent[..2]);
    rig.advance(Duration::from_millis(1));
    assert!(rig.links.len() == 1 && rig.devices[client].connection.is_open());
}

#[test]
fn there_are_never_more_links_than_the_maximum() {
    for maximum in [0, 1, 3] {
        let mut rig = Rig::new(Config { maximum_connections: maximum, ..Config::default() });
        for n in 0..maximum {
            rig.client(&format!("client-{n}"));
        }
        assert_eq!(rig.open(), Err(OpenError::TooManyConnections));
        let notice = Notice::TurnedAway { origin: Origin::default(), maximum };
        assert_eq!(rig.broker.poll_notice(), Some(notice));
        if maximum > 0 {
            rig.cut(0);
            assert!(rig.open().is_ok());
        }
    }
}

// Bug 38: a will is checked like a message, when it is handed in.
#[test]
fn a_will_that_may_not_be_published_refuses_its_client() {
    let mut rig = Rig::new(Config { maximum_topic_levels: 3, message_size_limit: Some(4), ..Config::default() });
    let cases = [
        ("$SYS/broker/uptime", "x", ReasonCode::NOT_AUTHORIZED),
        ("a/b/c/d", "x", ReasonCode::TOPIC_NAME_INVALID),
        ("a", "12345", ReasonCode::QUOTA_EXCEEDED),
    ];
    for (topic, payload, reason) in cases {
        let device = rig.dial(v5("c").with_will(Will::new(message(topic, payload))), Session::new());
        assert_eq!(refusal(&rig, device), reason);
    }
    rig.connect(v5("c").with_will(Will::new(message("a/b/c", "1234"))));
}

// MQTT-3.2.2-9, MQTT-3.2.2-12, MQTT-3.2.2-13, MQTT-3.2.2-10
#[test]
fn what_the_server_does_not_offer_is_announced_and_refused() {
    let config = Config { maximum_qos: QoS::AtLeastOnce, retain_available: false, ..Config::default() };
    let mut rig = Rig::new(config);
    let device = rig.client("c");
    let properties = rig.devices[device].connack.clone().unwrap();
    assert_eq!(properties.properties().maximum_qos(), Some(QoS::AtLeastOnce));
    assert_eq!(properties.properties().retain_available(), Some(false));
    assert_eq!(rig.subscribe(device, "a", QoS::ExactlyOnce), ReasonCode::GRANTED_QOS_1);
    let will = Will::new(at(QoS::ExactlyOnce, "a", ""));
    let device = rig.dial(v5("d").with_will(will), Session::new());
    assert_eq!(refusal(&rig, device), ReasonCode::QOS_NOT_SUPPORTED);
    let will = Will::new(message("a", "").with_retain(true));
    let device = rig.dial(v5("d").with_will(will), Session::new());
    assert_eq!(refusal(&rig, device), ReasonCode::RETAIN_NOT_SUPPORTED);
}

// MQTT-3.2.2-9, MQTT-3.1.3-8
#[test]
fn each_listener_may_have_limits_and_identifiers_of_its_own() {
    let own = ListenerConfig {
        maximum_qos: Some(QoS::AtMostOnce),
        topic_alias_maximum: Some(3),
        allow_empty_client_id: Some(true),
        assigned_id_prefix: Some(text("second-")),
    };
    let config = Config {
        allow_empty_client_id: false,
        topic_alias_maximum: 7,
        listeners: vec![ListenerConfig::default(), own],
        ..Config::default()
    };
    let mut rig = Rig::new(config);
    let mut session = Session::new();
    for (listener, qos, aliases) in [(0, None, 7), (1, Some(QoS::AtMostOnce), 3), (2, None, 7)] {
        let connect = v5("device").with_clean_start(false).with_session_expiry_interval(60);
        let device = rig.dial_at(listener, connect, session);
        let connack = rig.devices[device].connack.clone().unwrap();
        assert_eq!(connack.properties().maximum_qos(), qos);
        assert_eq!(connack.properties().topic_alias_maximum(), Some(aliases));
        if listener == 0 {
            assert_eq!(rig.subscribe(device, "a", QoS::ExactlyOnce), ReasonCode::GRANTED_QOS_2);
        } else {
            // The session is the same, the QoS that of the listener it came back by.
            let publisher = rig.client("publisher");
            rig.publish(publisher, at(QoS::AtLeastOnce, "a", "x"));
            assert_eq!(rig.take(device)[0].qos, qos.unwrap_or(QoS::AtLeastOnce));
        }
        session = rig.cut(device);
        let nameless = rig.dial_at(listener, v5(""), Session::new());
        match listener {
            1 => {
                let connack = rig.devices[nameless].connack.as_ref().unwrap();
                let id = connack.properties().assigned_client_identifier().unwrap().to_owned();
                assert!(id.starts_with("second-"), "{id}");
            }
            _ => assert_eq!(refusal(&rig, nameless), ReasonCode::CLIENT_IDENTIFIER_NOT_VALID),
        }
    }
}

#[test]
fn a_notice_tells_programs_and_people_why_a_client_is_gone() {
    let mut rig = Rig::new(Config::default());
    let devices = ["cut", "polite", "displaced", "silent"].map(|id| rig.connect(v5(id).with_keep_alive(10)));
    rig.cut(devices[0]);
    rig.disconnect(devices[1], Disconnect::new(ReasonCode::DISCONNECT_WITH_WILL));
    rig.client("displaced");
    rig.devices[devices[3]].is_dead = true;
    let peer = rig.client("wrong");
    let now = rig.now;
    let peer = rig.devices[peer].peer;
    rig.links.get_mut(&peer).unwrap().handle_input(now, &mut b"\xF8\0"[..].into());
    rig.settle();
    rig.advance_secs(16);
    rig.client("last");
    rig.broker.shut_down(rig.now);
    rig.settle();
    let gone = |id: &str| {
        let of = |notice: &Notice| match notice {
            Notice::Disconnected { client_id, reason, why, .. } if client_id.as_str() == id => {
                Some((*reason, why.clone()))
            }
            _ => None,
        };
        rig.notices.iter().find_map(of).unwrap_or_else(|| panic!("{id}"))
    };
    assert_eq!(gone("cut").0, Gone::Transport);
    assert_eq!(gone("polite").0, Gone::Client(ReasonCode::DISCONNECT_WITH_WILL));
    assert_eq!(gone("displaced").0, Gone::Broker(ReasonCode::SESSION_TAKEN_OVER));
    assert!(gone("displaced").1.starts_with("sent away: "));
    assert_eq!(gone("silent").0, Gone::TimedOut);
    assert!(matches!(gone("wrong").0, Gone::ProtocolError(error) if error.reason() == ReasonCode::MALFORMED_PACKET));
    assert_eq!(gone("last").0, Gone::Broker(ReasonCode::SERVER_SHUTTING_DOWN));
}

// MQTT-3.14.0-1, MQTT-3.14.2-2
#[test]
fn a_shutdown_says_so_to_all_and_lets_nobody_in() {
    let mut rig = Rig::new(Config::default());
    let topic = TopicName::from_static("will");
    let (new, old, witness) = (rig.client("new"), rig.connect(v311("old")), rig.client("witness"));
    let dying = rig.connect(v5("dying").with_will(Will::new(mqtt_proto::Message::new(topic, "gone"))));
    rig.subscribe(witness, "will", QoS::AtMostOnce);
    let stranger = rig.open().unwrap();
    rig.broker.shut_down(rig.now);
    rig.settle();
    rig.advance(Duration::from_millis(1));
    assert_eq!(rig.received(witness), ["will=gone"], "who is still there hears of the others' end");
    for device in [new, witness, dying] {
        let Some(Closed::Remote(disconnect)) = &rig.devices[device].closed else { panic!("no DISCONNECT") };
        assert_eq!(disconnect.reason, ReasonCode::SERVER_SHUTTING_DOWN);
    }
    assert_eq!(rig.devices[old].closed, Some(Closed::Eof));
    assert_eq!(rig.closed, [stranger]);
    assert!(rig.links.is_empty());
    assert_eq!(rig.open(), Err(OpenError::ShuttingDown));
}

#[test]
fn notices_tell_the_story_of_a_client() {
    let mut rig = Rig::new(Config { status_interval: Duration::ZERO, ..Config::default() });
    let device = rig.client("c");
    rig.subscribe(device, "a", QoS::AtMostOnce);
    rig.publish(device, message("a", "x"));
    rig.unsubscribe(device, "a");
    rig.cut(device);
    let story: Vec<String> = rig.notices.iter().map(|notice| format!("{notice:?}")).collect();
    let beginnings = ["Connected", "Subscribed", "Published", "Unsubscribed", "SessionEnded", "Disconnected"];
    assert_eq!(story.len(), beginnings.len(), "{story:#?}");
    assert!(story.iter().zip(beginnings).all(|(line, beginning)| line.starts_with(beginning)), "{story:#?}");
    assert!(matches!(rig.notices[0], Notice::Connected { session_present: false, .. }));
}
