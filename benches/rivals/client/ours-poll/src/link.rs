//! A client and its socket, driven by whoever calls [`Link::turn`].

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use harness::Job;
use mqtt_client::{Client, Disconnect, Driver, Event, Message, Outbox, QoS, ReasonCode, Subscribe, Subscription};
use mqtt_proto::Instant;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What all links of a loop share: its clock, and the room that is read into.
pub(crate) struct Loop {
    beginning: std::time::Instant,
    room: Box<[u8]>,
}

/// All that one connection holds.
pub(crate) struct Link {
    client: Client,
    stream: TcpStream,
    /// Bytes that the client has not taken.
    input: BytesMut,
}

impl Loop {
    pub(crate) fn new() -> Self {
        Self { beginning: std::time::Instant::now(), room: vec![0; READ_AT_ONCE].into() }
    }

    fn now(&self) -> Instant {
        Instant::from_millis(u64::try_from(self.beginning.elapsed().as_millis()).expect("not so long"))
    }
}

impl Link {
    /// Connects and waits for CONNACK.
    pub(crate) fn connect(own: &mut Loop, job: &Job) -> Self {
        let mut client = Client::new(ours::options(job)).expect("they make a CONNECT");
        let server = client.poll_open(own.now()).expect("it wants to be connected");
        let stream = TcpStream::connect((server.host.as_str(), server.port)).expect("the peer listens");
        stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).expect("a socket");
        client.handle_open(own.now());
        let mut link = Self { client, stream, input: BytesMut::new() };
        let mut is_connected = false;
        while !is_connected {
            link.turn(own, |event| is_connected |= matches!(event, Event::Connected(_)));
        }
        link
    }

    pub(crate) fn disconnect(mut self, own: &Loop) {
        self.client.disconnect(own.now(), Disconnect::new(ReasonCode::SUCCESS)).expect("a plain DISCONNECT");
        while self.client.poll_event(own.now()).is_some() {}
        assert!(self.write(own.now()) && self.client.wants_close(), "all is written");
    }

    pub(crate) fn publish(&mut self, own: &Loop, message: Message) {
        self.client.publish(own.now(), message).expect("it is taken");
    }

    pub(crate) fn subscribe(&mut self, own: &Loop, filter: &'static str, qos: QoS) {
        let filter = filter.try_into().expect("a filter");
        let subscribe = Subscribe::new(vec![Subscription::new(filter, qos)]);
        self.client.subscribe(own.now(), subscribe).expect("it is taken");
    }

    /// Bytes that wait to be written.
    pub(crate) fn unwritten(&mut self, own: &Loop) -> usize {
        self.client.outbox(own.now(), |outbox| outbox.remaining())
    }

    /// Writes what there is, and tells what that has ended, or else waits until the socket is ready or time is up, and reads once.
    /// Messages are acknowledged here.
    pub(crate) fn turn(&mut self, own: &mut Loop, mut told: impl FnMut(&Event)) {
        self.write(own.now());
        if self.tell(own.now(), &mut told) {
            return; // at QoS 0, to be written is the end
        }
        let mut interest = PollFlags::empty();
        interest.set(PollFlags::OUT, self.client.wants_output()); // what had no room before, too
        interest.set(PollFlags::IN, self.client.wants_input());
        let left = self.client.poll_timeout().map(|at| at.since(own.now()));
        let mut socket = [PollFd::new(&self.stream, interest)];
        poll(&mut socket, left.map(timespec).as_ref()).expect("it can be waited for");
        let is_readable = socket[0].revents().intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR);
        let now = own.now();
        self.client.handle_timeout(now);
        if is_readable {
            self.read(own, now);
        }
        // What it tells may make room for more.
        while self.tell(now, &mut told) && !self.input.is_empty() {
            self.client.handle_input(now, &mut self.input);
        }
        if self.input.is_empty() {
            self.input = BytesMut::new(); // a connection that waits owns no buffer
        }
    }

    /// Whether there was anything to tell.
    fn tell(&mut self, now: Instant, told: &mut impl FnMut(&Event)) -> bool {
        let mut is_any = false;
        while let Some(mut event) = self.client.poll_event(now) {
            is_any = true;
            told(&event);
            match &mut event {
                Event::Message(delivery) => {
                    if let Some(ack) = delivery.ack.take() {
                        self.client.ack(now, ack).expect("a plain acknowledgement");
                    }
                }
                Event::Published { result: Err(error), .. } => panic!("{error}"),
                Event::Disconnected { reason, .. } => panic!("{reason}"),
                _ => {}
            }
        }
        is_any
    }

    /// Whether all is written.
    fn write(&mut self, now: Instant) -> bool {
        let stream = &mut self.stream;
        self.client.outbox(now, |outbox| {
            while outbox.has_remaining() {
                match write_some(stream, outbox) {
                    Ok(count) => outbox.advance(count),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
                    Err(error) => panic!("{error}"),
                }
            }
            true
        })
    }

    fn read(&mut self, own: &mut Loop, now: Instant) {
        let size = Driver::read_size(&self.input);
        let old = self.input.len();
        let count = if size > READ_AT_ONCE {
            self.input.resize(old + size, 0); // a large packet, which is not copied
            let count = self.stream.read(&mut self.input[old..]);
            self.input.truncate(old + count.as_ref().map_or(0, |count| *count));
            count
        } else {
            self.stream.read(&mut own.room).inspect(|count| self.input.extend_from_slice(&own.room[..*count]))
        };
        match count {
            Ok(0) => self.client.handle_eof(now),
            Ok(_) => {
                self.client.handle_input(now, &mut self.input);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => self.client.handle_error(now, &error),
        }
    }
}

fn write_some(stream: &mut TcpStream, outbox: &Outbox) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); 32];
    match outbox.chunks_vectored(&mut slices) {
        1 => stream.write(&slices[0]),
        filled => stream.write_vectored(&slices[..filled]),
    }
}

fn timespec(left: Duration) -> Timespec {
    left.try_into().expect("not so long")
}

/// Bytes read at a time, but for large packets.
const READ_AT_ONCE: usize = 32 << 10;
