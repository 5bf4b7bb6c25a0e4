//! The connection breaks in every state of both flows of both directions, and the session goes on. A scripted peer breaks it:
//! a broker does not, least of all before or after a packet of the test's choice.

use mqtt_client::{Options, QoS};
use mqtt_proto::PacketType::{self, PubAck, PubComp, PubRec, PubRel, Publish};

use super::{
    Adapter,
    host::Host,
    peer::{Cut, Peer},
    quick, within,
};

/// QoS 1 from client to server: all arrive.
pub fn a_cut_loses_nothing_published_at_qos_1(adapter: &Adapter) {
    for cut in cuts(&[Publish], &[PubAck]) {
        let peer = publish_through(adapter, cut, QoS::AtLeastOnce);
        for payload in payloads() {
            assert!(peer.seen(|seen| seen.count(&payload)) >= 1, "{payload:?} is lost by {cut:?}");
        }
    }
}

/// QoS 2 from client to server: each arrives exactly once.
pub fn a_cut_neither_loses_nor_repeats_anything_published_at_qos_2(adapter: &Adapter) {
    for cut in cuts(&[Publish, PubRel], &[PubRec, PubComp]) {
        let peer = publish_through(adapter, cut, QoS::ExactlyOnce);
        for payload in payloads() {
            assert_eq!(peer.seen(|seen| seen.count(&payload)), 1, "{payload:?} with {cut:?}");
        }
    }
}

/// QoS 1 from server to client: all arrive.
pub fn a_cut_loses_nothing_subscribed_at_qos_1(adapter: &Adapter) {
    for cut in cuts(&[PubAck], &[Publish]) {
        let received = receive_through(adapter, cut, QoS::AtLeastOnce);
        for payload in payloads() {
            assert!(received.contains(&payload), "{payload:?} is lost by {cut:?}");
        }
    }
}

/// QoS 2 from server to client: each arrives exactly once, in order.
pub fn a_cut_neither_loses_nor_repeats_anything_subscribed_at_qos_2(adapter: &Adapter) {
    for cut in cuts(&[PubRec, PubComp], &[Publish, PubRel]) {
        assert_eq!(receive_through(adapter, cut, QoS::ExactlyOnce), payloads(), "with {cut:?}");
    }
}

/// What is published while there is no connection leaves with the next one.
pub fn what_is_published_offline_is_sent_later(adapter: &Adapter) {
    let peer = Peer::start();
    let handle = adapter.connect(lasting(peer.options()));
    peer.cut();
    let tickets: Vec<_> =
        payloads().into_iter().map(|payload| handle.publish("cut/up", payload, QoS::ExactlyOnce)).collect();
    for ticket in tickets {
        within("the acknowledgement", ticket).expect("the peer takes all");
    }
    for payload in payloads() {
        assert_eq!(peer.seen(|seen| seen.count(&payload)), 1);
    }
}

/// A server that has lost the session: subscriptions are made again, and messages sent again.
pub fn a_forgotten_session_is_made_anew(adapter: &Adapter) {
    let peer = Peer::start();
    // The session ends with its connection.
    let handle = adapter.connect(quick(peer.options()).client_id("forgotten").session_expiry(0));
    let mut stream = within("SUBACK", handle.subscribe("cut/#", QoS::AtLeastOnce)).expect("the peer grants all");
    for round in 0..3 {
        peer.cut();
        peer.wait_for("the subscription of the next connection", |seen| {
            (seen.packets(PacketType::Subscribe) >= round + 2).then_some(())
        });
        let ticket = handle.publish("cut/up", format!("round {round}"), QoS::AtLeastOnce);
        within("the acknowledgement", ticket).expect("the peer takes all");
        let message = within("the message", stream.next()).expect("the stream survives the connection");
        assert_eq!(&message.payload[..], format!("round {round}").as_bytes());
    }
}

/// What the server has kept comes right after CONNACK, before the application can have made a stream for it.
pub fn what_a_resumed_session_brings_waits_for_its_stream(adapter: &Adapter) {
    let host = Host::start();
    let options = || lasting(host.options()).unsubscribe_on_drop(false);
    let earlier = adapter.connect(options());
    let stream = within("SUBACK", earlier.subscribe("cut/down", QoS::ExactlyOnce)).expect("the broker grants all");
    within("the disconnect", earlier.disconnect()).expect("the broker lets everyone out");
    drop((stream, earlier));
    let mut kept = host.subscribe("cut/down");
    for payload in payloads() {
        host.publish("cut/down", payload, QoS::ExactlyOnce);
        within("the message that the broker keeps", kept.next()).expect("the broker runs");
    }
    let handle = adapter.connect(options());
    // It is answered behind the messages: they are here.
    let ticket = handle.publish("cut/up", "there", QoS::AtLeastOnce);
    within("the acknowledgement", ticket).expect("the broker takes all");
    let mut stream = handle.messages();
    for payload in payloads() {
        let message = within("a message that was kept", stream.next()).expect("the stream goes on");
        assert_eq!(&message.payload[..], payload);
    }
}

/// Publishes through a connection that breaks at `cut`, until all is acknowledged.
fn publish_through(adapter: &Adapter, cut: Cut, qos: QoS) -> Peer {
    let peer = Peer::start();
    let handle = adapter.connect(lasting(peer.options()));
    peer.cut_at(cut);
    let tickets: Vec<_> = payloads().into_iter().map(|payload| handle.publish("cut/up", payload, qos)).collect();
    for ticket in tickets {
        within(&format!("the acknowledgement after {cut:?}"), ticket).expect("the peer takes all");
    }
    peer.wait_for("the cut", |seen| (seen.cuts == [cut]).then_some(()));
    within("the disconnect", handle.disconnect()).expect("the peer lets everyone out");
    peer
}

/// Receives through a connection that breaks at `cut`, until the flow of the last message is done.
fn receive_through(adapter: &Adapter, cut: Cut, qos: QoS) -> Vec<Vec<u8>> {
    let peer = Peer::start();
    let handle = adapter.connect(lasting(peer.options()));
    let mut stream = within("SUBACK", handle.subscribe("cut/down", qos)).expect("the peer grants all");
    peer.cut_at(cut);
    for payload in payloads() {
        peer.publish("cut/down", payload, qos);
    }
    let mut received = Vec::new();
    while !payloads().iter().all(|payload| received.contains(payload)) {
        let message = within(&format!("a message after {cut:?}"), stream.next()).expect("the stream survives");
        received.push(message.payload.to_vec());
    }
    peer.wait_for("the cut", |seen| (seen.cuts == [cut]).then_some(()));
    // Whatever is repeated wrongly comes before the last message of all.
    peer.publish("cut/down", "last", qos);
    loop {
        let message = within("the last message", stream.next()).expect("the stream survives");
        if &message.payload[..] == b"last" {
            return received;
        }
        received.push(message.payload.to_vec());
    }
}

/// Every cut around the packets that come in, and those that go out.
fn cuts<'a>(incoming: &'a [PacketType], outgoing: &'a [PacketType]) -> impl Iterator<Item = Cut> + 'a {
    let incoming = incoming.iter().map(|kind| Cut::BeforeReading(*kind));
    let outgoing = outgoing.iter().flat_map(|kind| [Cut::BeforeWriting(*kind), Cut::AfterWriting(*kind)]);
    incoming.chain(outgoing)
}

fn payloads() -> Vec<Vec<u8>> {
    (0..5).map(|number| format!("message {number}").into_bytes()).collect()
}

/// A session that outlives its connections.
fn lasting(options: Options) -> Options {
    quick(options).client_id("lasting").clean_start(false).session_expiry(3600)
}
