//! `Connection` in either role: messages both ways, against prepared bytes, and states that are large.
//!
//! One hundred messages are under way at a time. The payload has 64 bytes, the version is 5.0.

use std::hint::black_box;
use std::mem;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use mqtt_proto::{Ack, Client, Config, Connection, Instant, QoS, Role, Server, Session, Version};

use crate::wire::{End, Event, PAYLOAD, Peer, WINDOW, feed, messages, resume_client};
use crate::{Row, samples};

const VERSION: Version = Version::V5;
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for qos in LEVELS {
        let level = qos as u8;
        rows.push(window(format!("connection/client/publish-qos{level}"), move |n| publish::<Client>(qos, n)));
        rows.push(window(format!("connection/client/receive-qos{level}"), move |n| receive::<Client>(qos, n)));
        rows.push(window(format!("connection/server/publish-qos{level}"), move |n| publish::<Server>(qos, n)));
        rows.push(window(format!("connection/server/receive-qos{level}"), move |n| receive::<Server>(qos, n)));
    }
    rows.push(Row::new("connection/client/resume-1000", resume).with_units(4 * BACKLOG));
    rows.push(Row::new("connection/client/in-flight-65535", in_flight).with_units(1024));
    rows.push(Row::new("connection/client/keep-alive-10000", keep_alive).with_units(IDLE));
    rows
}

fn window(name: String, work: impl Fn(u64) -> u64 + 'static) -> Row {
    Row::new(name, work).with_units(20 * WINDOW)
}

fn publish<R: End>(qos: QoS, n: u64) -> u64 {
    let mut connection = R::open(VERSION, Config::default());
    let (mut peer, mut input) = (Peer::default(), BytesMut::with_capacity(4 << 10));
    let message = samples::message(qos, PAYLOAD);
    let mut acknowledged = 0;
    for _ in 0..n / WINDOW {
        for _ in 0..WINDOW {
            connection.publish(Instant::ZERO, black_box(&message).clone()).expect("the window is open");
        }
        exchange(&mut connection, &mut peer, &mut input);
        while let Some(event) = R::poll(&mut connection) {
            acknowledged += u64::from(matches!(event, Event::Acknowledged));
        }
    }
    assert_eq!((peer.received, acknowledged), (n, if qos == QoS::AtMostOnce { 0 } else { n }));
    n
}

fn receive<R: End>(qos: QoS, n: u64) -> u64 {
    let mut connection = R::open(VERSION, Config::default());
    let (mut peer, mut input) = (Peer::default(), BytesMut::with_capacity(16 << 10));
    let messages = messages(VERSION, qos);
    let mut acks: Vec<Ack> = Vec::with_capacity(WINDOW as usize);
    let mut received = 0;
    for _ in 0..n / WINDOW {
        input.extend_from_slice(black_box(&messages));
        feed(&mut connection, &mut input);
        while let Some(event) = R::poll(&mut connection) {
            let Event::Message(delivery) = event else { panic!("nothing was published") };
            received += u64::from(black_box(&delivery.message).payload.len() == PAYLOAD);
            acks.extend(delivery.ack);
        }
        for ack in acks.drain(..) {
            connection.ack(Instant::ZERO, ack).expect("it is connected");
        }
        exchange(&mut connection, &mut peer, &mut input);
    }
    assert_eq!(received, n);
    received
}

/// Until nobody has anything to say.
fn exchange<R: Role>(connection: &mut Connection<R>, peer: &mut Peer, input: &mut BytesMut) {
    while connection.outbox().has_remaining() {
        peer.read(connection.outbox(), input);
        feed(connection, input);
    }
}

/// A link that breaks again and again, with a thousand messages of QoS 1 that nobody has acknowledged. The unit is a message
/// that is sent again.
fn resume(n: u64) -> u64 {
    let mut connection = Client::open(VERSION, Config::default());
    for _ in 0..BACKLOG {
        let message = samples::message(QoS::AtLeastOnce, PAYLOAD);
        connection.publish(Instant::ZERO, message).expect("there is room");
    }
    let frame_len = messages(VERSION, QoS::AtLeastOnce).len() as u64 / WINDOW;
    let (mut session, mut sent) = (connection.into_session(), 0);
    for _ in 0..n / BACKLOG {
        let mut connection = resume_client(VERSION, Config::default(), std::mem::replace(&mut session, Session::new()));
        while connection.outbox().has_remaining() {
            let outbox = connection.outbox();
            let len = black_box(outbox.chunk()).len();
            outbox.advance(len);
            sent += len as u64;
        }
        session = connection.into_session();
    }
    assert_eq!(sent, n * frame_len);
    sent
}

/// 65,535 messages of QoS 1 are in flight. The unit: one of them is acknowledged, in an order that is not theirs, and another
/// takes its place.
fn in_flight(n: u64) -> u64 {
    let mut connection = Client::open(VERSION, Config { outbox_limit: usize::MAX, ..Config::default() });
    let mut input = BytesMut::with_capacity(64);
    let message = samples::message(QoS::AtLeastOnce, PAYLOAD);
    for _ in 0..u16::MAX {
        connection.publish(Instant::ZERO, message.clone()).expect("the window is open");
        write(&mut connection);
    }
    assert!(!connection.can_publish(QoS::AtLeastOnce));
    let mut acknowledged = 0;
    for unit in 0..n {
        // 7,919 has no divisor in common with 65,535: every message has its turn.
        let id = (unit * 7919 % u64::from(u16::MAX)) as u16 + 1;
        let [high, low] = id.to_be_bytes();
        input.extend_from_slice(&[0x40, 2, high, low]);
        feed(&mut connection, &mut input);
        while Client::poll(&mut connection).is_some() {
            acknowledged += 1;
        }
        connection.publish(Instant::ZERO, black_box(&message).clone()).expect("there is room for one");
        write(&mut connection);
    }
    assert_eq!(acknowledged, n);
    n
}

fn write(connection: &mut Connection<Client>) {
    let outbox = connection.outbox();
    let len = outbox.remaining();
    outbox.advance(len);
}

/// 10,000 connections on which nothing happens. The unit: the timer of one of them is due, it asks whether its server is
/// there, and the server is.
fn keep_alive(n: u64) -> u64 {
    let mut connections: Vec<Connection<Client>> =
        (0..IDLE).map(|_| Client::open(VERSION, Config::default())).collect();
    let mut input = BytesMut::with_capacity(64);
    let mut now = Instant::ZERO;
    let mut pings = 0;
    for round in 0..n / IDLE {
        now = Instant::ZERO + Duration::from_secs(60) * (round as u32 + 1);
        for connection in black_box(&mut connections) {
            assert!(connection.poll_timeout().is_some_and(|at| at <= now));
            connection.handle_timeout(now);
            let outbox = connection.outbox();
            pings += u64::from(outbox.chunk() == [0xC0, 0]);
            outbox.advance(2);
            input.extend_from_slice(&[0xD0, 0]);
            connection.handle_input(now, &mut input);
        }
    }
    assert_eq!((pings, now > Instant::ZERO), (n, true));
    // What it costs to give 10,000 connections back depends on how the heap lies, which the length of a path decides.
    mem::forget(connections);
    pings
}

const BACKLOG: u64 = 1_000;
const IDLE: u64 = 10_000;
