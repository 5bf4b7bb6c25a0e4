//! Enhanced authentication through the handle (5.0 section 4.12).

use std::pin::pin;
use std::task::Poll;

use mqtt_client::{Auth, ConnectionEvent, Error, Events, ReasonCode, Text};
use mqtt_proto::{CommandError, ConnAck, Disconnect, Instant, ServerEvent};

use crate::rig::{Rig, poll};
use crate::world::options;

const CONTINUE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;

/// A step with this data; the client does not repeat the method, which is filled in.
fn step(reason: ReasonCode, data: &'static str) -> Auth {
    Auth::new(reason).with_authentication(Text::from_static("SCRAM"), Some(data.into()))
}

/// A client that has begun by saying "first".
fn begun() -> (Rig, Events) {
    let rig = Rig::dialled(options().authentication("SCRAM", Some("first".into())));
    let events = rig.handle.events();
    (rig, events)
}

fn heard(events: &mut Events) -> ConnectionEvent {
    let Poll::Ready(Some(event)) = poll(pin!(events.next())) else { panic!("nothing happened") };
    event
}

fn data_of(auth: &Auth) -> Option<(ReasonCode, &[u8])> {
    auth.properties().authentication_data().map(|data| (auth.reason, data))
}

/// The server asks, the application answers; what the server gets.
fn exchange(rig: &mut Rig, events: &mut Events) -> Auth {
    rig.server.auth(Instant::ZERO, step(CONTINUE, "challenge")).unwrap();
    rig.crank();
    let ConnectionEvent::Auth(challenge) = heard(events) else { panic!("no challenge") };
    assert_eq!(data_of(&challenge), Some((CONTINUE, &b"challenge"[..])));
    rig.handle.authenticate(step(CONTINUE, "proof")).unwrap();
    rig.crank();
    let Some(ServerEvent::Auth(answer)) = rig.seen.pop() else { panic!("no answer") };
    answer
}

// MQTT-4.12.0-2, MQTT-4.12.0-3
#[test]
fn a_challenge_is_answered_by_the_application() {
    let (mut rig, mut events) = begun();
    assert!(poll(pin!(rig.handle.connected())).is_pending());
    for _ in 0..2 {
        assert_eq!(data_of(&exchange(&mut rig, &mut events)), Some((CONTINUE, &b"proof"[..])));
    }
    let welcome = ConnAck::new(false, ReasonCode::SUCCESS)
        .with_authentication(Text::from_static("SCRAM"), Some("signature".into()));
    rig.server.accept(Instant::ZERO, welcome, None).unwrap();
    rig.crank();
    let Poll::Ready(Ok(connack)) = poll(pin!(rig.handle.connected())) else { panic!("it is connected") };
    assert_eq!(connack.properties().authentication_data(), Some(&b"signature"[..]));
}

// MQTT-4.12.0-4
#[test]
fn a_wrong_proof_ends_the_client_with_the_servers_reason() {
    let (mut rig, mut events) = begun();
    exchange(&mut rig, &mut events);
    rig.server.refuse(Instant::ZERO, ConnAck::new(false, ReasonCode::NOT_AUTHORIZED)).unwrap();
    rig.crank();
    rig.driver.handle_closed();
    let refused = Error::Refused { reason: ReasonCode::NOT_AUTHORIZED, text: None };
    let Poll::Ready(result) = poll(pin!(rig.handle.connected())) else { panic!("it has ended") };
    assert_eq!(result.unwrap_err(), refused);
    assert_eq!(heard(&mut events), ConnectionEvent::Disconnected { reason: refused, retry_in: None });
}

// MQTT-4.12.1-1, MQTT-4.12.1-2
#[test]
fn an_open_connection_is_authenticated_again_while_messages_flow() {
    let (mut rig, mut events) = begun();
    rig.server.accept(Instant::ZERO, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
    rig.crank();
    assert!(matches!(heard(&mut events), ConnectionEvent::Connected(_)));
    rig.handle.authenticate(step(ReasonCode::REAUTHENTICATE, "first")).unwrap();
    rig.crank();
    let Some(ServerEvent::Auth(start)) = rig.seen.pop() else { panic!("no AUTH") };
    assert_eq!(data_of(&start), Some((ReasonCode::REAUTHENTICATE, &b"first"[..])));
    let again = rig.handle.authenticate(step(ReasonCode::REAUTHENTICATE, "first"));
    assert!(matches!(again, Err(Error::NotPossible(CommandError::NotAllowed(_)))), "one exchange at a time");
    let ticket = rig.publish("a", mqtt_client::QoS::AtLeastOnce);
    rig.crank();
    assert_eq!(rig.acknowledge(), 1);
    assert!(ticket.wait().is_ok());
    exchange(&mut rig, &mut events);
    rig.server.auth(Instant::ZERO, step(ReasonCode::SUCCESS, "signature")).unwrap();
    rig.crank();
    let ConnectionEvent::Auth(end) = heard(&mut events) else { panic!("no end") };
    assert_eq!(data_of(&end), Some((ReasonCode::SUCCESS, &b"signature"[..])));
    assert!(rig.handle.is_connected());
}

// MQTT-4.12.1-2
#[test]
fn a_failed_re_authentication_ends_the_connection() {
    let (mut rig, mut events) = begun();
    rig.server.accept(Instant::ZERO, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
    rig.crank();
    rig.handle.authenticate(step(ReasonCode::REAUTHENTICATE, "first")).unwrap();
    rig.crank();
    rig.server.disconnect(Instant::ZERO, Disconnect::new(ReasonCode::NOT_AUTHORIZED)).unwrap();
    rig.crank();
    assert!(matches!(heard(&mut events), ConnectionEvent::Connected(_)));
    let ConnectionEvent::Disconnected { reason, .. } = heard(&mut events) else { panic!("it is over") };
    assert_eq!(reason, Error::DisconnectedByServer { reason: ReasonCode::NOT_AUTHORIZED, text: None });
}
