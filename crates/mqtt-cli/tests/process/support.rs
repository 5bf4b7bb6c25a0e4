//! The program under test, and a broker that does what the test's script says: it sees each packet, and refuses, cuts or keeps
//! silent where ours would not. Tests that need no more than a broker have `mqtt broker` (`daemon.rs`).

use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mqtt_proto::{
    AckPacket, ConnAck, Connect, FixedHeader, Message, Packet, PacketId, Publish, QoS, ReasonCode, SubAck, TopicName,
    Version,
};

/// The program with these arguments (split at blanks), all its streams piped.
pub(crate) fn mqtt(arguments: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mqtt"))
        .args(arguments.split_whitespace())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs it to its end with nothing on stdin.
pub(crate) fn run(arguments: &str) -> Finished {
    finish(mqtt(arguments))
}

/// Waits for its end.
pub(crate) fn finish(child: Child) -> Finished {
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Finished {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

/// What a program left behind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Finished {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Finished {
    /// The exit code, and that each of `words` is said on stderr.
    #[track_caller]
    pub(crate) fn assert(&self, code: i32, words: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not said: {self:?}");
        }
    }
}

/// A broker for one test. The script runs on a thread of its own and gets every connection that it asks for.
pub(crate) struct Broker<T> {
    pub(crate) port: u16,
    script: JoinHandle<T>,
}

impl<T: Send + 'static> Broker<T> {
    pub(crate) fn start(script: impl FnOnce(&TcpListener) -> T + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { port, script: thread::spawn(move || script(&listener)) }
    }

    /// The script's result, once it has come to its end.
    pub(crate) fn join(self) -> T {
        match self.script.join() {
            Ok(value) => value,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// The broker's end of one connection.
pub(crate) struct Peer {
    stream: TcpStream,
    buffer: BytesMut,
    version: Version,
}

impl Peer {
    /// Accepts a connection and its CONNECT.
    pub(crate) fn accept(listener: &TcpListener) -> (Self, Connect) {
        let (stream, _) = listener.accept().unwrap();
        // A test that waits for ever says nothing; one that fails says where.
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let mut peer = Self { stream, buffer: BytesMut::new(), version: Version::V5 };
        match peer.receive() {
            Some(Packet::Connect(connect)) => {
                peer.version = connect.version;
                (peer, *connect)
            }
            other => panic!("not a CONNECT: {other:?}"),
        }
    }

    /// Accepts a connection and greets it.
    pub(crate) fn welcome(listener: &TcpListener) -> Self {
        let (mut peer, _) = Self::accept(listener);
        peer.send(Packet::ConnAck(ConnAck::new(false, ReasonCode::SUCCESS)));
        peer
    }

    /// Accepts a connection, greets it, and answers its SUBSCRIBE with `reasons`.
    pub(crate) fn subscribe(listener: &TcpListener, reasons: &[ReasonCode]) -> Self {
        let mut peer = Self::welcome(listener);
        match peer.receive() {
            Some(Packet::Subscribe(subscribe)) => {
                peer.send(Packet::SubAck(SubAck::new(subscribe.packet_id, reasons.to_vec())));
            }
            other => panic!("not a SUBSCRIBE: {other:?}"),
        }
        peer
    }

    /// Where the program connects from.
    pub(crate) fn address(&self) -> IpAddr {
        self.stream.peer_addr().unwrap().ip()
    }

    pub(crate) fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.encode(self.version, &mut bytes).unwrap();
        self.stream.write_all(&bytes).unwrap();
    }

    /// Sends a message; QoS 1 with this packet id, QoS 0 without one.
    pub(crate) fn publish(&mut self, topic: &str, payload: &'static [u8], packet_id: Option<u16>) {
        let qos = if packet_id.is_some() { QoS::AtLeastOnce } else { QoS::AtMostOnce };
        let message = Message::new(TopicName::try_from(topic).unwrap(), payload).with_qos(qos);
        self.send(Packet::Publish(Publish::new(message, packet_id.and_then(PacketId::new))));
    }

    pub(crate) fn puback(&mut self, packet_id: PacketId, reason: ReasonCode) {
        self.send(Packet::PubAck(AckPacket::new(packet_id, reason)));
    }

    /// The next packet; `None` at the end of the connection.
    pub(crate) fn receive(&mut self) -> Option<Packet> {
        loop {
            if let Some(header) = FixedHeader::parse(&self.buffer).unwrap() {
                if self.buffer.len() >= header.frame_len() {
                    let frame: Bytes = self.buffer.split_to(header.frame_len()).freeze();
                    return Some(Packet::decode(self.version, frame).unwrap());
                }
            }
            let mut chunk = [0; 4096];
            let read = self.stream.read(&mut chunk).unwrap();
            if read == 0 {
                return None;
            }
            self.buffer.extend_from_slice(&chunk[..read]);
        }
    }

    /// The next packet, which is a PUBLISH.
    #[track_caller]
    pub(crate) fn receive_publish(&mut self) -> Publish {
        match self.receive() {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("not a PUBLISH: {other:?}"),
        }
    }

    /// A good-bye, and then the end.
    #[track_caller]
    pub(crate) fn expect_disconnect(&mut self) {
        match self.receive() {
            Some(Packet::Disconnect(_)) => assert_eq!(self.receive(), None),
            other => panic!("not a DISCONNECT: {other:?}"),
        }
    }
}
