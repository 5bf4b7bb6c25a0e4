//! Every public future dropped at every await point: nothing is lost, and the client works on.
//!
//! A scripted peer goes deaf where a future has to wait for its answer: a broker is as likely to be there first.

use std::{future::Future, pin::pin, task::Context};

use mqtt_client::{Handle, QoS};

use super::{Adapter, Alarm, host::Host, peer::Peer, within};

/// The adapter's own `connect`: the client behind it goes with it.
pub fn a_dropped_connect_leaves_no_connection_behind(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = dropped_at_every_point("connect", &peer, || (adapter.connect)(peer.options()))
        .expect("the peer lets everyone in");
    still_works(&handle);
    peer.wait_for("the end of all connections but one", |seen| (seen.closed.len() + 1 == seen.links).then_some(()));
}

/// Waiting for the connection.
pub fn a_dropped_connected_changes_nothing(adapter: &Adapter) {
    let peer = Peer::start();
    peer.go_deaf();
    let handle = adapter.start(peer.options());
    dropped_at_every_point("the first CONNACK", &peer, || handle.connected()).expect("the peer lets everyone in");
    still_works(&handle);
}

/// Tickets: the message is sent, whoever looks.
pub fn a_dropped_ticket_still_sends_its_message(adapter: &Adapter) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let peer = Peer::start();
        let handle = adapter.connect(peer.options());
        let mut sent = 0;
        dropped_at_every_point("the acknowledgement", &peer, || {
            sent += 1;
            handle.publish("dropped", format!("ticket {sent}"), qos)
        })
        .expect("the peer takes all");
        dropped_at_every_point("room in the queue", &peer, || {
            sent += 1;
            let mut ticket = handle.publish("dropped", format!("ticket {sent}"), qos);
            async move { ticket.accepted().await }
        })
        .expect("the peer takes all");
        peer.wait_for("every message", |seen| {
            (1..=sent).all(|number| seen.count(format!("ticket {number}").as_bytes()) == 1).then_some(())
        });
        still_works(&handle);
    }
}

/// Subscribing and unsubscribing.
pub fn a_dropped_subscribe_or_unsubscribe_can_be_made_again(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(peer.options());
    let mut stream =
        dropped_at_every_point("SUBACK", &peer, || handle.subscribe("dropped/+", QoS::ExactlyOnce)).expect("granted");
    for number in ["0", "1", "2"] {
        peer.publish("dropped/topic", number, QoS::ExactlyOnce);
        let message = within("a message", stream.next()).expect("the stream goes on");
        assert_eq!(&message.payload[..], number.as_bytes(), "each arrives once");
    }
    dropped_at_every_point("UNSUBACK", &peer, || handle.unsubscribe("dropped/+")).expect("the peer grants all");
    still_works(&handle);
}

/// Waiting for a message: the message stays for the next one who asks.
pub fn a_dropped_next_loses_no_message(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.connect(host.options());
    let mut stream = within("SUBACK", handle.subscribe("dropped", QoS::AtLeastOnce)).expect("the broker grants all");
    let mut everything = handle.messages();
    for polls in 0..20_usize {
        let payload = format!("message {polls}");
        for message in [
            // Waiting starts before the message comes, ends in the middle, and starts again.
            {
                poll_times("a message", polls % 4, stream.next(), || {
                    host.publish("dropped", payload.clone(), QoS::AtLeastOnce);
                })
                .unwrap_or_else(|| within("the message", stream.next()))
            },
            poll_times("a message", polls % 4, everything.next(), || {})
                .unwrap_or_else(|| within("the message", everything.next())),
        ] {
            assert_eq!(&message.expect("the stream goes on").payload[..], payload.as_bytes());
        }
    }
    still_works(&handle);
}

/// Waiting for an event of the connection.
pub fn a_dropped_event_is_told_again(adapter: &Adapter) {
    let host = Host::start();
    let handle = adapter.start(host.options());
    let mut events = handle.events();
    let mut polls = 0;
    while poll_times("an event", polls, events.next(), || {}).is_none() {
        polls += 1;
    }
    within("the first CONNACK", handle.connected()).expect("the broker lets everyone in");
    still_works(&handle);
}

/// `disconnect`: begun is begun.
pub fn a_dropped_disconnect_still_disconnects(adapter: &Adapter) {
    for polls in 0..3 {
        let host = Host::start();
        let handle = adapter.start(host.options());
        within("the first CONNACK", handle.connected()).expect("the broker lets everyone in");
        drop(handle.publish("before", "the end", QoS::AtLeastOnce));
        poll_times("the disconnect", polls, handle.disconnect(), || {});
        drop(handle);
        host.wait_for("the end of the connection", |seen| (seen.ends.len() == 1).then_some(()));
        assert_eq!(host.seen(|seen| seen.count(b"the end")), 1, "what was accepted comes before the end");
    }
}

/// For k = 0, 1, 2, ...: makes the future while the peer is deaf, polls it k times, each time after its waker rang, and drops it; until it is
/// ready.
fn dropped_at_every_point<F: Future>(what: &str, peer: &Peer, mut make: impl FnMut() -> F) -> F::Output {
    for polls in 0.. {
        peer.go_deaf();
        let output = poll_times(what, polls, make(), || peer.listen_again());
        peer.listen_again();
        if let Some(output) = output {
            return output;
        }
    }
    unreachable!("there are more numbers than polls")
}

/// Polls a future `polls` times, does `after_first` after the first time, and drops it.
fn poll_times<F: Future>(what: &str, polls: usize, future: F, mut after_first: impl FnMut()) -> Option<F::Output> {
    let mut future = pin!(future);
    let alarm = Alarm::new();
    for poll in 0..polls {
        if poll > 0 {
            alarm.wait(what);
        }
        let polled = future.as_mut().poll(&mut Context::from_waker(&alarm.waker()));
        if poll == 0 {
            after_first();
        }
        if let std::task::Poll::Ready(output) = polled {
            return Some(output);
        }
    }
    if polls == 0 {
        after_first();
    }
    None
}

/// One message there and back.
fn still_works(handle: &Handle) {
    let mut stream =
        within("SUBACK", handle.subscribe("still/works", QoS::ExactlyOnce)).expect("the server grants all");
    within("the acknowledgement", handle.publish("still/works", "yes", QoS::ExactlyOnce))
        .expect("the server takes all");
    let message = within("the message", stream.next()).expect("the stream goes on");
    assert_eq!(&message.payload[..], b"yes");
}
