//! The hub with clients at the other ends of its connections, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_proto::{
    Client, ClientEvent, Closed, Connect, Connection, Instant, Message, QoS, ReasonCode, Session, Subscribe,
    Subscription, Text, TopicFilter, TopicName, Version,
};

use super::Hub;
use crate::{Broker, Config, Notice, Origin, Peer};

/// A hub, and clients joined to it by wires without latency.
struct Net {
    hub: Hub,
    now: Instant,
    ends: BTreeMap<Peer, End>,
}

/// A client, and its end of a wire.
struct End {
    client: Connection<Client>,
    to_client: BytesMut,
    to_hub: BytesMut,
    events: Vec<ClientEvent>,
    /// It takes nothing off its wire.
    is_stuck: bool,
}

impl Net {
    fn new(config: Config) -> Self {
        let config = Config { status_interval: Duration::ZERO, ..config };
        Self { hub: Hub::new(Broker::new(config, Box::new(()))), now: Instant::ZERO, ends: BTreeMap::new() }
    }

    /// Joins a client, and lets it connect.
    fn join(&mut self, connect: Connect, session: Session) -> Peer {
        let peer = self.hub.open(self.now, Origin::default()).expect("there is room for one more");
        let client = Connection::connect(self.now, connect, mqtt_proto::Config::default(), session).unwrap();
        let (to_client, to_hub) = (BytesMut::new(), BytesMut::new());
        self.ends.insert(peer, End { client, to_client, to_hub, events: Vec::new(), is_stuck: false });
        self.run();
        peer
    }

    fn connect(&mut self, id: &'static str) -> Peer {
        self.join(Connect::new(Version::V5, Text::from_static(id)), Session::new())
    }

    fn subscribe(&mut self, peer: Peer, filter: &'static str, qos: QoS) {
        let subscription = Subscription::new(TopicFilter::from_static(filter), qos);
        let now = self.now;
        self.end(peer).client.subscribe(now, Subscribe::new(vec![subscription])).unwrap();
        self.run();
    }

    fn publish(&mut self, peer: Peer, topic: &'static str, payload: impl Into<bytes::Bytes>, qos: QoS) {
        let message = Message::new(TopicName::from_static(topic), payload).with_qos(qos);
        let now = self.now;
        self.end(peer).client.publish(now, message).unwrap();
        self.run();
    }

    fn end(&mut self, peer: Peer) -> &mut End {
        self.ends.get_mut(&peer).expect("the client was joined")
    }

    /// Breaks a wire; the client's session.
    fn cut(&mut self, peer: Peer) -> Session {
        self.hub.handle_closed(self.now, peer);
        let mut end = self.ends.remove(&peer).expect("the client was joined");
        end.client.handle_eof(self.now);
        while end.client.poll_event().is_some() {}
        end.client.into_session()
    }

    /// Moves everything to where it belongs, without letting time pass.
    fn run(&mut self) {
        loop {
            let mut has_moved = false;
            while let Some(peer) = self.hub.poll_writable() {
                has_moved |= self.write(peer);
            }
            let now = self.now;
            for (peer, end) in &mut self.ends {
                has_moved |= end.run(now);
                has_moved |= !end.to_hub.is_empty() && self.hub.handle_input(now, *peer, &mut end.to_hub) > 0;
            }
            if !has_moved {
                break;
            }
        }
    }

    fn unstick(&mut self, peer: Peer) {
        self.end(peer).is_stuck = false;
        self.write(peer);
        self.run();
    }

    fn write(&mut self, peer: Peer) -> bool {
        let Some(end) = self.ends.get_mut(&peer).filter(|end| !end.is_stuck) else { return false };
        let Some(outbox) = self.hub.outbox(peer) else { return false };
        let bytes = outbox.copy_to_bytes(outbox.remaining());
        end.to_client.extend_from_slice(&bytes);
        self.hub.handle_written(self.now, peer);
        !bytes.is_empty()
    }

    /// Lets time pass, stopping at each deadline of either side.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let clients = self.ends.values().filter(|end| !end.is_stuck).filter_map(|end| end.client.poll_timeout());
            let Some(next) = clients.chain(self.hub.poll_timeout()).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            self.ends.values_mut().filter(|end| !end.is_stuck).for_each(|end| end.client.handle_timeout(now));
            self.hub.handle_timeout(now);
            self.run();
        }
        self.now = end;
    }

    /// The payloads that a client has got since it was last asked.
    fn payloads(&mut self, peer: Peer) -> Vec<String> {
        let events = std::mem::take(&mut self.end(peer).events);
        let payload = |event| match event {
            ClientEvent::Message(delivery) => Some(String::from_utf8_lossy(&delivery.message.payload).into_owned()),
            ClientEvent::Connected(_)
            | ClientEvent::Acknowledged(_)
            | ClientEvent::Unacknowledged { .. }
            | ClientEvent::Subscribed { .. }
            | ClientEvent::Unsubscribed { .. }
            | ClientEvent::Auth(_)
            | ClientEvent::Closed(_) => None,
        };
        events.into_iter().filter_map(payload).collect()
    }

    /// The reason of the DISCONNECT that a client has got.
    fn farewell(&mut self, peer: Peer) -> Option<ReasonCode> {
        self.end(peer).events.iter().find_map(|event| match event {
            ClientEvent::Closed(Closed::Remote(disconnect)) => Some(disconnect.reason),
            _ => None,
        })
    }
}

impl End {
    /// Reads, acknowledges and writes; whether anything has moved.
    fn run(&mut self, now: Instant) -> bool {
        if self.is_stuck {
            return false;
        }
        let mut has_moved = self.client.handle_input(now, &mut self.to_client) > 0;
        while let Some(mut event) = self.client.poll_event() {
            if let ClientEvent::Message(delivery) = &mut event {
                if let Some(ack) = delivery.ack.take() {
                    self.client.ack(now, ack).unwrap();
                }
            }
            self.events.push(event);
            has_moved = true;
        }
        let outbox = self.client.outbox();
        has_moved |= outbox.has_remaining();
        self.to_hub.extend_from_slice(&outbox.copy_to_bytes(outbox.remaining()));
        has_moved
    }
}

#[test]
fn one_input_reaches_every_subscriber_and_names_each_once() {
    let mut net = Net::new(Config::default());
    let publisher = net.connect("publisher");
    let subscribers = ["a", "b", "c"].map(|id| net.connect(id));
    for subscriber in subscribers {
        net.subscribe(subscriber, "news", QoS::AtLeastOnce);
    }
    let now = net.now;
    for payload in ["1", "2", "3"] {
        let message = Message::new(TopicName::from_static("news"), payload).with_qos(QoS::AtLeastOnce);
        net.end(publisher).client.publish(now, message).unwrap();
    }
    net.end(publisher).run(now);
    let mut input = std::mem::take(&mut net.end(publisher).to_hub);
    net.hub.handle_input(now, publisher, &mut input);
    let mut named: Vec<Peer> = std::iter::from_fn(|| net.hub.poll_writable()).collect();
    for peer in &named {
        net.write(*peer);
    }
    named.sort();
    assert_eq!(named, [&[publisher][..], &subscribers].concat());
    net.run();
    for subscriber in subscribers {
        assert_eq!(net.payloads(subscriber), ["1", "2", "3"]);
    }
}

#[test]
fn a_slow_reader_costs_its_own_queue_and_nobody_elses() {
    let mut net = Net::new(Config { maximum_queued_messages: 10, ..Config::default() });
    let (publisher, slow, quick) = (net.connect("publisher"), net.connect("slow"), net.connect("quick"));
    net.subscribe(slow, "news", QoS::AtMostOnce);
    net.subscribe(quick, "news", QoS::AtMostOnce);
    net.end(slow).is_stuck = true;
    let limit = Config::default().connection(0).outbox_limit;
    let payload = vec![b'x'; limit / 4];
    for _ in 0..100 {
        net.publish(publisher, "news", payload.clone(), QoS::AtMostOnce);
    }
    assert_eq!(net.payloads(quick).len(), 100);
    let waiting = net.hub.outbox(slow).unwrap().remaining();
    assert!(waiting < limit + 2 * payload.len(), "{waiting} bytes in the outbox");

    net.unstick(slow);
    // Those that had room in the outbox, and those that had room in the queue.
    let count = net.payloads(slow).len();
    assert!((12..20).contains(&count), "{count} messages");
}

#[test]
fn messages_beyond_the_window_follow_as_it_opens_and_in_order() {
    let config = Config { maximum_inflight: 2.try_into().unwrap(), ..Config::default() };
    let mut net = Net::new(config);
    let (publisher, subscriber) = (net.connect("publisher"), net.connect("subscriber"));
    net.subscribe(subscriber, "news", QoS::ExactlyOnce);
    net.end(subscriber).is_stuck = true;
    for payload in ["1", "2", "3", "4", "5"] {
        net.publish(publisher, "news", payload, QoS::ExactlyOnce);
    }
    net.unstick(subscriber);
    assert_eq!(net.payloads(subscriber), ["1", "2", "3", "4", "5"]);
}

#[test]
fn a_resumed_session_gets_what_it_missed() {
    let mut net = Net::new(Config::default());
    let publisher = net.connect("publisher");
    let connect = || {
        Connect::new(Version::V5, Text::from_static("sleeper"))
            .with_clean_start(false)
            .with_session_expiry_interval(u32::MAX)
    };
    let sleeper = net.join(connect(), Session::new());
    net.subscribe(sleeper, "news", QoS::ExactlyOnce);
    net.end(sleeper).is_stuck = true;
    net.publish(publisher, "news", "in flight", QoS::ExactlyOnce);
    let session = net.cut(sleeper);
    net.publish(publisher, "news", "while away", QoS::AtLeastOnce);
    let sleeper = net.join(connect(), session);
    assert!(matches!(&net.end(sleeper).events[0], ClientEvent::Connected(connack) if connack.session_present));
    assert_eq!(net.payloads(sleeper), ["in flight", "while away"]);
}

#[test]
fn a_newer_connection_takes_the_session_and_the_older_one_is_told() {
    let mut net = Net::new(Config::default());
    let publisher = net.connect("publisher");
    let connect = Connect::new(Version::V5, Text::from_static("twin")).with_session_expiry_interval(60);
    let older = net.join(connect.clone(), Session::new());
    net.subscribe(older, "news", QoS::AtLeastOnce);
    let newer = net.join(connect.with_clean_start(false), Session::continued());
    assert_eq!(net.farewell(older), Some(ReasonCode::SESSION_TAKEN_OVER));
    assert!(net.hub.wants_close(older) && !net.hub.wants_close(newer));
    net.publish(publisher, "news", "for the newer", QoS::AtLeastOnce);
    assert_eq!(net.payloads(newer), ["for the newer"]);
    assert_eq!(net.payloads(older), [""; 0]);
}

#[test]
fn a_client_that_says_nothing_is_cut_off_after_one_and_a_half_keep_alives() {
    let mut net = Net::new(Config::default());
    let connect = |id| Connect::new(Version::V5, Text::from_static(id)).with_keep_alive(10);
    let talker = net.join(connect("talker"), Session::new());
    let silent = net.join(connect("silent"), Session::new());
    net.end(silent).is_stuck = true;
    net.pass(Duration::from_millis(14_999));
    assert_eq!(net.hub.outbox(silent).unwrap().remaining(), 0);
    net.pass(Duration::from_millis(1));
    net.unstick(silent);
    assert_eq!(net.farewell(silent), Some(ReasonCode::KEEP_ALIVE_TIMEOUT));
    assert!(net.hub.wants_close(silent) && !net.hub.wants_close(talker));
    net.pass(Duration::from_secs(100));
    assert!(!net.hub.wants_close(talker), "its pings count");
}

#[test]
fn a_stranger_is_cut_off_when_its_time_is_over() {
    let mut net = Net::new(Config::default());
    let peer = net.hub.open(net.now, Origin::default()).unwrap();
    net.pass(Duration::from_millis(9_999));
    assert!(!net.hub.wants_close(peer));
    net.pass(Duration::from_millis(1));
    assert!(net.hub.wants_close(peer));
    net.hub.handle_closed(net.now, peer);
    assert_eq!((net.hub.peers(), net.hub.poll_timeout()), (0, None));
}

#[test]
fn the_last_words_to_a_client_that_does_not_read_are_given_up() {
    let mut net = Net::new(Config::default());
    let peer = net.connect("stuck");
    net.end(peer).is_stuck = true;
    net.hub.broker_mut().shut_down(net.now);
    net.hub.pump(net.now);
    net.run();
    assert!(!net.hub.wants_close(peer), "DISCONNECT is not written yet");
    net.pass(super::FLUSH_TIMEOUT);
    assert!(net.hub.wants_close(peer));
}

#[test]
fn the_last_words_to_a_client_that_has_gone_are_given_up_at_once() {
    let mut net = Net::new(Config::default());
    let peer = net.connect("gone");
    net.end(peer).is_stuck = true;
    net.hub.broker_mut().shut_down(net.now);
    net.hub.pump(net.now);
    assert!(!net.hub.wants_close(peer), "DISCONNECT is not written yet");
    net.hub.handle_eof(net.now, peer);
    assert!(net.hub.wants_close(peer) && net.hub.outbox(peer).is_some_and(|outbox| !outbox.has_remaining()));
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_packet_leaves_nothing_behind() {
    let mut net = Net::new(Config::default());
    for _ in 0..3 {
        let peer = net.connect("visitor");
        let mut half = BytesMut::from(&b"\x30\x0a\x00\x04ha"[..]);
        assert_eq!(net.hub.handle_input(net.now, peer, &mut half), 0);
        net.hub.handle_eof(net.now, peer);
        assert!(net.hub.wants_close(peer));
        net.cut(peer);
    }
    assert_eq!((net.hub.peers(), net.hub.timers.len(), net.hub.ready.len()), (0, 0, 0));
}

#[test]
fn numbers_are_never_used_again_and_rise() {
    let mut net = Net::new(Config::default());
    let mut last = None;
    for _ in 0..10 {
        let (first, second) = (net.connect("first"), net.connect("second"));
        assert!(last < Some(first) && first < second);
        net.cut(first);
        last = Some(second);
        net.cut(second);
        assert!(net.hub.wants_close(first) && net.hub.outbox(first).is_none());
    }
}

#[test]
fn a_link_that_the_broker_has_no_room_for_is_refused() {
    let mut net = Net::new(Config { maximum_connections: 1, ..Config::default() });
    let peer = net.connect("only");
    assert!(net.hub.open(net.now, Origin::default()).is_err());
    net.cut(peer);
    net.connect("next");
}

#[test]
fn a_subscriber_in_the_process_fetches_its_messages() {
    let mut net = Net::new(Config { maximum_queued_messages: 3, ..Config::default() });
    let publisher = net.connect("publisher");
    let local = net.hub.open_local(Text::from_static("local")).unwrap();
    let subscription = Subscription::new(TopicFilter::from_static("news"), QoS::AtLeastOnce);
    net.hub.broker_mut().subscribe_local(local, &subscription).unwrap();
    net.hub.pump(net.now);
    assert_eq!(net.hub.poll_message(net.now, local), None);
    for payload in ["1", "2", "3", "4", "5"] {
        net.publish(publisher, "news", payload, QoS::AtLeastOnce);
    }
    let fetched: Vec<_> = std::iter::from_fn(|| net.hub.poll_message(net.now, local)).collect();
    assert_eq!(fetched.iter().map(|message| &message.payload[..]).collect::<Vec<_>>(), [b"1", b"2", b"3"]);
    net.hub.handle_closed(net.now, local);
    net.publish(publisher, "news", "nobody", QoS::AtLeastOnce);
    assert_eq!((net.hub.peers(), net.hub.poll_message(net.now, local)), (1, None));
}

#[test]
fn a_deadline_that_moves_with_every_packet_costs_one_entry() {
    let mut net = Net::new(Config::default());
    let peer = net.connect("busy");
    for _ in 0..100 {
        net.pass(Duration::from_millis(100));
        net.publish(peer, "nowhere", "", QoS::AtMostOnce);
        assert!(net.hub.timers.len() <= 1);
    }
}

#[test]
fn a_message_for_a_hundred_subscribers_is_not_copied_for_each() {
    let mut net = Net::new(Config::default());
    let publisher = net.connect("publisher");
    for index in 0..100 {
        let connect = Connect::new(Version::V311, Text::try_from(format!("s{index}")).unwrap());
        let subscriber = net.join(connect, Session::new());
        net.subscribe(subscriber, "news", QoS::AtMostOnce);
    }
    let message = Message::new(TopicName::from_static("news"), vec![b'x'; 10_000]);
    let now = net.now;
    let mut cost = allocation_counter::AllocationInfo::default();
    for _ in 0..10 {
        net.end(publisher).client.publish(now, message.clone()).unwrap();
        net.end(publisher).run(now);
        let mut input = std::mem::take(&mut net.end(publisher).to_hub);
        cost = allocation_counter::measure(|| {
            net.hub.handle_input(now, publisher, &mut input);
            while let Some(peer) = net.hub.poll_writable() {
                let outbox = net.hub.outbox(peer).unwrap();
                outbox.advance(outbox.remaining());
                net.hub.handle_written(now, peer);
            }
        });
    }
    println!("{} allocations, {} bytes", cost.count_total, cost.bytes_total);
    assert!(cost.count_total < 20 && cost.bytes_total < 10_000, "{cost:?}");
}

// Bug 53: the same five messages at once, of which three are allowed.
#[test]
fn a_client_that_exceeds_its_receive_maximum_is_tolerated_if_the_embedder_wants_and_noticed() {
    for tolerance in [0, 1, 2, 3] {
        let receive_maximum = 3.try_into().unwrap();
        let config =
            Config { receive_maximum, receive_tolerance: tolerance, maximum_notices: 100, ..Config::default() };
        let mut net = Net::new(config);
        let peer = net.connect("c");
        for id in 1..=5 {
            net.end(peer).to_hub.extend_from_slice(&[0x32, 7, 0, 1, b't', 0, id, 0, b'x']);
        }
        net.run();
        let is_let_go = |event: &ClientEvent| {
            let told = ReasonCode::RECEIVE_MAXIMUM_EXCEEDED;
            matches!(event, ClientEvent::Closed(Closed::Remote(disconnect)) if disconnect.reason == told)
        };
        assert_eq!(net.end(peer).events.iter().any(is_let_go), tolerance < 2);
        let notices: Vec<Notice> = std::iter::from_fn(|| net.hub.broker_mut().poll_notice()).collect();
        let tolerated = Notice::Tolerated { client_id: Text::from_static("c"), messages: tolerance.min(2).into() };
        assert_eq!(notices.contains(&tolerated), tolerance > 0);
        let is_other = |notice: &&Notice| matches!(notice, Notice::Tolerated { .. }) && **notice != tolerated;
        assert_eq!(notices.iter().find(is_other), None);
    }
}
