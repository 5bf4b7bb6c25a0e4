//! One machine against a peer made of bytes, for what no well-behaved peer does.

use bytes::{Buf, BytesMut};
use mqtt_proto::{
    Client, ClientEvent, Config, ConnAck, Connect, Connection, FixedHeader, Instant, Packet, ReasonCode, Role, Server,
    ServerEvent, Session, Text, Version,
};

use super::describe::{self, Describe};

/// One machine; the test is its application and its peer.
pub struct Solo<R: Role> {
    /// The machine.
    pub connection: Connection<R>,
    /// The clock, in milliseconds.
    pub now: u64,
    input: BytesMut,
}

impl Solo<Client> {
    /// A client that waits for CONNACK.
    ///
    /// # Panics
    ///
    /// If CONNECT is not valid.
    #[must_use]
    pub fn dialling(connect: Connect, config: Config, session: Session) -> Self {
        let connection = Connection::connect(Instant::ZERO, connect, config, session).expect("a valid CONNECT");
        let mut solo = Self { connection, now: 0, input: BytesMut::new() };
        solo.sent();
        solo
    }

    /// A client whose connection is open, with a clean start.
    #[must_use]
    pub fn client(version: Version) -> Self {
        let connect = Connect::new(version, Text::from_static("c"));
        Self::dialling(connect, Config::default(), Session::new()).welcome(ConnAck::new(false, ReasonCode::SUCCESS))
    }

    /// The server accepts.
    #[must_use]
    pub fn welcome(mut self, connack: ConnAck) -> Self {
        self.feed_packet(&Packet::ConnAck(connack));
        self.connection.poll_event();
        self
    }

    /// Events that have not been read, and no answers to them.
    pub fn events(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.connection.poll_event()).map(|event: ClientEvent| event.describe()).collect()
    }
}

impl Solo<Server> {
    /// A server that waits for CONNECT.
    #[must_use]
    pub fn listening(config: Config) -> Self {
        Self { connection: Connection::listen(Instant::ZERO, config), now: 0, input: BytesMut::new() }
    }

    /// A server whose application has to decide on a CONNECT.
    #[must_use]
    pub fn asked(connect: Connect, config: Config) -> Self {
        let mut solo = Self::listening(config);
        solo.feed_packet(&Packet::Connect(Box::new(connect)));
        solo.connection.poll_event();
        solo
    }

    /// A server whose connection is open, with a clean start.
    #[must_use]
    pub fn server(version: Version) -> Self {
        Self::accepted(Connect::new(version, Text::from_static("c")), Config::default())
    }

    /// A server that has accepted.
    ///
    /// # Panics
    ///
    /// If it cannot.
    #[must_use]
    pub fn accepted(connect: Connect, config: Config) -> Self {
        let mut solo = Self::asked(connect, config);
        let connack = ConnAck::new(false, ReasonCode::SUCCESS);
        solo.connection.accept(Instant::ZERO, connack, None).expect("the server can accept");
        solo.sent();
        solo
    }

    /// Events that have not been read, and no answers to them.
    pub fn events(&mut self) -> Vec<String> {
        core::iter::from_fn(|| self.connection.poll_event()).map(|event: ServerEvent| event.describe()).collect()
    }
}

impl<R: Role> Solo<R> {
    /// The clock, as the machine takes it.
    #[must_use]
    pub fn instant(&self) -> Instant {
        Instant::from_millis(self.now)
    }

    /// Bytes arrive.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while self.connection.handle_input(Instant::from_millis(self.now), &mut self.input) > 0 {}
    }

    /// Bytes arrive one by one.
    pub fn dribble(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.feed(core::slice::from_ref(byte));
        }
    }

    /// A packet arrives.
    ///
    /// # Panics
    ///
    /// If it cannot be encoded.
    pub fn feed_packet(&mut self, packet: &Packet) {
        let mut bytes = BytesMut::new();
        packet.encode(self.connection.version(), &mut bytes).expect("a packet of this version");
        self.feed(&bytes);
    }

    /// Packets that have been sent since the last call.
    ///
    /// # Panics
    ///
    /// If one of them cannot be decoded.
    pub fn sent(&mut self) -> Vec<String> {
        let bytes = self.sent_bytes();
        let (mut rest, mut lines) = (&bytes[..], Vec::new());
        while let Some(header) = FixedHeader::parse(rest).expect("what we send has a valid fixed header") {
            let frame = rest[..header.frame_len()].to_vec();
            let packet = Packet::decode(self.connection.version(), frame.into()).expect("what we send can be decoded");
            lines.push(describe::packet(&packet));
            rest = &rest[header.frame_len()..];
        }
        lines
    }

    /// Bytes that have been sent since the last call.
    pub fn sent_bytes(&mut self) -> Vec<u8> {
        let outbox = self.connection.outbox();
        outbox.copy_to_bytes(outbox.remaining()).to_vec()
    }
}
