//! Getting in, and being told why not.

use std::{net::TcpStream, time::Duration};

use mqtt_client::{Error, Options, QoS, Version};
use mqtt_proto::ReasonCode;

use super::host::Host;
use super::peer::{FullServer, Peer, reserve};
use super::{Adapter, options_for_address, quick, within};

/// IPv4.
///
/// MQTT-4.2-1, MQTT-7.1.2-1
pub fn connects_over_ipv4(adapter: &Adapter) {
    let host = Host::start();
    passes_a_message(adapter, &host, host.options());
}

/// IPv6.
///
/// MQTT-4.2-1, MQTT-7.1.2-1
pub fn connects_over_ipv6(adapter: &Adapter) {
    let host = Host::start_v6();
    passes_a_message(adapter, &host, host.options());
}

/// `localhost` has an address of each kind on most machines; whichever the broker does not listen on must not be the end.
pub fn tries_every_address_of_a_name(adapter: &Adapter) {
    for host in [Host::start(), Host::start_v6()] {
        let options = Options::new("localhost", host.address().port());
        if has_address(&host) {
            passes_a_message(adapter, &host, options);
        }
    }
}

/// MQTT 3.1, 3.1.1 and 5.0.
pub fn speaks_every_version(adapter: &Adapter) {
    let host = Host::start();
    for version in [Version::V31, Version::V311, Version::V5] {
        passes_a_message(adapter, &host, host.options().version(version));
        assert_eq!(host.seen(|seen| seen.connects.last().map(|connect| connect.version)), Some(version));
    }
}

/// `connect` with a URL, as in the smallest program; user name and password are in it.
pub fn the_user_name_and_password_of_a_url_arrive(adapter: &Adapter) {
    let host = Host::start();
    let url = format!("mqtt://us%2Fer:pass%40word@{}", host.address());
    let options = url.parse::<Options>().expect("the URL is legal");
    let handle =
        within("the first CONNACK or an error", (adapter.connect)(options)).expect("the broker lets everyone in");
    let connect = host.seen(|seen| seen.connects[0].clone());
    assert_eq!(connect.username.as_deref(), Some("us/er"));
    assert_eq!(connect.password.as_deref(), Some(&b"pass@word"[..]));
    within("the disconnect", handle.disconnect()).expect("the broker lets everyone out");
}

/// CONNACK with a reason is the end: the caller learns the reason, and the client does not try again.
pub fn a_refusal_reaches_the_caller_with_its_reason(adapter: &Adapter) {
    for version in [Version::V31, Version::V311, Version::V5] {
        let host = Host::start_refusing(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
        let error = within("the first CONNACK or an error", (adapter.connect)(host.options().version(version)))
            .expect_err("the broker lets nobody in");
        assert!(
            matches!(error, Error::Refused { reason: ReasonCode::BAD_USER_NAME_OR_PASSWORD, .. }),
            "the error says why: {error}"
        );
        assert_eq!(host.seen(|seen| seen.connects.len()), 1, "no second try");
    }
}

/// Nobody listens: without reconnecting, that is the caller's error.
pub fn a_refused_connection_reaches_the_caller(adapter: &Adapter) {
    let (_reserved, address) = reserve();
    let options = options_for_address(address).reconnect(false);
    let error = within("the first CONNACK or an error", (adapter.connect)(options)).expect_err("nobody listens");
    let text = error.to_string().to_lowercase();
    assert!(text.contains("refused"), "the error says what happened: {text}");
}

/// Nobody listens yet: with reconnecting, the client waits for the server. A scripted peer, which can listen on a port that
/// the test has held until then.
pub fn keeps_trying_until_the_server_is_there(adapter: &Adapter) {
    let (reserved, address) = reserve();
    let options = quick(options_for_address(address)).retry_first_connect(true);
    let handle = adapter.start(options);
    let mut events = handle.events();
    within("a failed try", events.next()).expect("the client tells that it failed");
    let peer = Peer::start_with(reserved);
    within("the first CONNACK", handle.connected()).expect("the peer lets everyone in");
    assert_eq!(peer.seen(|seen| seen.connects.len()), 1);
}

/// A name without an address.
pub fn a_name_that_does_not_resolve_reaches_the_caller(adapter: &Adapter) {
    // Section 6.4 of RFC 6761: `invalid` never resolves.
    let options = Options::new("nowhere.invalid", 1883).reconnect(false).connect_timeout(SHORT * 20);
    let error =
        within("the first CONNACK or an error", (adapter.connect)(options)).expect_err("the name has no address");
    assert!(!error.to_string().is_empty());
}

/// A server whose queue of connections is full does not answer at all.
pub fn a_connect_that_takes_too_long_is_given_up(adapter: &Adapter) {
    let server = FullServer::start();
    let options = options_for_address(server.address).reconnect(false).connect_timeout(SHORT);
    let error = within("the first CONNACK or an error", (adapter.connect)(options)).expect_err("nobody answers");
    let text = error.to_string().to_lowercase();
    assert!(text.contains("time"), "the error says what happened: {text}");
}

/// A server that takes the connection and never says a word: a broker would answer.
pub fn a_server_that_never_answers_connect_is_given_up(adapter: &Adapter) {
    let peer = Peer::start();
    peer.go_silent();
    let options = peer.options().reconnect(false).connect_timeout(SHORT);
    let error = within("the first CONNACK or an error", (adapter.connect)(options)).expect_err("the peer is silent");
    assert!(!error.to_string().is_empty());
}

/// Connects, and sees one message there and back.
fn passes_a_message(adapter: &Adapter, host: &Host, options: Options) {
    let handle = adapter.connect(options);
    let mut stream =
        within("SUBACK", handle.subscribe("there/and/back", QoS::AtLeastOnce)).expect("the broker grants all");
    within("PUBACK", handle.publish("there/and/back", "hello", QoS::AtLeastOnce)).expect("the broker takes all");
    let message = within("the message", stream.next()).expect("the stream goes on");
    assert_eq!(&message.payload[..], b"hello");
    within("the disconnect", handle.disconnect()).expect("the broker lets everyone out");
    host.wait_for("the end of the connection", |seen| (seen.ends.len() == seen.connects.len()).then_some(()));
}

/// Whether `localhost` leads to the broker at all: there are machines without IPv6 in their hosts file.
fn has_address(host: &Host) -> bool {
    TcpStream::connect(("localhost", host.address().port())).is_ok()
}

/// Long enough for loopback, short enough to wait for.
const SHORT: Duration = Duration::from_millis(250);
