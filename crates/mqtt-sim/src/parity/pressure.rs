//! Full buffers, slow consumers, silent peers.
//!
//! The peer is scripted where it must not read, must not speak, or must tell how many bytes the network has taken from it.

use std::{num::NonZeroU16, thread, time::Duration};

use mqtt_broker::Config;
use mqtt_client::{ConnectionEvent, Options, QoS};
use mqtt_proto::PacketType;

use super::{Adapter, host::Host, noise, peer::Peer, quick, within};

/// One message of 10 MiB each way at the same time: more than any buffer between, so each end must read while it writes.
pub fn ten_mebibytes_travel_both_ways_at_once(adapter: &Adapter) {
    let host = Host::start();
    let mut arrivals = host.subscribe("large/up");
    let handle = adapter.connect(host.options());
    let mut stream = within("SUBACK", handle.subscribe("large/down", QoS::AtLeastOnce)).expect("the broker grants all");
    let (up, down) = (noise(TEN_MEBIBYTES, 1), noise(TEN_MEBIBYTES, 2));
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let ticket = handle.publish("large/up", up.clone(), qos);
        host.publish("large/down", down.clone(), qos);
        let message = within("10 MiB down", stream.next()).expect("the stream goes on");
        assert!(message.payload == down, "10 MiB arrive as they left");
        within("the acknowledgement of 10 MiB", ticket).expect("the broker takes all");
        let message = within("10 MiB up", arrivals.next()).expect("the broker runs");
        assert!(message.payload == up, "10 MiB arrive as they left");
    }
}

/// A peer that does not read until its own 10 MiB are written: a client that only writes would wait for ever.
pub fn the_client_reads_while_it_cannot_write(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(peer.options());
    let mut stream = within("SUBACK", handle.subscribe("large/down", QoS::AtMostOnce)).expect("the peer grants all");
    let (up, down) = (noise(TEN_MEBIBYTES, 1), noise(TEN_MEBIBYTES, 2));
    peer.go_deaf();
    let ticket = handle.publish("large/up", up.clone(), QoS::AtLeastOnce);
    peer.publish("large/down", down.clone(), QoS::AtMostOnce);
    let message = within("10 MiB down", stream.next()).expect("the stream goes on");
    assert!(message.payload == down, "10 MiB arrive as they left");
    peer.listen_again();
    within("the acknowledgement of 10 MiB", ticket).expect("the peer takes all");
    assert_eq!(peer.seen(|seen| seen.count(&up)), 1);
}

/// A thousand messages each way at once, in small and in large.
pub fn many_messages_travel_both_ways_at_once(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.connect(host.options());
    let mut stream = within("SUBACK", handle.subscribe("many/down", QoS::ExactlyOnce)).expect("the broker grants all");
    let messages: Vec<_> = (0..1000).map(|number| noise(number * 17 % 5000, number as u64)).collect();
    for (number, message) in messages.iter().enumerate() {
        let qos = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce][number % 3];
        host.publish("many/down", message.clone(), qos);
        let mut ticket = handle.publish("many/up", message.clone(), qos);
        within("room in the queue", ticket.accepted()).expect("the broker takes all");
    }
    let mut received = Vec::new();
    for _ in &messages {
        received.push(within("a message", stream.next()).expect("the stream goes on").payload.clone());
    }
    assert!(received == messages, "all arrive once and in order");
    let up = host.wait_for("a thousand messages", |seen| (seen.messages.len() >= 1000).then(|| seen.messages.clone()));
    assert!(up.iter().map(|message| &message.payload).eq(&messages), "all arrive once and in order");
}

/// The application takes nothing for longer than keep-alive and ping deadline together: TCP pushes back, the link
/// lives on, and afterwards everything arrives.
pub fn a_stalled_consumer_neither_loses_the_link_nor_fills_the_memory(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(impatient(peer.options()).stream_limit(16, 1 << 20));
    let mut stream = within("SUBACK", handle.subscribe("flood", QoS::AtMostOnce)).expect("the peer grants all");
    for number in 0..FLOOD {
        peer.publish("flood", noise(FLOOD_MESSAGE, number), QoS::AtMostOnce);
    }
    // One for each keep-alive, so that more time than keep-alive and deadline together has passed.
    peer.wait_for("four pings of a client that does not read", |seen| {
        (seen.packets(PacketType::PingReq) >= 4).then_some(())
    });
    let written = peer.seen(|seen| seen.written);
    assert!(
        written < FLOOD * FLOOD_MESSAGE as u64 / 2,
        "a client that nobody takes messages from has taken {written} bytes"
    );
    for number in 0..FLOOD {
        let message = within("a message", stream.next()).expect("the stream goes on");
        assert!(message.payload == noise(FLOOD_MESSAGE, number), "message {number} is next");
    }
    assert_eq!(peer.seen(|seen| (seen.links, seen.closed.len())), (1, 0), "it is still the first connection");
}

/// The server sends, then hangs up, while nobody takes messages: what it sent before the end still arrives.
pub fn what_came_before_the_end_is_delivered(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(quick(peer.options()).stream_limit(4, 1 << 20));
    let mut stream = within("SUBACK", handle.subscribe("before", QoS::AtMostOnce)).expect("the peer grants all");
    for number in 0..1000_u32 {
        peer.publish("before", number.to_string(), QoS::AtMostOnce);
    }
    peer.hang_up();
    for number in 0..1000_u32 {
        let message = within(&format!("message {number}"), stream.next()).expect("the stream goes on");
        assert_eq!(&message.payload[..], number.to_string().as_bytes());
    }
    peer.wait_for("the next connection", |seen| (seen.connects.len() >= 2).then_some(()));
}

/// The task that receives publishes too, and waits for each acknowledgement, while the broker floods it.
pub fn publishing_from_the_receiving_task_never_deadlocks(adapter: &Adapter) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let host = roomy(Config::default());
        let handle = adapter.connect(host.options());
        let mut stream = within("SUBACK", handle.subscribe("flood", qos)).expect("the broker grants all");
        for number in 0..FLOOD {
            host.publish("flood", noise(FLOOD_MESSAGE, number), qos);
        }
        for number in 0..FLOOD {
            let message = within("a message", stream.next()).expect("the stream goes on");
            assert!(message.payload == noise(FLOOD_MESSAGE, number), "message {number} is next");
            let ticket = handle.publish("answer", message.payload.clone(), qos.max(QoS::AtLeastOnce));
            within("the acknowledgement", ticket).expect("the broker takes all");
        }
        assert_eq!(host.seen(|seen| seen.messages.len()), FLOOD as usize);
    }
}

/// The same with a broker that grants a window of one message, and a task that waits for room in the queue only.
pub fn publishing_into_a_full_queue_from_the_receiving_task_never_deadlocks(adapter: &Adapter) {
    let host = roomy(Config { receive_maximum: NonZeroU16::MIN, ..Config::default() });
    let handle = adapter.connect(host.options());
    let mut stream = within("SUBACK", handle.subscribe("flood", QoS::AtMostOnce)).expect("the broker grants all");
    for number in 0..FLOOD {
        host.publish("flood", noise(FLOOD_MESSAGE, number), QoS::AtMostOnce);
    }
    for number in 0..FLOOD {
        let message = within("a message", stream.next()).expect("the stream goes on");
        assert!(message.payload == noise(FLOOD_MESSAGE, number), "message {number} is next");
        let mut ticket = handle.publish("answer", message.payload.clone(), QoS::ExactlyOnce);
        within("room in the queue", ticket.accepted()).expect("the broker takes all");
    }
    host.wait_for("every answer", |seen| (seen.messages.len() == FLOOD as usize).then_some(()));
}

/// A peer that always has more to say stops neither the clock nor what the client has to send.
pub fn a_flood_does_not_hold_up_the_pings(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(impatient(peer.options()));
    let mut stream = within("SUBACK", handle.subscribe("flood", QoS::AtMostOnce)).expect("the peer grants all");
    let consumer = thread::spawn(move || while within("a message", stream.next()).is_some() {});
    let message = noise(FLOOD_MESSAGE, 1);
    let mut sent = 0;
    while peer.seen(|seen| seen.packets(PacketType::PingReq)) < 2 {
        peer.publish("flood", message.clone(), QoS::AtMostOnce);
        sent += message.len() as u64;
        peer.wait_for("the flood to flow", |seen| (seen.written + FLOOD_AHEAD > sent).then_some(()));
    }
    within("the disconnect", handle.disconnect()).expect("the peer lets everyone out");
    consumer.join().expect("the stream ends well");
    assert_eq!(peer.seen(|seen| seen.links), 1, "it is still the first connection");
}

/// The peer's machine loses its power: nothing is closed, nothing comes.
pub fn a_half_open_link_is_found_by_the_keep_alive(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(impatient(quick(peer.options())));
    let mut events = handle.events();
    peer.go_silent();
    loop {
        let event = within("the end of the silent connection", events.next()).expect("the client goes on");
        if matches!(event, ConnectionEvent::Disconnected { .. }) {
            break;
        }
    }
    peer.listen_again();
    within("the acknowledgement", handle.publish("after", "all", QoS::AtLeastOnce)).expect("the peer takes all");
    assert_eq!(peer.seen(|seen| seen.count(b"all")), 1, "by the second connection");
}

/// The same while the client is in the middle of writing and the network takes nothing more.
pub fn a_half_open_link_is_found_while_writing(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(impatient(quick(peer.options())));
    let mut events = handle.events();
    peer.go_silent();
    let up = noise(TEN_MEBIBYTES, 1);
    let ticket = handle.publish("after/all", up.clone(), QoS::AtLeastOnce);
    loop {
        let event = within("the end of the silent connection", events.next()).expect("the client goes on");
        if matches!(event, ConnectionEvent::Disconnected { .. }) {
            break;
        }
    }
    peer.listen_again();
    within("the acknowledgement", ticket).expect("the peer takes all");
    assert_eq!(peer.seen(|seen| seen.count(&up)), 1, "by the second connection");
}

/// A broker that keeps the whole flood for a client that does not take it yet.
fn roomy(config: Config) -> Host {
    let config = Config { maximum_queued_bytes: FLOOD as usize * FLOOD_MESSAGE * 2, ..config };
    Host::start_with(|builder| builder.config(config))
}

/// As short as a busy machine allows: the peer drops the link a second after the time at which a PINGREQ is due.
fn impatient(options: Options) -> Options {
    options.keep_alive(KEEP_ALIVE).ping_timeout(PING_TIMEOUT)
}

const KEEP_ALIVE: u16 = 2;
const PING_TIMEOUT: Duration = Duration::from_secs(4);
const TEN_MEBIBYTES: usize = 10 * 1024 * 1024;
/// 32 MiB in all, which is more than the buffers of a TCP connection.
const FLOOD: u64 = 256;
const FLOOD_MESSAGE: usize = 128 * 1024;
/// How far the peer's queue may be ahead of the network.
const FLOOD_AHEAD: u64 = 4 << 20;
