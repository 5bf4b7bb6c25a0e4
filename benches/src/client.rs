//! The client that applications hold, without a socket: a `Handle` on one side, and on the other what an adapter does with a
//! `Driver` whenever it wakes.
//!
//! One hundred messages are under way at a time. The payload has 64 bytes, the version is 3.1.1.

use std::future::Future;
use std::hint::black_box;
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use bytes::BytesMut;
use mqtt_client::{Driver, Handle, Options, Subscriber, Ticket};
use mqtt_proto::{QoS, Version};

use crate::wire::{PAYLOAD, Peer, WINDOW, messages};
use crate::{Row, samples};

pub(crate) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let level = qos as u8;
        rows.push(row(format!("client/publish-qos{level}"), move |n| publish(qos, false, n)));
        if qos != QoS::AtMostOnce {
            rows.push(row(format!("client/publish-qos{level}/awaited"), move |n| publish(qos, true, n)));
        }
        rows.push(row(format!("client/receive-qos{level}"), move |n| receive(qos, n)));
    }
    rows
}

fn row(name: String, work: impl Fn(u64) -> u64 + 'static) -> Row {
    Row::new(name, work).with_units(20 * WINDOW)
}

/// A client, and the server that it is connected to.
struct World {
    handle: Handle,
    driver: Driver,
    server: Peer,
    input: BytesMut,
}

impl World {
    fn connected() -> Self {
        let window = NonZeroU16::new(WINDOW as u16).expect("it is not 0");
        let options = Options::new("localhost", 1883).version(Version::V311).client_id("bench").seed(1);
        let (handle, driver) = mqtt_client::new(options.send_maximum(window)).expect("the options are fine");
        let input = BytesMut::with_capacity(16 << 10);
        let mut world = Self { handle, driver, server: Peer::default(), input };
        assert!(world.driver.poll_open().is_some());
        world.driver.handle_open();
        world.turn();
        world.input.extend_from_slice(b"\x20\x02\x00\x00");
        world.turn();
        assert!(world.handle.is_connected());
        world
    }

    /// What an adapter does when it wakes: it writes all that there is, hands on what has come, and looks when to wake again.
    fn turn(&mut self) {
        let Self { driver, server, input, .. } = self;
        if driver.turn(Waker::noop()).read && !input.is_empty() {
            driver.handle_input(input);
        }
        if driver.turn(Waker::noop()).write {
            driver.outbox(|outbox| server.read(outbox, input));
        }
        let last = driver.turn(Waker::noop());
        assert!(!last.close && !last.write && last.deadline.is_some());
    }

    /// Until nobody has anything to say.
    fn run(&mut self) {
        self.turn();
        while !self.input.is_empty() {
            self.turn();
        }
    }

    fn subscribe(&mut self, qos: QoS) -> Subscriber {
        let mut subscribing = pin!(self.handle.subscribe(samples::TOPIC, qos));
        assert!(poll(subscribing.as_mut()).is_pending());
        self.turn();
        // SUBACK; 1 is the first packet identifier.
        self.input.extend_from_slice(&[0x90, 3, 0, 1, qos as u8]);
        self.run();
        let Poll::Ready(Ok(subscriber)) = poll(subscribing) else { panic!("SUBACK has come") };
        subscriber
    }
}

fn publish(qos: QoS, is_awaited: bool, n: u64) -> u64 {
    let mut world = World::connected();
    let message = samples::message(qos, PAYLOAD);
    let mut tickets: Vec<Ticket> = Vec::with_capacity(WINDOW as usize);
    for _ in 0..n / WINDOW {
        for _ in 0..WINDOW {
            let ticket = world.handle.send(black_box(&message).clone());
            if is_awaited {
                tickets.push(ticket);
            }
        }
        world.run();
        for ticket in tickets.drain(..) {
            assert!(matches!(poll(pin!(ticket)), Poll::Ready(Ok(_))));
        }
    }
    assert_eq!(world.server.received, n);
    n
}

fn receive(qos: QoS, n: u64) -> u64 {
    let mut world = World::connected();
    let mut subscriber = world.subscribe(qos);
    let messages = messages(Version::V311, qos);
    let mut received = 0;
    for _ in 0..n / WINDOW {
        world.input.extend_from_slice(black_box(&messages));
        world.turn();
        while let Poll::Ready(Some(message)) = poll(pin!(subscriber.next())) {
            received += u64::from(black_box(&message).payload.len() == PAYLOAD);
        }
        world.run();
    }
    assert_eq!(received, n);
    received
}

/// Polls once, without caring for the wake-up.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}
