//! What is held while nothing happens, and for each message under way, in bytes of heap: counted, and compared with the second
//! table of `docs/limits.md`.

use std::sync::Mutex;

use allocation_counter::measure;
use bytes::{Buf, Bytes, BytesMut};
use mqtt_client::{Driver, Handle, Options};
use mqtt_proto::{
    Client, ClientEvent, Config, ConnAck, Connect, Connection, Instant, Message, QoS, ReasonCode, Server, ServerEvent,
    Session, Text, TopicName, Version,
};

const NOW: Instant = Instant::ZERO;
const MESSAGES: u64 = 1_024;

/// Clients share what they have in common with those of other tests: one test at a time.
static CLIENTS: Mutex<()> = Mutex::new(());

fn client() -> Connection<Client> {
    let connect = Connect::new(Version::V5, Text::from_static("c"));
    let mut client = Connection::connect(NOW, connect, Config::default(), Session::new()).unwrap();
    write(&mut client);
    client.handle_input(NOW, &mut BytesMut::from(&[0x20, 3, 0, 0, 0][..]));
    assert!(matches!(client.poll_event(), Some(ClientEvent::Connected(_))));
    client
}

fn server() -> Connection<Server> {
    let mut server = Connection::listen(NOW, Config::default());
    server.handle_input(NOW, &mut BytesMut::from(&b"\x10\x0e\0\x04MQTT\x05\x02\0\x3c\0\0\x01c"[..]));
    assert!(matches!(server.poll_event(), Some(ServerEvent::Connect(_))));
    server.accept(NOW, ConnAck::new(false, ReasonCode::SUCCESS), None).unwrap();
    let outbox = server.outbox();
    outbox.advance(outbox.remaining());
    server
}

fn write(client: &mut Connection<Client>) {
    let outbox = client.outbox();
    outbox.advance(outbox.remaining());
}

/// A client of the server at this port: those of one server have their options in common.
fn connected(port: u16) -> (Handle, Driver) {
    let (handle, driver) = mqtt_client::new(Options::new("localhost", port)).unwrap();
    driver.poll_open().unwrap();
    driver.handle_open();
    driver.outbox(|outbox| outbox.advance(outbox.remaining()));
    driver.handle_input(&mut BytesMut::from(&[0x20, 3, 0, 0, 0][..]));
    assert!(handle.is_connected());
    (handle, driver)
}

fn message(payload: &Bytes) -> Message {
    Message::new(TopicName::from_static("factory/line-3/motor-17/rpms"), payload.clone()).with_qos(QoS::AtLeastOnce)
}

/// Bytes of heap that the value keeps.
fn held<T>(make: impl FnOnce() -> T) -> u64 {
    let mut made = None;
    let counted = measure(|| made = Some(make()));
    drop(made);
    u64::try_from(counted.bytes_current).unwrap()
}

/// The number that `docs/limits.md` gives.
fn documented(what: &str) -> u64 {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/limits.md");
    let limits = std::fs::read_to_string(path).unwrap();
    let row = limits.lines().find(|line| line.starts_with(&format!("| {what} |")));
    let row = row.unwrap_or_else(|| panic!("docs/limits.md has no row '{what}'"));
    let number = row.split('|').nth(2).unwrap().trim().replace(',', "");
    number.parse().unwrap_or_else(|_| panic!("no number in {row}"))
}

fn check(all: &[(&str, u64)]) {
    for (what, held) in all {
        println!("{what}: {held} of {} bytes", documented(what));
    }
    for (what, held) in all {
        let limit = documented(what);
        assert!(*held <= limit, "{what}: {held} bytes are held, and {limit} are documented");
    }
}

#[test]
fn an_idle_connection_holds_what_is_documented() {
    check(&[
        ("idle client: the value", size_of::<Connection<Client>>() as u64),
        ("idle client: heap behind it", held(client)),
        ("idle server: the value", size_of::<Connection<Server>>() as u64),
        ("idle server: heap behind it", held(server)),
    ]);
}

#[test]
fn an_idle_client_with_its_handle_and_driver_holds_what_is_documented() {
    let _clients = CLIENTS.lock();
    // Options that nobody has any more are forgotten when others come: now, and not while it is counted.
    let others = [connected(5), connected(4)];
    let alone = held(|| connected(1));
    drop(connected(4)); // and so are those of the last client, which is one of these from now on
    let further = held(|| connected(4));
    drop(others);
    check(&[("idle `Handle` and `Driver`", alone), ("each further one with the same options", further)]);
}

/// As idle connections are that were not always idle.
#[test]
fn a_connection_that_has_been_busy_gives_back_its_room_with_a_ping() {
    let payload = Bytes::from(vec![b'x'; 64]);
    let busy_client = held(|| {
        let mut client = client();
        for _ in 0..100 {
            client.publish(NOW, message(&payload)).unwrap();
            write(&mut client);
            client.handle_input(NOW, &mut BytesMut::from(&[0x40, 2, 0, 1][..]));
            assert!(matches!(client.poll_event(), Some(ClientEvent::Acknowledged(_))));
        }
        client.handle_timeout(Instant::from_millis(60_000));
        assert_eq!(client.outbox().chunk(), [0xc0, 0]);
        write(&mut client);
        client
    });
    let busy_server = held(|| {
        let mut server = server();
        for _ in 0..100 {
            server.handle_input(NOW, &mut BytesMut::from(&b"\x32\x07\0\x01t\0\x01\0!"[..]));
            let Some(ServerEvent::Message(delivery)) = server.poll_event() else { panic!("no message") };
            server.ack(NOW, delivery.ack.unwrap()).unwrap();
            let outbox = server.outbox();
            outbox.advance(outbox.remaining());
        }
        server.handle_input(NOW, &mut BytesMut::from(&[0xc0, 0][..]));
        let outbox = server.outbox();
        outbox.advance(outbox.remaining());
        server
    });
    check(&[
        ("idle client: heap behind it, after messages and a PINGREQ", busy_client),
        ("idle server: heap behind it, after messages and a PINGREQ", busy_server),
    ]);
}

#[test]
fn a_message_in_flight_holds_what_is_documented_beside_its_payload() {
    let payload = Bytes::from(vec![b'x'; 64]);
    let in_connection = held(|| {
        let mut client = client();
        for _ in 0..MESSAGES {
            client.publish(NOW, message(&payload)).unwrap();
            write(&mut client);
        }
        client
    });
    let _clients = CLIENTS.lock();
    let in_client = held(|| {
        let (handle, driver) = connected(3);
        for _ in 0..MESSAGES {
            // Nobody waits for the acknowledgement.
            drop(handle.send(message(&payload)));
            driver.outbox(|outbox| outbox.advance(outbox.remaining()));
        }
        (handle, driver)
    });
    check(&[
        ("QoS 1 message of a `Connection`", (in_connection - held(client)) / MESSAGES),
        ("QoS 1 message of a `Handle`", (in_client - held(|| connected(3))) / MESSAGES),
    ]);
}
