//! What must hold for any bytes: the bodies of the fuzz targets, also run by `cargo test` over their corpora.
//!
//! A check panics when a law is broken and returns otherwise. It is deterministic, so an input that breaks a law once
//! breaks it whenever it is replayed.

use bytes::{Buf, Bytes, BytesMut};
use mqtt_proto::{
    Client, Config, ConnAck, Connect, Connection, FixedHeader, Instant, Packet, ReasonCode, Role, Server, ServerEvent,
    Session, Storage, Text, Version,
};

/// All of it happens at once.
const NOW: Instant = Instant::ZERO;

/// Decodes a stream of packets in one version, and gives it to both ends of a connection.
///
/// The first byte chooses: its remainder by 3 is the version, the rest of it the length of the pieces in which the stream
/// arrives. The laws:
///
/// - nothing panics, and a decoder that does not fail takes the whole frame;
/// - from a slice and from shared bytes comes the same packet, or the same error;
/// - a packet that was decoded can be encoded, to no more bytes than it came in, and those decode to the same packet; in
///   3.1.1 they *are* the bytes it came in, unless its length took more bytes than it needs;
/// - cut in any pieces, the stream gives the same events, the same answers and, while it is open, the same machine.
pub fn decode(input: &[u8]) {
    let Some((&choice, stream)) = input.split_first() else { return };
    let version = match choice % 3 {
        0 => Version::V31,
        1 => Version::V311,
        _ => Version::V5,
    };

    let mut rest = stream;
    while let Some(frame) = first_frame(rest) {
        decode_frame(version, frame);
        rest = &rest[frame.len()..];
    }

    let piece = usize::from(choice / 3) + 1;
    same_in_pieces(stream, piece, serve);
    same_in_pieces(stream, piece, |pieces| request(version, pieces));
}

/// The first whole frame, if there is one. A header says what it says as soon as it is complete, and not before.
fn first_frame(stream: &[u8]) -> Option<&[u8]> {
    let header = FixedHeader::parse(stream).ok()??;
    let header_len = header.frame_len() - header.remaining_len();
    for cut in 0..header_len {
        assert_eq!(FixedHeader::parse(&stream[..cut]), Ok(None), "{cut} bytes of a header are no header");
    }
    assert_eq!(FixedHeader::parse(&stream[..header_len]), Ok(Some(header)));
    stream.get(..header.frame_len())
}

fn decode_frame(version: Version, frame: &[u8]) {
    let borrowed = Packet::<&[u8]>::decode(version, frame);
    let shared = Packet::<Bytes>::decode(version, Bytes::copy_from_slice(frame));
    let (borrowed, shared) = match (borrowed, shared) {
        (Ok(borrowed), Ok(shared)) => (borrowed, shared),
        (Err(borrowed), Err(shared)) => {
            assert_eq!(borrowed, shared, "both storages meet the same error");
            assert!(!shared.to_string().is_empty(), "an error has words");
            return;
        }
        (borrowed, shared) => panic!("the storages disagree: {borrowed:?} and {shared:?}"),
    };

    // CONNECT says its own version.
    let version = if let Packet::Connect(connect) = &shared { connect.version } else { version };
    let encoded = encode(version, &shared);
    assert_eq!(encode(version, &borrowed), encoded, "both storages encode alike");
    assert!(encoded.len() <= frame.len(), "{} bytes became {}", frame.len(), encoded.len());
    let again = Packet::<Bytes>::decode(version, encoded.clone());
    assert_eq!(again.as_ref(), Ok(&shared), "what was encoded decodes to the same packet");
    if version == Version::V311 && encoded.len() == frame.len() {
        assert_eq!(encoded, frame, "3.1.1 has one way to say a packet");
    }
}

fn encode<B: Storage>(version: Version, packet: &Packet<B>) -> Bytes {
    let mut out = BytesMut::new();
    packet.encode(version, &mut out).expect("a packet that was decoded can be encoded");
    assert_eq!(packet.encoded_len(version), Ok(out.len()), "the length is known beforehand");
    out.freeze()
}

/// What a machine made of its input.
struct Outcome<R: Role> {
    events: Vec<R::Event>,
    answers: Vec<u8>,
    machine: Connection<R>,
}

/// Feeds a machine the stream in one piece and in many: nobody can tell the difference.
fn same_in_pieces<R: Role>(stream: &[u8], piece: usize, feed: impl Fn(&mut dyn Iterator<Item = &[u8]>) -> Outcome<R>) {
    let whole = feed(&mut std::iter::once(stream));
    let pieces = feed(&mut stream.chunks(piece));
    assert_eq!(pieces.events, whole.events, "events, in pieces of {piece} and whole");
    assert_eq!(pieces.answers, whole.answers, "answers, in pieces of {piece} and whole");
    // One that has closed takes no more input: where it stopped in it depends on the pieces.
    if !(pieces.machine.is_closed() && whole.machine.is_closed()) {
        assert_eq!(pieces.machine, whole.machine, "machines, in pieces of {piece} and whole");
    }
}

/// A server that lets everyone in and grants nothing.
fn serve(pieces: &mut dyn Iterator<Item = &[u8]>) -> Outcome<Server> {
    run(Connection::listen(NOW, Config::default()), pieces, |server, event| {
        if matches!(event, ServerEvent::Connect(_)) {
            // Fails where the client asks for more than this answer holds; then it stays outside.
            let _ = server.accept(NOW, ConnAck::new(false, ReasonCode::SUCCESS), None);
        }
    })
}

/// A client that asks for nothing but to be let in.
fn request(version: Version, pieces: &mut dyn Iterator<Item = &[u8]>) -> Outcome<Client> {
    let connect = Connect::new(version, Text::from_static("client"));
    let client = Connection::connect(NOW, connect, Config::default(), Session::new());
    run(client.expect("this CONNECT is legal"), pieces, |_, _| {})
}

fn run<R: Role>(
    mut connection: Connection<R>,
    pieces: &mut dyn Iterator<Item = &[u8]>,
    mut decide: impl FnMut(&mut Connection<R>, &R::Event),
) -> Outcome<R> {
    let mut events = Vec::new();
    let mut answers = Vec::new();
    let mut input = BytesMut::new();
    // What it says before it hears anything comes first.
    for piece in std::iter::once(&[][..]).chain(pieces) {
        input.extend_from_slice(piece);
        let mut more = true;
        while more {
            let before = input.len();
            let taken = connection.handle_input(NOW, &mut input);
            assert_eq!(before - input.len(), taken, "the machine says what it took");
            more = taken > 0;
            while let Some(event) = connection.poll_event() {
                more = true;
                decide(&mut connection, &event);
                events.push(event);
            }
            let outbox = connection.outbox();
            while outbox.has_remaining() {
                answers.extend_from_slice(outbox.chunk());
                outbox.advance(outbox.chunk().len());
            }
        }
    }
    Outcome { events, answers, machine: connection }
}
