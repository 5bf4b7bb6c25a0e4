//! Good ends: nothing that was accepted is left behind.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc;
use std::thread;

use mqtt_client::{Backoff, QoS, Version};

use super::host::Host;
use super::peer::{FullServer, Peer, reserve};
use super::{Adapter, PATIENCE, noise, options_for_address, within};

/// `disconnect` first sends what was accepted, then DISCONNECT.
///
/// MQTT-3.14.4-1, MQTT-3.14.4-2
pub fn disconnect_flushes_what_was_accepted(adapter: &Adapter) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let host = Host::start();
        let handle = adapter.connect(host.options());
        let tickets = publish_a_lot(&handle, qos);
        within("the disconnect", handle.disconnect()).expect("the broker lets everyone out");
        ends_well(&host);
        for ticket in tickets {
            within("the acknowledgement", ticket).expect("it came before the end");
        }
    }
}

/// The same while the peer sends more than the application takes: unread bytes must not make the system reset the
/// connection and throw away what was written.
pub fn disconnect_flushes_while_the_peer_floods(adapter: &Adapter) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let host = Host::start();
        let handle = adapter.connect(host.options().stream_limit(8, SIZE * 8));
        let stream = within("SUBACK", handle.subscribe("flood", QoS::AtMostOnce)).expect("the broker grants all");
        for number in 0..MESSAGES * 8 {
            host.publish("flood", noise(SIZE, number), QoS::AtMostOnce);
        }
        let tickets = publish_a_lot(&handle, qos);
        within("the disconnect", handle.disconnect()).expect("the broker lets everyone out");
        ends_well(&host);
        for ticket in tickets {
            within("the acknowledgement", ticket).expect("it came before the end");
        }
        drop(stream);
    }
}

/// DISCONNECT may wait in the socket for its end, and behind a large message that waits for the server to read.
///
/// MQTT-3.14.4-1
pub fn the_last_packet_arrives_before_the_end(adapter: &Adapter) {
    for size in [0, 1 << 20] {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("there are ports left");
        let address = listener.local_addr().expect("a listener has an address");
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            stream.set_read_timeout(Some(PATIENCE)).expect("it is not zero");
            stream.write_all(&[0x20, 2, 0, 0]).expect("the client reads CONNACK");
            let mut received = Vec::new();
            stream.read_to_end(&mut received).expect("the client closes in good order, and soon");
            received
        });
        // What `connect` starts knows that its transport is TCP.
        let handle = within("CONNACK", (adapter.connect)(options_for_address(address).version(Version::V311)));
        let handle = handle.expect("the server lets everyone in");
        drop(handle.publish("t", vec![7; size], QoS::AtMostOnce));
        within("the disconnect", handle.disconnect()).expect("the server takes all");
        let received = server.join().expect("the server has seen the end");
        assert!(received.len() > size && received.ends_with(&[0xe0, 0]), "{size}: {}", received.len());
    }
}

/// Dropping the last handle is a disconnect, and dropping one of two is nothing.
pub fn the_last_handle_dropped_disconnects_cleanly(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.start(host.options());
    within("the first CONNACK", handle.connected()).expect("the broker lets everyone in");
    let other = handle.clone();
    drop(handle);
    drop(publish_a_lot(&other, QoS::AtLeastOnce));
    drop(other);
    ends_well(&host);
}

/// `drive` returns, and so lets go of its threads, tasks and sockets, in whatever state the client is told to stop.
pub fn the_driver_returns_when_the_client_is_done(adapter: &Adapter) {
    let host = Host::start();
    let connected = host.options();
    // Only a scripted peer takes the connection and says nothing.
    let silent = Peer::start();
    silent.go_silent();
    let (_refusing, nobody) = reserve();
    let waiting = options_for_address(nobody).retry_first_connect(true).backoff(Backoff {
        initial: PATIENCE * 2,
        maximum: PATIENCE * 2,
        ..Backoff::default()
    });
    let full = FullServer::start();
    let dialling = options_for_address(full.address).connect_timeout(PATIENCE * 2);
    for (state, options) in [
        ("connected", connected),
        ("waiting for CONNACK", silent.options()),
        ("waiting to try again", waiting),
        ("dialling", dialling),
    ] {
        let (handle, driver) = mqtt_client::new(options).expect("the options are legal");
        let (sender, done) = mpsc::channel();
        let mut events = handle.events();
        (adapter.spawn)(driver, Box::new(move || sender.send(()).expect("the test waits")));
        match state {
            "connected" => drop(within("the first CONNACK", handle.connected()).expect("the broker lets everyone in")),
            "waiting for CONNACK" => silent.wait_for("a connection", |seen| (seen.links > 0).then_some(())),
            "waiting to try again" => drop(within("a failed try", events.next())),
            // Nobody can see that it dials; it begins to when it starts.
            _ => {}
        }
        // There may be nobody to say goodbye to.
        let _ = within("the end", handle.disconnect());
        done.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("drive does not return when it is {state}"));
    }
}

/// Every future and stream that is still there after the end says so.
pub fn after_the_end_every_call_says_so(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.connect(host.options());
    let mut stream = within("SUBACK", handle.subscribe("a", QoS::AtLeastOnce)).expect("the broker grants all");
    within("the disconnect", handle.disconnect()).expect("the broker lets everyone out");
    assert!(within("the end of the stream", stream.next()).is_none());
    within("the refusal", handle.publish("a", "b", QoS::AtLeastOnce)).expect_err("there is nobody to send it");
    within("the refusal", handle.subscribe("a", QoS::AtLeastOnce)).expect_err("there is nobody to ask");
    within("the refusal", handle.unsubscribe("a")).expect_err("there is nobody to ask");
}

fn publish_a_lot(handle: &mqtt_client::Handle, qos: QoS) -> Vec<mqtt_client::Ticket> {
    (0..MESSAGES).map(|number| handle.publish("flush", noise(SIZE, number), qos)).collect()
}

/// All messages have come, then DISCONNECT, then the end of the transport.
fn ends_well(host: &Host) {
    let end = host.wait_for("the end of the connection", |seen| seen.ends.first().cloned());
    assert_eq!(end, "the peer disconnected: 0x00 success", "the client says goodbye");
    host.seen(|seen| {
        for number in 0..MESSAGES {
            assert_eq!(seen.count(&noise(SIZE, number)), 1, "message {number} of {MESSAGES}");
        }
    });
}

/// 2 MiB in all.
const MESSAGES: u64 = 64;
const SIZE: usize = 32 * 1024;
