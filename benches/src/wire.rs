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

/// [`WINDOW`] messages, as they come over the wire, with packet identifiers from 1 on.
pub(crate) fn messages(version: Version, qos: QoS) -> Bytes {
    let mut out = BytesMut::new();
    for id in (1..=u16::MAX).take(WINDOW as usize) {
        let packet_id = if qos == QoS::AtMostOnce { None } else { PacketId::new(id) };
        Publish::new(samples::message(qos, PAYLOAD), packet_id).encode(version, &mut out).expect("it can be written");
    }
    out.freeze()
}

/// The peer: it reads all that is there, and acknowledges it.
#[derive(Default)]
pub(crate) struct Peer {
    read: Vec<u8>,
    /// Messages that it has got.
    pub(crate) received: u64,
}

impl Peer {
    /// Reads what is there, and puts the answers that it wants behind `input`.
    pub(crate) fn read(&mut self, outbox: &mut Outbox, input: &mut BytesMut) {
        let len = outbox.remaining();
        if self.read.len() < len {
            self.read.resize(len, 0);
        }
        outbox.copy_to_slice(&mut self.read[..len]);
        let mut rest = &self.read[..len];
        while let Some((len, answer)) = answer(rest) {
            self.received += u64::from(rest[0] >> 4 == 3);
            input.extend_from_slice(answer.as_ref().map_or(&[], |answer| &answer[..]));
            rest = &rest[len..];
        }
        assert!(rest.is_empty(), "packets are whole, and shorter than 16 KiB");
    }
}

/// Length of the first packet, and what is to be said to it. Only what is sent in these rows is known here, and nothing is
/// checked: the peer shall cost little.
fn answer(bytes: &[u8]) -> Option<(usize, Option<[u8; 4]>)> {
    let (len, body) = match *bytes {
        [_, low @ ..0x80, ..] => (2 + usize::from(low), 2),
        [_, low, high @ ..0x80, ..] => (3 + usize::from(low & 0x7F) + (usize::from(high) << 7), 3),
        _ => return None,
    };
    let id_at = if bytes[0] >> 4 == 3 {
        body + 2 + usize::from(bytes[body]) * 256 + usize::from(bytes[body + 1])
    } else {
        body
    };
    let first = match bytes[0] & 0b1111_0110 {
        0x32 => 0x40,
        0x34 => 0x50,
        0x50 => 0x62,
        0x62 => 0x70,
        _ => return Some((len, None)),
    };
    Some((len, Some([first, 2, bytes[id_at], bytes[id_at + 1]])))
}

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
