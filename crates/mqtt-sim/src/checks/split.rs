//! Bytes in any pieces are the same bytes.

use std::num::NonZeroU16;

use bytes::{Buf, BytesMut};
use mqtt_proto::{
    Ack, Client, ClientEvent, CommandError, Config, ConnAck, Connect, Connection, Instant, Message, Packet, QoS,
    ReasonCode, Role, Server, ServerEvent, Session, Subscribe, SubscribeRequest, Subscription, Text, TopicFilter,
    TopicName, Unsubscribe, UnsubscribeRequest, Version,
};

use super::source::Source;

/// All of it happens at once.
const NOW: Instant = Instant::ZERO;

/// Gives a stream of bytes to a machine of either role, whole and in pieces. The law: nobody can tell the difference by the
/// events, by the answers or, while it is open, by the machine. Once all is in, the application answers what it got.
///
/// The machine starts where a transport starts, or with a handshake behind it and all kinds of answers to wait for.
pub fn split(input: &[u8]) {
    let mut source = Source::new(input);
    let version = source.version();
    let choices = source.byte();
    let is_open = choices & 1 != 0;
    let event_limit = if choices & 16 != 0 { 2 } else { 256 };
    let config = Config {
        event_limit,
        receive_maximum: if choices & 2 != 0 { NonZeroU16::MIN.saturating_add(2) } else { NonZeroU16::MAX },
        topic_alias_maximum: if choices & 4 != 0 { 3 } else { 0 },
        maximum_packet_size: if choices & 8 != 0 { 100 } else { Config::default().maximum_packet_size },
        maximum_connect_size: if choices & 32 != 0 { 100 } else { 65_536 },
        ..Config::default()
    };
    let cuts: Vec<usize> = (0..source.up_to(8)).map(|_| usize::from(source.up_to(64))).collect();
    let stream = source.rest();

    if choices & 64 != 0 {
        let server = Connection::listen(NOW, config);
        let server = if is_open { open_server(server, version) } else { server };
        same_in_pieces(&server, stream, &cuts, event_limit);
    } else {
        let connect = Connect::new(version, Text::from_static("client"));
        let client = Connection::connect(NOW, connect, config, Session::new()).expect("this CONNECT is legal");
        let client = if is_open { open_client(client) } else { client };
        same_in_pieces(&client, stream, &cuts, event_limit);
    }
}

/// A client that is connected and waits for the answers to one request of each kind, ids 1 to 4.
fn open_client(mut client: Connection<Client>) -> Connection<Client> {
    let mut connack = BytesMut::new();
    let packet = Packet::<bytes::Bytes>::ConnAck(ConnAck::new(false, ReasonCode::SUCCESS));
    packet.encode(client.version(), &mut connack).expect("this CONNACK is legal");
    client.handle_input(NOW, &mut connack);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = Message::new(TopicName::from_static("topic"), "payload").with_qos(qos);
        client.publish(NOW, message).expect("an open connection takes messages");
    }
    let filter = TopicFilter::from_static("filter");
    let subscriptions = vec![Subscription::new(filter.clone(), QoS::AtMostOnce)];
    client.subscribe(NOW, Subscribe::new(subscriptions)).expect("an open connection takes requests");
    client.unsubscribe(NOW, Unsubscribe::new(vec![filter])).expect("an open connection takes requests");
    client
}

/// A server that has accepted a client and waits for its acknowledgements, ids 1 and 2.
fn open_server(mut server: Connection<Server>, version: Version) -> Connection<Server> {
    let mut connect = BytesMut::new();
    Connect::new(version, Text::from_static("client")).encode(&mut connect).expect("this CONNECT is legal");
    server.handle_input(NOW, &mut connect);
    while server.poll_event().is_some() {}
    server.accept(NOW, ConnAck::new(false, ReasonCode::SUCCESS), None).expect("a CONNECT waits");
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let message = Message::new(TopicName::from_static("topic"), "payload").with_qos(qos);
        server.publish(NOW, message).expect("an open connection takes messages");
    }
    server
}

fn same_in_pieces<R: Application>(machine: &Connection<R>, stream: &[u8], cuts: &[usize], event_limit: usize) {
    let whole = run(machine.clone(), &mut std::iter::once(stream));
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    let mut pieces = std::iter::from_fn(|| {
        let (piece, after) = rest.split_at(cuts.next().copied().unwrap_or(1).min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    });
    let pieces = run(machine.clone(), &mut pieces);
    assert_eq!(pieces.events, whole.events, "events, in pieces and whole");
    assert_eq!(pieces.answers, whole.answers, "answers, in pieces and whole");
    assert_eq!(pieces.machine.session(), whole.machine.session(), "sessions, in pieces and whole");
    // One that has closed takes no more input: where it stopped in it depends on the pieces. So does whether events ever
    // waited, which the machine remembers.
    if !whole.machine.is_closed() && whole.events.len() < event_limit {
        assert_eq!(pieces.machine, whole.machine, "machines, in pieces and whole");
    }
}

/// What a machine made of its input.
struct Outcome<R: Role> {
    events: Vec<String>,
    answers: Vec<u8>,
    machine: Connection<R>,
}

fn run<R: Application>(mut machine: Connection<R>, pieces: &mut dyn Iterator<Item = &[u8]>) -> Outcome<R> {
    let (mut events, mut answers) = (Vec::new(), Vec::new());
    let mut debts = Vec::new();
    let mut input = BytesMut::new();
    // What it says before it hears anything comes first.
    for piece in std::iter::once(&[][..]).chain(pieces) {
        input.extend_from_slice(piece);
        let mut more = true;
        while more {
            let before = input.len();
            let taken = machine.handle_input(NOW, &mut input);
            assert_eq!(before - input.len(), taken, "the machine says what it took");
            more = taken > 0;
            while let Some(event) = machine.poll_event() {
                more = true;
                events.push(format!("{event:?}"));
                debts.extend(R::decide(&mut machine, event));
            }
            drain(&mut machine, &mut answers);
        }
    }
    for debt in debts {
        R::settle(&mut machine, debt);
    }
    drain(&mut machine, &mut answers);
    Outcome { events, answers, machine }
}

fn drain<R: Role>(machine: &mut Connection<R>, into: &mut Vec<u8>) {
    let outbox = machine.outbox();
    while outbox.has_remaining() {
        into.extend_from_slice(outbox.chunk());
        outbox.advance(outbox.chunk().len());
    }
}

/// What an application owes after an event.
enum Debt {
    Ack(Ack),
    Subscribe(SubscribeRequest),
    Unsubscribe(UnsubscribeRequest),
}

/// One that decides at once on who comes in, and on all else at the end: so its answers do not depend on the pieces.
trait Application: Role {
    fn decide(machine: &mut Connection<Self>, event: Self::Event) -> Option<Debt>;

    fn settle(machine: &mut Connection<Self>, debt: Debt);
}

impl Application for Client {
    fn decide(_: &mut Connection<Self>, event: ClientEvent) -> Option<Debt> {
        if let ClientEvent::Message(delivery) = event { delivery.ack.map(Debt::Ack) } else { None }
    }

    fn settle(machine: &mut Connection<Self>, debt: Debt) {
        let Debt::Ack(ack) = debt else { panic!("nobody subscribes with a client") };
        machine.ack(NOW, ack).expect("0x00 is always allowed");
    }
}

impl Application for Server {
    fn decide(machine: &mut Connection<Self>, event: ServerEvent) -> Option<Debt> {
        match event {
            ServerEvent::Connect(_) => {
                // Fails where the client asks for more than this answer holds; then it stays outside.
                let _ = machine.accept(NOW, ConnAck::new(false, ReasonCode::SUCCESS), None);
                None
            }
            ServerEvent::Message(delivery) => delivery.ack.map(Debt::Ack),
            ServerEvent::Subscribe(request) => Some(Debt::Subscribe(request)),
            ServerEvent::Unsubscribe(request) => Some(Debt::Unsubscribe(request)),
            ServerEvent::Acknowledged(_) | ServerEvent::Auth(_) | ServerEvent::Closed(_) => None,
        }
    }

    fn settle(machine: &mut Connection<Self>, debt: Debt) {
        // Each of these fails if the connection has closed meanwhile.
        let _ = match debt {
            Debt::Ack(ack) => machine.ack(NOW, ack).map_err(CommandError::from),
            Debt::Subscribe(request) => {
                let reasons = vec![ReasonCode::SUCCESS; request.subscribe.subscriptions.len()];
                machine.suback(NOW, request, &reasons).map_err(CommandError::from)
            }
            Debt::Unsubscribe(request) => {
                let reasons = vec![ReasonCode::SUCCESS; request.unsubscribe.filters.len()];
                machine.unsuback(NOW, request, &reasons).map_err(CommandError::from)
            }
        };
    }
}
