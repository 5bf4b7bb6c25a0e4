//! The other end of the wire, as cheap as can be: prepared bytes, and acknowledgements made from what was sent.

use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{
    Client, ClientEvent, Config, ConnAck, Connect, Connection, Delivery, Instant, Outbox, Packet, PacketId, Publish,
    QoS, ReasonCode, Role, Server, ServerEvent, Session, Text, Version,
};

use crate::samples;

/// Messages that are on their way at a time.
pub(crate) const WINDOW: u64 = 100;

/// Their payloads, in bytes.
pub(crate) const PAYLOAD: usize = 64;

/// Frames of one length, all from the same place.
pub(crate) struct Frames {
    /// Of each, in bytes.
    pub(crate) len: usize,
    /// Where its packet identifier stands.
    pub(crate) id_at: usize,
}

/// PUBACK, PUBREC, PUBREL and PUBCOMP.
pub(crate) const ACKS: Frames = Frames { len: 4, id_at: 2 };

/// How PUBLISH looks with [`samples::TOPIC`] and a payload of [`PAYLOAD`] bytes, at QoS 1 and 2.
pub(crate) fn publishes(version: Version) -> Frames {
    let message = samples::message(QoS::AtLeastOnce, PAYLOAD);
    let len = Publish::new(message, Some(PacketId::MIN)).encoded_len(version).expect("it can be written");
    Frames { len, id_at: 4 + samples::TOPIC.len() }
}

/// [`WINDOW`] messages, as they come over the wire, with packet identifiers from 1 on.
pub(crate) fn messages(version: Version, qos: QoS) -> Bytes {
    let mut out = BytesMut::new();
    for id in (1..=u16::MAX).take(WINDOW as usize) {
        let packet_id = if qos == QoS::AtMostOnce { None } else { PacketId::new(id) };
        Publish::new(samples::message(qos, PAYLOAD), packet_id).encode(version, &mut out).expect("it can be written");
    }
    out.freeze()
}

/// Where the peer reads.
pub(crate) struct Peer {
    read: Vec<u8>,
    len: usize,
}

impl Peer {
    pub(crate) fn new() -> Self {
        Self { read: vec![0; 64 << 10], len: 0 }
    }

    /// Reads all that is there.
    pub(crate) fn read(&mut self, outbox: &mut Outbox) {
        self.len = outbox.remaining();
        outbox.copy_to_slice(&mut self.read[..self.len]);
    }

    /// Answers each of the frames just read with these first two bytes and its own packet identifier.
    pub(crate) fn answer(&self, frames: &Frames, first_byte: u8, input: &mut BytesMut) {
        let mut answers = [0; ACKS.len * WINDOW as usize];
        let mut len = 0;
        for (frame, answer) in self.read[..self.len].chunks_exact(frames.len).zip(answers.chunks_exact_mut(ACKS.len)) {
            answer.copy_from_slice(&[first_byte, 2, frame[frames.id_at], frame[frames.id_at + 1]]);
            len += ACKS.len;
        }
        input.extend_from_slice(&answers[..len]);
    }
}

pub(crate) const PUBACK: u8 = 0x40;
pub(crate) const PUBREC: u8 = 0x50;
pub(crate) const PUBREL: u8 = 0x62;
pub(crate) const PUBCOMP: u8 = 0x70;

/// What a connection of either role tells in these rows.
pub(crate) enum Event {
    Message(Delivery),
    Acknowledged,
}

/// A connection of either role.
pub(crate) trait End: Sized {
    /// The role.
    type Role: Role;

    /// One that is open, with nothing in its outbox.
    fn open(version: Version, config: Config) -> Connection<Self::Role>;

    /// The next event.
    fn poll(connection: &mut Connection<Self::Role>) -> Option<Event>;
}

impl End for Client {
    type Role = Self;

    fn open(version: Version, config: Config) -> Connection<Self> {
        resume_client(version, config, Session::new())
    }

    fn poll(connection: &mut Connection<Self>) -> Option<Event> {
        match connection.poll_event()? {
            ClientEvent::Message(delivery) => Some(Event::Message(delivery)),
            ClientEvent::Acknowledged(_) => Some(Event::Acknowledged),
            event => panic!("unexpected: {event:?}"),
        }
    }
}

impl End for Server {
    type Role = Self;

    fn open(version: Version, config: Config) -> Connection<Self> {
        let mut server = Connection::listen(Instant::ZERO, config);
        let mut input = BytesMut::new();
        connect(version).encode(&mut input).expect("it can be written");
        server.handle_input(Instant::ZERO, &mut input);
        assert!(matches!(server.poll_event(), Some(ServerEvent::Connect(_))));
        let connack = ConnAck::new(false, ReasonCode::SUCCESS);
        server.accept(Instant::ZERO, connack, None).expect("a client waits");
        let sent = server.outbox().remaining();
        server.outbox().advance(sent);
        server
    }

    fn poll(connection: &mut Connection<Self>) -> Option<Event> {
        match connection.poll_event()? {
            ServerEvent::Message(delivery) => Some(Event::Message(delivery)),
            ServerEvent::Acknowledged(_) => Some(Event::Acknowledged),
            event => panic!("unexpected: {event:?}"),
        }
    }
}

/// A client whose server has accepted it, and knows its session if there is something in it. What it sends again is in the
/// outbox.
pub(crate) fn resume_client(version: Version, config: Config, session: Session) -> Connection<Client> {
    let is_resumed = session != Session::new();
    let connect = connect(version).with_clean_start(!is_resumed);
    let mut client = Connection::connect(Instant::ZERO, connect, config, session).expect("it may connect");
    let sent = client.outbox().remaining();
    client.outbox().advance(sent);
    let mut input = BytesMut::new();
    let connack = ConnAck::new(is_resumed, ReasonCode::SUCCESS);
    Packet::ConnAck(connack).encode(version, &mut input).expect("it can be written");
    client.handle_input(Instant::ZERO, &mut input);
    assert!(matches!(client.poll_event(), Some(ClientEvent::Connected(_))));
    client
}

fn connect(version: Version) -> Connect {
    Connect::new(version, Text::from_static("bench"))
}

/// Takes the input in, as far as it can be taken now.
pub(crate) fn feed<R: Role>(connection: &mut Connection<R>, input: &mut BytesMut) {
    while connection.handle_input(Instant::ZERO, input) > 0 && !input.is_empty() {}
    assert!(input.is_empty(), "there is room for a window of messages");
}
