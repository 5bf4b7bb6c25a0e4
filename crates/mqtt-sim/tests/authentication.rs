//! Enhanced authentication and re-authentication (5.0 §4.12).

use bytes::Bytes;
use mqtt_proto::{
    Auth, Client, CommandError, Config, ConnAck, Connect, Disconnect, Instant, QoS, ReasonCode, Server, Session, Text,
    Version,
};
use mqtt_sim::pair::{Pair, Scenario, Side, Solo};

const CONTINUE: ReasonCode = ReasonCode::CONTINUE_AUTHENTICATION;
const AGAIN: ReasonCode = ReasonCode::REAUTHENTICATE;
const DONE: ReasonCode = ReasonCode::SUCCESS;

fn hello() -> Connect {
    Connect::new(Version::V5, Text::from_static("c")).with_authentication(Text::from_static("m"), None)
}

fn welcome() -> ConnAck {
    ConnAck::new(false, ReasonCode::SUCCESS)
}

/// AUTH with this reason and the method `m`.
fn auth(reason: ReasonCode) -> Vec<u8> {
    vec![0xF0, 6, reason.0, 4, 0x15, 0, 1, b'm']
}

/// CONNACK with the method `m`.
const WELCOME: &[u8] = &[0x20, 7, 0, 0, 4, 0x15, 0, 1, b'm'];

fn exchanged() -> Pair {
    let mut pair = Scenario::new(Version::V5).with(|it| (it.connect, it.accepts) = (hello(), false)).begun();
    pair.run();
    for data in ["challenge", "another"] {
        let challenge = Auth::new(CONTINUE).with_authentication(Text::from_static("m"), Some(Bytes::from(data)));
        pair.server.connection.auth(pair.instant(), challenge).unwrap();
        pair.run();
        pair.client.connection.auth(pair.instant(), Auth::new(CONTINUE)).unwrap();
        pair.run();
    }
    pair.accept(true);
    pair.run();
    pair
}

// MQTT-4.12.0-2, MQTT-4.12.0-3, MQTT-4.12.0-5
#[test]
fn a_client_is_challenged_answers_and_is_let_in() {
    let pair = exchanged();
    let challenge = |data: &str| {
        let data = data.as_bytes();
        format!("server: AUTH 0x18 AuthenticationMethod 'm' AuthenticationData {data:?}")
    };
    let answer = "client: AUTH 0x18 AuthenticationMethod 'm'";
    assert_eq!(
        pair.wire(),
        [
            "client: CONNECT 5.0 'c' keep alive 60 clean AuthenticationMethod 'm'",
            &challenge("challenge"),
            answer,
            &challenge("another"),
            answer,
            "server: CONNACK AuthenticationMethod 'm'",
        ]
    );
    assert_eq!(
        pair.events(),
        [
            "server: Connect 'c'",
            "client: Auth 0x18",
            "server: Auth 0x18",
            "client: Auth 0x18",
            "server: Auth 0x18",
            "client: Connected",
        ]
    );
}

// MQTT-4.12.1-1; bugs.tsv 91: no second CONNACK.
#[test]
fn a_client_authenticates_again_while_messages_flow() {
    let mut pair = exchanged();
    pair.forget_log();
    pair.client.connection.auth(pair.instant(), Auth::new(AGAIN)).unwrap();
    pair.publish(Side::Client, QoS::AtLeastOnce, "a");
    pair.run();
    pair.server.connection.auth(pair.instant(), Auth::new(CONTINUE)).unwrap();
    pair.publish(Side::Server, QoS::AtLeastOnce, "b");
    pair.run();
    pair.client.connection.auth(pair.instant(), Auth::new(CONTINUE)).unwrap();
    pair.run();
    pair.server.connection.auth(pair.instant(), Auth::new(DONE)).unwrap();
    pair.run();
    let auths: Vec<_> = pair.wire().into_iter().filter(|line| line.contains("AUTH")).collect();
    assert_eq!(
        auths,
        ["client: AUTH 0x19", "server: AUTH 0x18", "client: AUTH 0x18", "server: AUTH"]
            .map(|line| format!("{line} AuthenticationMethod 'm'"))
    );
    assert_eq!(pair.events().last().unwrap(), "client: Auth");
    assert!(!pair.wire().iter().any(|line| line.contains("CONNACK")));
    assert_eq!((pair.client.received.len(), pair.server.received.len()), (1, 1));
    pair.assert_quiet();
}

// MQTT-4.12.1-2
#[test]
fn a_failed_re_authentication_ends_with_disconnect() {
    let mut pair = exchanged();
    pair.forget_log();
    pair.client.connection.auth(pair.instant(), Auth::new(AGAIN)).unwrap();
    pair.run();
    pair.server.connection.disconnect(pair.instant(), Disconnect::new(ReasonCode::NOT_AUTHORIZED)).unwrap();
    pair.run();
    assert_eq!(pair.wire()[1..], ["server: DISCONNECT 0x87"]);
    assert_eq!(pair.events().last().unwrap(), "client: Closed by the peer 0x87");
}

// MQTT-4.12.0-4
// MQTT-4.12.0-1
#[test]
fn a_server_may_refuse_at_any_step() {
    let mut pair = Scenario::new(Version::V5).with(|it| (it.connect, it.accepts) = (hello(), false)).begun();
    pair.run();
    pair.server.connection.auth(pair.instant(), Auth::new(CONTINUE)).unwrap();
    pair.run();
    let refusal = ConnAck::new(false, ReasonCode::BAD_AUTHENTICATION_METHOD);
    pair.server.connection.refuse(pair.instant(), refusal).unwrap();
    pair.run();
    assert!(pair.events().contains(&"client: Closed: refused 0x8C".to_owned()), "{:?}", pair.events());
}

#[test]
fn a_server_accepts_no_client_that_owes_an_answer() {
    let mut server = Solo::asked(hello(), Config::default());
    server.connection.auth(Instant::ZERO, Auth::new(CONTINUE)).unwrap();
    let rejected = server.connection.accept(Instant::ZERO, welcome(), None).unwrap_err();
    assert!(matches!(rejected.kind(), CommandError::NotAllowed(_)));
    server.feed(&auth(CONTINUE));
    server.connection.accept(Instant::ZERO, welcome(), None).unwrap();
}

fn client() -> Solo<Client> {
    let mut client = Solo::dialling(hello(), Config::default(), Session::new());
    client.feed(WELCOME);
    assert_eq!(client.events(), ["Connected"]);
    client
}

fn server() -> Solo<Server> {
    Solo::accepted(hello(), Config::default())
}

// What the application may not do is an error and changes nothing.
// MQTT-4.12.0-2, MQTT-4.12.0-3, MQTT-4.12.1-1, U5-3.15.2.1
#[test]
fn the_application_cannot_speak_out_of_turn() {
    let refused =
        |result: Result<(), CommandError>| assert!(matches!(result, Err(CommandError::NotAllowed(_))), "{result:?}");
    let now = Instant::ZERO;
    // A client that has just dialled: the server's turn.
    let mut dialling = Solo::dialling(hello(), Config::default(), Session::new());
    for reason in [CONTINUE, AGAIN, DONE] {
        refused(dialling.connection.auth(now, Auth::new(reason)));
    }
    // Challenged: only 0x18.
    dialling.feed(&auth(CONTINUE));
    for reason in [AGAIN, DONE] {
        refused(dialling.connection.auth(now, Auth::new(reason)));
    }
    dialling.connection.auth(now, Auth::new(CONTINUE)).unwrap();
    refused(dialling.connection.auth(now, Auth::new(CONTINUE)));
    // A server asked: only 0x18.
    let mut asked = Solo::asked(hello(), Config::default());
    for reason in [AGAIN, DONE] {
        refused(asked.connection.auth(now, Auth::new(reason)));
    }
    // Open: only a client's 0x19. U5-4.12: a server cannot start.
    let (mut client, mut server) = (client(), server());
    for reason in [CONTINUE, DONE] {
        refused(client.connection.auth(now, Auth::new(reason)));
    }
    for reason in [CONTINUE, DONE, AGAIN] {
        refused(server.connection.auth(now, Auth::new(reason)));
    }
    client.connection.auth(now, Auth::new(AGAIN)).unwrap();
    refused(client.connection.auth(now, Auth::new(AGAIN)));
    // MQTT-4.12.0-6, MQTT-4.12.0-7: without a method there is no AUTH, and in 3.x neither.
    for version in [Version::V31, Version::V311, Version::V5] {
        refused(Solo::client(version).connection.auth(now, Auth::new(AGAIN)));
        refused(Solo::server(version).connection.auth(now, Auth::new(CONTINUE)));
    }
    client.connection.handle_eof(now);
    assert_eq!(client.connection.auth(now, Auth::new(AGAIN)), Err(CommandError::Closed));
}

// What the peer may not do closes with 0x82. U5-3.15.0, U5-3.15.2.1, U5-4.12, MQTT-4.12.0-5.
#[test]
fn a_peer_that_speaks_out_of_turn_is_sent_away() {
    let other_method = [0xF0, 6, 0x18, 4, 0x15, 0, 1, b'x'];
    let no_method = [0xF0, 2, 0x18, 0];
    for bytes in [&auth(CONTINUE)[..], &auth(DONE), &auth(AGAIN), &other_method, &no_method, &[0xF0, 0]] {
        let mut client = client();
        client.feed(bytes);
        assert_eq!(client.sent(), ["DISCONNECT 0x82"], "{bytes:?}");
    }
    for bytes in [&auth(CONTINUE)[..], &auth(DONE), &other_method, &no_method, &[0xF0, 0]] {
        let mut server = server();
        server.feed(bytes);
        assert_eq!(server.sent(), ["DISCONNECT 0x82"], "{bytes:?}");
    }
    // The client has begun anew: it does not begin twice, and does not answer before it is asked.
    for reason in [AGAIN, CONTINUE] {
        let mut server = server();
        server.feed(&auth(AGAIN));
        assert!(server.connection.is_open());
        server.feed(&auth(reason));
        assert_eq!(server.sent(), ["DISCONNECT 0x82"]);
    }
    // The server ends what was not begun, or asks again before the answer.
    let mut client = client();
    client.connection.auth(Instant::ZERO, Auth::new(AGAIN)).unwrap();
    client.feed(&auth(CONTINUE));
    client.feed(&auth(CONTINUE));
    assert_eq!(client.sent().last().unwrap(), "DISCONNECT 0x82");
}

// Before CONNACK nobody sends DISCONNECT (MQTT-3.14.0-1): a server says it in CONNACK.
#[test]
fn a_peer_that_speaks_out_of_turn_before_connack_is_sent_away() {
    for bytes in [&auth(DONE)[..], &auth(AGAIN), &[0xC0, 0], &[0x30, 4, 0, 1, b't', 0], &[0x82, 1, 0]] {
        let mut server = Solo::asked(hello(), Config::default());
        server.connection.auth(Instant::ZERO, Auth::new(CONTINUE)).unwrap();
        server.sent();
        server.feed(bytes);
        assert_eq!(server.sent(), ["CONNACK 0x82"], "{bytes:?}");
        assert!(server.connection.is_closed());
    }
    for bytes in [&auth(DONE)[..], &auth(AGAIN), &[0xD0, 0]] {
        let mut client = Solo::dialling(hello(), Config::default(), Session::new());
        client.feed(bytes);
        assert!(client.connection.is_closed(), "{bytes:?}");
        assert!(client.sent().is_empty());
    }
    // MQTT-3.1.2-30 allows DISCONNECT.
    let mut server = Solo::asked(hello(), Config::default());
    server.connection.auth(Instant::ZERO, Auth::new(CONTINUE)).unwrap();
    server.feed(&[0xE0, 0]);
    assert_eq!(server.events(), ["Closed by the peer"]);
}

// MQTT-4.12.0-5, MQTT-4.12.0-6
#[test]
fn connack_repeats_the_method_or_its_absence() {
    let mut client = Solo::dialling(hello(), Config::default(), Session::new());
    client.feed(&[0x20, 3, 0, 0, 0]);
    assert_eq!(client.events(), ["Closed: CONNACK Authentication Method, 0x82, MQTT-4.12.0-5"]);
    let mut client =
        Solo::dialling(Connect::new(Version::V5, Text::from_static("c")), Config::default(), Session::new());
    client.feed(WELCOME);
    assert_eq!(client.events(), ["Closed: CONNACK Authentication Method, 0x82, MQTT-4.12.0-5"]);
    // A refusal need not repeat it.
    let mut client = Solo::dialling(hello(), Config::default(), Session::new());
    client.feed(&[0x20, 3, 0, 0x87, 0]);
    assert_eq!(client.events(), ["Closed: refused 0x87"]);
    // Our server adds it, and never one that nobody asked for.
    let mut server = Solo::asked(Connect::new(Version::V5, Text::from_static("c")), Config::default());
    let connack = welcome().with_authentication(Text::from_static("m"), Some(Bytes::from_static(b"x")));
    server.connection.accept(Instant::ZERO, connack, None).unwrap();
    assert_eq!(server.sent(), ["CONNACK"]);
}

#[test]
fn each_step_has_its_own_ten_seconds() {
    let mut pair = Scenario::new(Version::V5).with(|it| (it.connect, it.accepts) = (hello(), false)).begun();
    for step in 1..=5 {
        pair.run_until(step * 9_000);
        pair.server.connection.auth(pair.instant(), Auth::new(CONTINUE)).unwrap();
        pair.run();
        pair.client.connection.auth(pair.instant(), Auth::new(CONTINUE)).unwrap();
        pair.run();
    }
    pair.accept(true);
    pair.run();
    assert!(pair.client.connection.is_open());

    let mut server = Solo::asked(hello(), Config::default());
    assert_eq!(server.connection.poll_timeout(), None, "the application takes the time it needs");
    server.connection.auth(Instant::from_millis(20_000), Auth::new(CONTINUE)).unwrap();
    assert_eq!(server.connection.poll_timeout(), Some(Instant::from_millis(30_000)));
    server.connection.handle_timeout(Instant::from_millis(30_000));
    assert_eq!(server.events(), ["Closed: timed out, Handshake"]);
}

#[test]
fn authenticating_again_takes_the_time_it_needs() {
    let mut client = client();
    client.connection.auth(client.instant(), Auth::new(AGAIN)).unwrap();
    client.sent();
    let keep_alive = client.connection.poll_timeout();
    client.feed(&auth(CONTINUE));
    assert_eq!(client.events(), ["Auth 0x18"]);
    assert_eq!(client.connection.poll_timeout(), keep_alive, "messages flow: nobody waits");
}
