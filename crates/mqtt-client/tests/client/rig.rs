//! A handle whose driver is cranked by hand, against a scripted server. No sockets, no threads.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use bytes::{Buf, BytesMut};
use futures_task::ArcWake;
use mqtt_client::{Driver, Handle, Options, Subscriber, Ticket, Turn};
use mqtt_proto::{Config, ConnAck, Connection, Delivery, Instant, QoS, ReasonCode, Server, ServerEvent, Session};

pub(crate) struct Rig {
    pub(crate) handle: Handle,
    pub(crate) driver: Driver,
    pub(crate) server: Connection<Server>,
    pub(crate) seen: Vec<ServerEvent>,
    /// How the server takes the next connection.
    pub(crate) config: Config,
    /// What the driver has read and the client has not taken.
    input: BytesMut,
    /// Whom [`look`](Rig::look) is for: of the wakers that do nothing, a driver may take each for another.
    looker: Arc<Alarm>,
}

impl Rig {
    /// A connected client.
    pub(crate) fn new(options: Options) -> Self {
        Self::with_session(options, None)
    }

    /// A connected client; `session` as of [`Connection::accept`].
    pub(crate) fn with_session(options: Options, session: Option<Session>) -> Self {
        let mut rig = Self::dialled(options);
        rig.accept(session);
        rig
    }

    /// A client that waits for CONNACK.
    pub(crate) fn dialled(options: Options) -> Self {
        let (handle, driver) = mqtt_client::new(options).unwrap();
        let mut rig = Self {
            handle,
            driver,
            server: Connection::listen(Instant::ZERO, Config::default()),
            seen: Vec::new(),
            config: Config::default(),
            input: BytesMut::new(),
            looker: Arc::new(Alarm::default()),
        };
        rig.dial();
        rig
    }

    pub(crate) fn connect(&mut self) {
        self.dial();
        self.accept(None);
    }

    /// The link breaks, and both ends go on with the session.
    pub(crate) fn reconnect(&mut self) {
        let session = self.server.clone().into_session();
        self.cut();
        self.look();
        self.dial();
        self.accept(Some(session));
    }

    fn dial(&mut self) {
        self.driver.poll_open().expect("the client wants to dial");
        self.server = Connection::listen(Instant::ZERO, self.config.clone());
        self.driver.handle_open();
        self.crank();
        assert!(matches!(self.seen.pop(), Some(ServerEvent::Connect(_))));
    }

    fn accept(&mut self, session: Option<Session>) {
        self.seen.clear();
        self.server.accept(Instant::ZERO, ConnAck::new(false, ReasonCode::SUCCESS), session).unwrap();
        self.crank();
    }

    /// Moves bytes both ways until nothing moves.
    pub(crate) fn crank(&mut self) {
        loop {
            let mut to_server = self.driver.outbox(take_all);
            let to_client = if self.wants_input() { take_all(self.server.outbox()) } else { BytesMut::new() };
            let is_quiet = to_server.is_empty() && to_client.is_empty();
            self.input.unsplit(to_client);
            self.driver.handle_input(&mut self.input);
            self.server.handle_input(Instant::ZERO, &mut to_server);
            self.seen.extend(std::iter::from_fn(|| self.server.poll_event()));
            if is_quiet {
                return;
            }
        }
    }

    /// Subscribes, and the server grants it.
    pub(crate) fn subscribe(&mut self, filter: &str) -> Subscriber {
        let mut subscribing = pin!(self.handle.subscribe(filter, QoS::ExactlyOnce));
        assert!(poll(subscribing.as_mut()).is_pending());
        self.crank();
        let Some(ServerEvent::Subscribe(request)) = self.seen.pop() else { panic!("no SUBSCRIBE") };
        self.server.suback(Instant::ZERO, request, &[ReasonCode::GRANTED_QOS_2]).unwrap();
        self.crank();
        let Poll::Ready(subscriber) = poll(subscribing.as_mut()) else { panic!("SUBACK has come") };
        subscriber.unwrap()
    }

    /// The server sends messages with the payloads "0", "1", ...
    pub(crate) fn flood(&mut self, topic: &str, qos: QoS, messages: usize) {
        for number in 0..messages {
            let message = crate::world::message(topic, qos);
            let message = mqtt_proto::Message::new(message.topic, number.to_string()).with_qos(qos);
            self.server.publish(Instant::ZERO, message).unwrap();
        }
        self.crank();
    }

    pub(crate) fn publish(&self, topic: &str, qos: QoS) -> Ticket {
        self.handle.publish(topic, "payload", qos)
    }

    /// The server acknowledges all that has come; how many messages that is.
    pub(crate) fn acknowledge(&mut self) -> usize {
        let mut count = 0;
        for event in std::mem::take(&mut self.seen) {
            if let ServerEvent::Message(Delivery { ack, .. }) = event {
                count += 1;
                if let Some(ack) = ack {
                    self.server.ack(Instant::ZERO, ack).unwrap();
                }
            }
        }
        self.crank();
        count
    }

    /// How many of the server's messages the client has acknowledged since the last time.
    pub(crate) fn acknowledged(&mut self) -> usize {
        self.crank();
        let before = self.seen.len();
        self.seen.retain(|event| !matches!(event, ServerEvent::Acknowledged(_)));
        before - self.seen.len()
    }

    /// A turn of a driver that does not sleep.
    pub(crate) fn look(&self) -> Turn {
        self.looker.turn(&self.driver)
    }

    pub(crate) fn wants_input(&self) -> bool {
        self.look().read
    }

    pub(crate) fn cut(&mut self) {
        self.driver.handle_eof();
        self.input.clear();
        assert!(self.look().close);
        self.driver.handle_closed();
    }
}

/// Polls once, without caring for the wake-up.
pub(crate) fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Counts wake-ups.
#[derive(Default)]
pub(crate) struct Alarm(AtomicUsize);

impl Alarm {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// A turn of a driver that sleeps afterwards.
    pub(crate) fn turn(self: &Arc<Self>, driver: &Driver) -> Turn {
        driver.turn(&Waker::from(Arc::clone(self)))
    }

    pub(crate) fn poll<F: Future>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(self))))
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl ArcWake for Alarm {
    fn wake_by_ref(alarm: &Arc<Self>) {
        Wake::wake(Arc::clone(alarm));
    }
}

fn take_all(outbox: &mut mqtt_proto::Outbox) -> BytesMut {
    let len = outbox.remaining();
    outbox.copy_to_bytes(len).into()
}
