//! The embedder's hooks: when they are asked, and what follows from their answers.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use mqtt_broker::{AuthPhase, AuthRequest, AuthStep, ClientInfo, Config, Policy};
use mqtt_proto::{
    Auth, Closed, Connect, Message, QoS, ReasonCode, Session, Subscribe, Subscription, TopicName, Version, Will,
};

use crate::rig::{Rig, at, message, subscription, text, v5, v311};

/// What is forbidden at the moment, as `verb client object`.
#[derive(Clone, Default)]
struct Rules(Arc<Mutex<BTreeSet<String>>>);

impl Rules {
    fn forbid(&self, what: &str) {
        self.0.lock().unwrap().insert(what.to_owned());
    }

    fn allow(&self, what: &str) {
        self.0.lock().unwrap().remove(what);
    }

    fn ask(&self, what: String) -> Result<(), ReasonCode> {
        if self.0.lock().unwrap().contains(&what) { Err(ReasonCode::NOT_AUTHORIZED) } else { Ok(()) }
    }
}

impl Policy for Rules {
    fn connect(&mut self, client: &ClientInfo, connect: &Connect) -> Result<(), ReasonCode> {
        assert_eq!(client.username.is_some(), connect.username.is_some());
        self.ask(format!("connect {}", client.client_id)).map_err(|_| ReasonCode::BAD_USER_NAME_OR_PASSWORD)
    }

    fn publish(&mut self, client: &ClientInfo, message: &Message) -> Result<(), ReasonCode> {
        self.ask(format!("publish {} {}", client.client_id, message.topic))
    }

    fn subscribe(&mut self, client: &ClientInfo, subscription: &Subscription) -> Result<QoS, ReasonCode> {
        self.ask(format!("subscribe {} {}", client.client_id, subscription.filter))?;
        let lowered = self.ask(format!("lower {}", client.client_id)).is_err();
        Ok(if lowered { QoS::AtMostOnce } else { QoS::ExactlyOnce })
    }

    fn deliver(&mut self, client: &ClientInfo, message: &Message) -> bool {
        self.ask(format!("deliver {} {}", client.client_id, message.topic)).is_ok()
    }

    fn may_retain(&mut self, publisher: &ClientInfo, message: &Message) -> bool {
        assert_eq!(publisher.origin.address, None);
        self.ask(format!("retain {} {}", publisher.client_id, message.topic)).is_ok()
    }

    fn intercept(&mut self, client: &ClientInfo, mut message: Message) -> Option<Message> {
        if message.topic == "swallow" {
            return None;
        }
        if message.topic == "change" {
            message.topic = TopicName::try_from(format!("changed/{}", client.client_id)).unwrap();
        }
        Some(message)
    }

    fn is_welcome(&mut self, client: &ClientInfo) -> bool {
        self.ask(format!("stay {}", client.client_id)).is_ok()
    }
}

fn rig() -> (Rig, Rules) {
    let rules = Rules::default();
    (Rig::with_policy(Config::default(), rules.clone()), rules)
}

fn changed(rig: &mut Rig) {
    rig.broker.policy_changed(rig.now);
    rig.settle();
}

fn lasting(id: &str) -> Connect {
    v5(id).with_clean_start(false).with_session_expiry_interval(60)
}

// MQTT-3.1.4-2, MQTT-3.2.2-7, MQTT-4.13.1-1; 3.1.1: U311-3.1.4, MQTT-3.1.4-5
#[test]
fn a_client_that_is_not_let_in_disturbs_nobody() {
    let (mut rig, rules) = rig();
    let inside = rig.client("same");
    rig.subscribe(inside, "a", QoS::AtMostOnce);
    rules.forbid("connect same");
    for version in [Version::V31, Version::V311, Version::V5] {
        let connect = Connect::new(version, text("same")).with_will(Will::new(message("a", "will")));
        let refused = rig.dial(connect, Session::new());
        let Some(Closed::Refused(connack)) = &rig.devices[refused].closed else { panic!("let in") };
        assert_eq!(connack.reason, ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    }
    assert!(rig.devices[inside].connection.is_open(), "whoever has no password takes nothing over");
    assert!(rig.received(inside).is_empty());
    assert_eq!(rig.links.len(), 1);
}

#[test]
fn what_may_not_be_published_reaches_nobody_and_is_not_retained() {
    let (mut rig, rules) = rig();
    let (publisher, witness) = (rig.client("publisher"), rig.client("witness"));
    rig.subscribe(witness, "a", QoS::AtMostOnce);
    rules.forbid("publish publisher a");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let reason = rig.publish_for_reason(publisher, at(qos, "a", "x").with_retain(true));
        assert_eq!(reason, ReasonCode::NOT_AUTHORIZED);
    }
    rig.publish(publisher, message("a", "x").with_retain(true));
    assert!(rig.received(witness).is_empty());
    let late = rig.client("late");
    rig.subscribe(late, "a", QoS::AtMostOnce);
    assert!(rig.received(late).is_empty());
}

#[test]
fn the_policy_says_which_qos_a_subscription_gets_or_that_it_gets_none() {
    let (mut rig, rules) = rig();
    let (new, old) = (rig.client("new"), rig.connect(v311("old")));
    for id in ["new", "old"] {
        rules.forbid(&format!("subscribe {id} a"));
        rules.forbid(&format!("lower {id}"));
    }
    assert_eq!(rig.subscribe(new, "a", QoS::AtLeastOnce), ReasonCode::NOT_AUTHORIZED);
    assert_eq!(rig.subscribe(old, "a", QoS::AtLeastOnce), ReasonCode::UNSPECIFIED_ERROR);
    assert_eq!(rig.subscribe(new, "b", QoS::AtLeastOnce), ReasonCode::SUCCESS);
}

#[test]
fn what_was_retained_goes_to_new_subscriptions_only_while_its_last_publisher_may() {
    let (mut rig, rules) = rig();
    let [first, second, dead] = ["first", "second", "dead"].map(|id| rig.client(id));
    let dying = rig.connect(v5("dying").with_will(Will::new(message("will", "w").with_retain(true))));
    for topic in ["a", "b"] {
        rig.publish(first, message(topic, "1").with_retain(true));
    }
    rig.publish(second, message("b", "2").with_retain(true));
    rig.publish(dead, message("c", "3").with_retain(true));
    rig.broker.publish(rig.now, message("own", "4").with_retain(true)).unwrap();
    rig.cut(dead);
    rig.cut(dying);
    let everything = ["a=1", "b=2", "c=3", "own=4", "will=w"];
    let late = rig.client("late");
    let found = |rig: &mut Rig| {
        rig.subscribe(late, "#", QoS::AtMostOnce);
        rig.received(late)
    };
    assert_eq!(found(&mut rig), everything);
    let lost = ["retain first a", "retain first b", "retain dead c", "retain dying will"];
    lost.iter().for_each(|what| rules.forbid(what));
    assert_eq!(found(&mut rig), ["b=2", "own=4"]);
    // They are still there.
    lost.iter().for_each(|what| rules.allow(what));
    assert_eq!(found(&mut rig), everything);
}

// Bugs 34, 35, 36
#[test]
fn a_right_that_is_taken_away_ends_what_was_built_on_it() {
    let (mut rig, rules) = rig();
    let publisher = rig.client("publisher");
    let live = rig.client("live");
    let away = rig.connect(lasting("away"));
    rig.publish(publisher, message("a", "kept").with_retain(true));
    for device in [live, away] {
        rig.subscribe(device, "a", QoS::AtLeastOnce);
        rig.subscribe(device, "#", QoS::AtLeastOnce);
        rig.take(device);
    }
    let session = rig.cut(away);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "waits"));
    rig.take(live);
    for id in ["live", "away"] {
        rules.forbid(&format!("subscribe {id} #"));
        rules.forbid(&format!("deliver {id} a"));
    }
    changed(&mut rig);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "new"));
    rig.publish(publisher, at(QoS::AtLeastOnce, "b", "other"));
    let away = rig.resume(lasting("away"), session);
    for device in [live, away] {
        assert!(rig.received(device).is_empty(), "neither what waited nor what is new");
        rig.subscribe_with(device, Subscribe::new(vec![subscription("a", QoS::AtLeastOnce)]));
        assert!(rig.received(device).is_empty(), "nor what was retained");
    }
    // Given back, it counts for what comes.
    for id in ["live", "away"] {
        rules.allow(&format!("deliver {id} a"));
    }
    changed(&mut rig);
    rig.publish(publisher, message("a", "again"));
    assert_eq!([rig.received(live), rig.received(away)], [["a=again"], ["a=again"]]);
}

// Bug 35: not even the message that was next in turn.
#[test]
fn a_right_that_is_taken_away_stops_the_message_that_waits_for_room() {
    let (mut rig, rules) = rig();
    for n in 0..5 {
        rig.broker.publish(rig.now, at(QoS::AtLeastOnce, &format!("a/{n}"), "x").with_retain(true)).unwrap();
    }
    let device = rig.connect(v5("c").with_receive_maximum(std::num::NonZeroU16::MIN));
    rig.devices[device].holds_acks = true;
    rig.subscribe(device, "a/+", QoS::AtLeastOnce);
    assert_eq!(rig.received(device), ["a/0=x"]);
    for n in 1..4 {
        rules.forbid(&format!("deliver c a/{n}"));
    }
    changed(&mut rig);
    rig.devices[device].holds_acks = false;
    rig.ack_all(device);
    assert_eq!(rig.received(device), ["a/4=x"]);
}

#[test]
fn subscriptions_are_asked_about_when_a_session_is_resumed() {
    let (mut rig, rules) = rig();
    let publisher = rig.client("publisher");
    let device = rig.connect(lasting("c"));
    rig.subscribe(device, "a", QoS::AtLeastOnce);
    rig.subscribe(device, "b", QoS::AtLeastOnce);
    let session = rig.cut(device);
    // The embedder has not said that something changed.
    rules.forbid("subscribe c a");
    rules.forbid("lower c");
    let device = rig.resume(lasting("c"), session);
    rig.publish(publisher, at(QoS::AtLeastOnce, "a", "x"));
    rig.publish(publisher, at(QoS::AtLeastOnce, "b", "x"));
    let received = rig.take(device);
    assert_eq!(received.iter().map(|m| (m.topic.as_str(), m.qos)).collect::<Vec<_>>(), [("b", QoS::AtMostOnce)]);
}

#[test]
fn a_client_that_is_not_welcome_any_more_has_to_go() {
    let (mut rig, rules) = rig();
    let (bad, good) = (rig.client("bad"), rig.client("good"));
    rules.forbid("stay bad");
    changed(&mut rig);
    let Some(Closed::Remote(disconnect)) = &rig.devices[bad].closed else { panic!("still there") };
    assert_eq!(disconnect.reason, ReasonCode::NOT_AUTHORIZED);
    assert!(rig.devices[good].connection.is_open());
}

#[test]
fn messages_can_be_changed_and_swallowed_on_their_way() {
    let (mut rig, _) = rig();
    let (publisher, witness) = (rig.client("publisher"), rig.client("witness"));
    rig.subscribe(witness, "#", QoS::AtMostOnce);
    for topic in ["swallow", "change", "plain"] {
        assert_eq!(rig.publish_for_reason(publisher, at(QoS::AtLeastOnce, topic, "")), ReasonCode::SUCCESS);
    }
    assert_eq!(rig.received(witness), ["changed/publisher=", "plain="]);
}

/// Lets in whoever answers `ping` with `pong`.
struct PingPong;

impl Policy for PingPong {
    fn connect(&mut self, _: &ClientInfo, _: &Connect) -> Result<(), ReasonCode> {
        Err(ReasonCode::NOT_AUTHORIZED)
    }

    fn authenticate(&mut self, client: &ClientInfo, request: &AuthRequest) -> AuthStep {
        assert_eq!(client.client_id, "c");
        if request.method != "ping-pong" {
            return AuthStep::Deny(ReasonCode::BAD_AUTHENTICATION_METHOD);
        }
        match (request.phase, request.data.as_deref()) {
            (AuthPhase::Connect | AuthPhase::Reauthenticate, _) => {
                AuthStep::Continue(Some(Bytes::from_static(b"ping")))
            }
            (AuthPhase::Continue, Some(b"pong")) => AuthStep::Done(Some(Bytes::from_static(b"well done"))),
            (AuthPhase::Continue, _) => AuthStep::Deny(ReasonCode::NOT_AUTHORIZED),
        }
    }
}

fn answer(rig: &mut Rig, device: usize, reason: ReasonCode, data: &'static str) {
    let auth = Auth::new(reason).with_authentication(text("ping-pong"), Some(Bytes::from_static(data.as_bytes())));
    let now = rig.now;
    rig.devices[device].connection.auth(now, auth).unwrap();
    rig.settle();
}

// MQTT-4.12.0-1, MQTT-4.12.0-2, MQTT-4.12.0-4, MQTT-3.1.4-6, MQTT-3.2.0-1
#[test]
fn enhanced_authentication_goes_back_and_forth_until_the_policy_decides() {
    let with_method = |method| v5("c").with_authentication(text(method), None);
    for (words, is_let_in) in [("pong", true), ("what?", false)] {
        let mut rig = Rig::with_policy(Config::default(), PingPong);
        let device = rig.dial(with_method("ping-pong"), Session::new());
        assert_eq!(rig.devices[device].auths[0].properties().authentication_data(), Some(&b"ping"[..]));
        answer(&mut rig, device, ReasonCode::CONTINUE_AUTHENTICATION, words);
        assert_eq!(rig.devices[device].connection.is_open(), is_let_in);
        if !is_let_in {
            let Some(Closed::Refused(connack)) = &rig.devices[device].closed else { panic!("no CONNACK") };
            assert_eq!(connack.reason, ReasonCode::NOT_AUTHORIZED);
            continue;
        }
        let connack = rig.devices[device].connack.clone().unwrap();
        assert_eq!(connack.properties().authentication_data(), Some(&b"well done"[..]));
        // And again on the open connection.
        answer(&mut rig, device, ReasonCode::REAUTHENTICATE, "");
        answer(&mut rig, device, ReasonCode::CONTINUE_AUTHENTICATION, "pong");
        assert_eq!(rig.devices[device].auths.last().unwrap().reason, ReasonCode::SUCCESS);
        answer(&mut rig, device, ReasonCode::REAUTHENTICATE, "");
        answer(&mut rig, device, ReasonCode::CONTINUE_AUTHENTICATION, "what?");
        let Some(Closed::Remote(disconnect)) = &rig.devices[device].closed else { panic!("still there") };
        assert_eq!(disconnect.reason, ReasonCode::NOT_AUTHORIZED);
    }
    let mut rig = Rig::with_policy(Config::default(), PingPong);
    let device = rig.dial(with_method("unknown"), Session::new());
    let Some(Closed::Refused(connack)) = &rig.devices[device].closed else { panic!("no CONNACK") };
    assert_eq!(connack.reason, ReasonCode::BAD_AUTHENTICATION_METHOD);
}

#[test]
fn an_authentication_that_is_never_finished_ends_with_the_time_for_strangers() {
    let mut rig = Rig::with_policy(Config::default(), PingPong);
    let device = rig.dial(v5("c").with_authentication(text("ping-pong"), None), Session::new());
    rig.advance_secs(10);
    assert!(rig.links.is_empty() && !rig.devices[device].connection.is_open());
}

// MQTT-4.12.0-6: without a policy for it, and without a method, there is none of it.
#[test]
fn no_method_is_supported_by_default() {
    let mut rig = Rig::new(Config::default());
    let device = rig.dial(v5("c").with_authentication(text("any"), None), Session::new());
    let Some(Closed::Refused(connack)) = &rig.devices[device].closed else { panic!("no CONNACK") };
    assert_eq!(connack.reason, ReasonCode::BAD_AUTHENTICATION_METHOD);
    let device = rig.client("c");
    assert!(rig.devices[device].auths.is_empty());
    assert!(rig.devices[device].connack.as_ref().unwrap().properties().authentication_method().is_none());
}
