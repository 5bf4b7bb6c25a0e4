//! The server as a program embeds it: in-process subscriptions, hooks, limits, listeners, the end.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use mqtt_broker::{
    ClientInfo, Config, Listener, ListenerConfig, Notice, Policy, PublishError, Server, Stopped, SubscribeError,
};
use mqtt_proto::{Connect, FixedHeader, Message, QoS, ReasonCode, Subscription, TopicName};
use mqtt_tokio::Options;

fn options(server: &Server, id: &str) -> Options {
    let address = server.address();
    Options::new(address.ip().to_string(), address.port()).client_id(id)
}

fn message(topic: &'static str, payload: &'static str) -> Message {
    Message::new(TopicName::from_static(topic), payload).with_qos(QoS::AtLeastOnce)
}

/// CONNECT of 3.1.1 as `raw`, without keep alive.
const CONNECT: &[u8] = b"\x10\x0f\0\x04MQTT\x04\x02\0\0\0\x03raw";
/// SUBSCRIBE to `#` at QoS 0.
const SUBSCRIBE: &[u8] = b"\x82\x06\0\x01\0\x01#\0";

/// A client of a few bytes, which does only what it is told.
fn raw(server: &Server) -> TcpStream {
    raw_as(server, b"raw")
}

fn raw_as(server: &Server, id: &[u8; 3]) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(&[&CONNECT[..CONNECT.len() - 3], id].concat()).unwrap();
    let mut connack = [0; 4];
    stream.read_exact(&mut connack).unwrap();
    assert_eq!(connack, *b"\x20\x02\0\0");
    stream
}

/// Whether the server closes the connection.
fn is_closed(mut stream: &TcpStream) -> bool {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[tokio::test]
async fn the_program_and_its_clients_exchange_messages() {
    let server = Server::start().unwrap();
    let mut doors = server.subscribe("doors/+", QoS::ExactlyOnce).unwrap();
    let client = mqtt_tokio::connect(options(&server, "client")).await.unwrap();
    let mut commands = client.subscribe("commands", QoS::AtLeastOnce).await.unwrap();
    client.publish("doors/front", "open", QoS::ExactlyOnce).await.unwrap();
    let door = doors.next().await.unwrap();
    assert_eq!((door.topic.as_str(), &door.payload[..], door.qos), ("doors/front", &b"open"[..], QoS::ExactlyOnce));
    server.send(message("commands", "shut it")).unwrap();
    assert_eq!(commands.next().await.unwrap().payload, "shut it");
}

#[test]
fn a_thousand_messages_reach_a_subscription_in_order_though_its_mailbox_is_small() {
    let server = Server::start().unwrap();
    let mut all = server.subscribe("#", QoS::AtLeastOnce).unwrap();
    for number in 0..1000u32 {
        server.publish("n", number.to_string(), QoS::AtLeastOnce).unwrap();
    }
    for number in 0..1000u32 {
        assert_eq!(all.next().wait().unwrap().payload, number.to_string());
    }
    assert_eq!(all.try_next(), None);
}

#[test]
fn retained_messages_come_first_and_a_dropped_subscription_is_gone() {
    let server = Server::builder().config(quiet()).start().unwrap();
    server.send(message("state", "up").with_retain(true)).unwrap();
    let mut state = server.subscribe("state", QoS::AtLeastOnce).unwrap();
    let retained = state.next().wait().unwrap();
    assert!(retained.retain && retained.payload == "up");
    drop(state);
    let mut again = server.subscribe("state", QoS::AtLeastOnce).unwrap();
    assert_eq!(again.next().wait().unwrap().payload, "up");
}

#[test]
fn a_message_for_whose_retention_there_is_no_room_is_refused() {
    let server = Server::builder().config(Config { maximum_retained_messages: 1, ..quiet() }).start().unwrap();
    let mut all = server.subscribe("#", QoS::AtMostOnce).unwrap();
    server.send(message("one", "kept").with_retain(true)).unwrap();
    let refused = server.send(message("two", "lost").with_retain(true));
    assert_eq!(refused, Err(PublishError::Refused(ReasonCode::QUOTA_EXCEEDED)));
    server.send(message("three", "not kept")).unwrap();
    let topics = [all.next().wait().unwrap(), all.next().wait().unwrap()].map(|message| message.topic.to_string());
    assert_eq!(topics, ["one", "three"]);
}

#[test]
fn each_listener_has_settings_of_its_own() {
    let own = ListenerConfig { allow_empty_client_id: Some(false), ..ListenerConfig::default() };
    let server = Server::builder().listen("127.0.0.1:0").listen(Listener::tcp("127.0.0.1:0").config(own));
    let server = server.config(quiet()).start().unwrap();
    for (address, answer) in server.addresses().iter().zip([[0x20, 2, 0, 0], [0x20, 2, 0, 2]]) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0").unwrap();
        let mut connack = [0; 4];
        stream.read_exact(&mut connack).unwrap();
        assert_eq!(connack, answer, "{address}");
    }
}

fn quiet() -> Config {
    Config { status_interval: Duration::ZERO, ..Config::default() }
}

#[test]
fn a_subscription_beyond_the_limits_is_refused_with_its_reason() {
    let server = Server::builder().config(Config { maximum_topic_levels: 2, ..quiet() }).start().unwrap();
    let refused = server.subscribe("a/b/c", QoS::AtMostOnce);
    assert_eq!(refused.unwrap_err(), SubscribeError::Refused(ReasonCode::TOPIC_FILTER_INVALID));
}

#[test]
fn after_the_end_subscriptions_end() {
    let server = Server::start().unwrap();
    let mut all = server.subscribe("#", QoS::AtLeastOnce).unwrap();
    server.send(message("last", "words")).unwrap();
    let waiting = std::thread::spawn(move || (all.next().wait().map(|message| message.payload), all.next().wait()));
    let deadline = Instant::now() + Duration::from_secs(30);
    server.shut_down().unwrap();
    let (last, end) = waiting.join().unwrap();
    assert!(last.is_some_and(|payload| payload == "words") && end.is_none() && Instant::now() < deadline);
}

/// Lets in who knows the word, and only to read.
struct Guarded {
    word: &'static str,
    seen: mpsc::Sender<String>,
}

impl Policy for Guarded {
    fn connect(&mut self, client: &ClientInfo, connect: &Connect) -> Result<(), ReasonCode> {
        self.seen.send(client.client_id.as_str().to_owned()).unwrap();
        let knows = connect.password.as_deref() == Some(self.word.as_bytes());
        if knows { Ok(()) } else { Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD) }
    }

    fn publish(&mut self, _: &ClientInfo, message: &Message) -> Result<(), ReasonCode> {
        if message.topic.as_str() == "open" { Ok(()) } else { Err(ReasonCode::NOT_AUTHORIZED) }
    }

    fn subscribe(&mut self, _: &ClientInfo, subscription: &Subscription) -> Result<QoS, ReasonCode> {
        if subscription.filter.as_str() == "secret" { Err(ReasonCode::NOT_AUTHORIZED) } else { Ok(QoS::AtLeastOnce) }
    }

    fn deliver(&mut self, _: &ClientInfo, message: &Message) -> bool {
        message.payload != "not for you"
    }

    fn intercept(&mut self, _: &ClientInfo, mut message: Message) -> Option<Message> {
        message.payload = [&message.payload[..], b"!"].concat().into();
        (message.payload != "nothing!").then_some(message)
    }

    fn is_welcome(&mut self, client: &ClientInfo) -> bool {
        client.client_id.as_str() != "outcast"
    }
}

#[tokio::test]
async fn the_hooks_decide_who_does_what() {
    let (seen, names) = mpsc::channel();
    let server = Server::builder().policy(Guarded { word: "sesame", seen }).start().unwrap();
    let stranger = mqtt_tokio::connect(options(&server, "stranger")).await.unwrap_err();
    assert!(stranger.to_string().contains("0x86") || stranger.to_string().contains("user name"), "{stranger}");
    let client = mqtt_tokio::connect(options(&server, "friend").password("sesame")).await.unwrap();
    assert_eq!(names.try_iter().collect::<Vec<_>>(), ["stranger", "friend"]);

    assert!(client.subscribe("secret", QoS::AtMostOnce).await.is_err());
    let mut open = client.subscribe("open", QoS::ExactlyOnce).await.unwrap();
    assert_eq!(open.granted(), [ReasonCode::GRANTED_QOS_1]);
    assert!(client.publish("closed", "x", QoS::AtLeastOnce).await.is_err());
    client.publish("open", "nothing", QoS::AtLeastOnce).await.unwrap();
    client.publish("open", "not for yo", QoS::AtLeastOnce).await.unwrap();
    server.send(message("open", "not for you")).unwrap();
    client.publish("open", "hello", QoS::AtLeastOnce).await.unwrap();
    assert_eq!(open.next().await.unwrap().payload, "not for yo!");
    assert_eq!(open.next().await.unwrap().payload, "hello!");
}

#[test]
fn other_rules_are_in_force_when_reload_returns() {
    let server = Server::start().unwrap();
    let connect = b"\x10\x13\0\x04MQTT\x04\x02\0\0\0\x07outcast";
    let mut outcast = TcpStream::connect(server.address()).unwrap();
    outcast.write_all(connect).unwrap();
    outcast.read_exact(&mut [0; 4]).unwrap();
    let stays = raw(&server);
    let (seen, _names) = mpsc::channel();
    server.reload(Guarded { word: "", seen }).unwrap();
    assert!(is_closed(&outcast));
    stays.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!((&stays).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

/// Panics when somebody publishes.
struct Fragile;

impl Policy for Fragile {
    fn publish(&mut self, _: &ClientInfo, _: &Message) -> Result<(), ReasonCode> {
        panic!("this hook is broken on purpose")
    }
}

#[test]
fn a_hook_that_panics_ends_the_server_and_nobody_waits_for_ever() {
    let server = Server::builder().policy(Fragile).start().unwrap();
    let mut all = server.subscribe("#", QoS::AtMostOnce).unwrap();
    let (mut culprit, bystander) = (raw_as(&server, b"bad"), raw_as(&server, b"too"));
    culprit.write_all(b"\x30\x03\0\x01t").unwrap();
    while all.next().wait().is_some() {}
    assert!(is_closed(&culprit) && is_closed(&bystander));
    assert_eq!(server.send(message("t", "x")), Err(PublishError::Stopped(Stopped)));
    assert_eq!(server.reload(()), Err(Stopped));
    assert!(server.subscribe("#", QoS::AtMostOnce).is_err());
    assert_eq!(server.shut_down(), Err(Stopped));
}

/// Drops the server when somebody publishes.
struct Switch(Arc<Mutex<Option<Server>>>);

impl Policy for Switch {
    fn publish(&mut self, _: &ClientInfo, _: &Message) -> Result<(), ReasonCode> {
        drop(self.0.lock().unwrap().take());
        Ok(())
    }
}

#[test]
fn a_hook_may_end_its_own_server() {
    let held = Arc::new(Mutex::new(None));
    let server = Server::builder().policy(Switch(Arc::clone(&held))).start().unwrap();
    let mut client = raw(&server);
    *held.lock().unwrap() = Some(server);
    client.write_all(b"\x30\x03\0\x01t").unwrap();
    assert!(is_closed(&client));
}

#[tokio::test]
async fn clients_are_told_that_the_server_shuts_down() {
    let server = Server::start().unwrap();
    let client = mqtt_tokio::connect(options(&server, "client")).await.unwrap();
    let mut events = client.events();
    tokio::task::spawn_blocking(|| server.shut_down()).await.unwrap().unwrap();
    let told = loop {
        let event = format!("{:?}", events.next().await.unwrap());
        if event.contains("Disconnected") || event.contains("Closed") || event.contains("0x8B") {
            break event;
        }
    };
    assert!(told.contains("0x8B") || told.contains("139") || told.contains("shutting"), "{told}");
}

#[test]
fn a_client_that_does_not_listen_does_not_hold_the_shutdown_up() {
    let server = Server::builder().shutdown_timeout(Duration::from_millis(50)).start().unwrap();
    let _deaf = raw(&server);
    let _silent = TcpStream::connect(server.address()).unwrap();
    let started = Instant::now();
    server.shut_down().unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_client_that_breaks_the_protocol_and_is_gone_at_once_leaves_the_server_running() {
    let server = Server::start().unwrap();
    for _ in 0..50 {
        let mut rude = raw(&server);
        // Much to write, then a packet that no client may send, then a reset: the answers have nowhere to go.
        rude.write_all(&[SUBSCRIBE, b"\xc0\0\xc0\0\xc0\0\xd0\0"].concat()).unwrap();
        socket2::SockRef::from(&rude).set_linger(Some(Duration::ZERO)).unwrap();
    }
    drop(raw(&server));
    server.shut_down().unwrap();
}

#[test]
fn a_reader_that_stops_costs_its_own_messages_alone() {
    let config = Config { maximum_queued_messages: 5, ..quiet() };
    let server = Server::builder().config(config).start().unwrap();
    let mut slow = raw(&server);
    slow.write_all(SUBSCRIBE).unwrap();
    slow.read_exact(&mut [0; 5]).unwrap();
    let mut all = server.subscribe("#", QoS::AtMostOnce).unwrap();
    let payload = bytes::Bytes::from(vec![0; 1 << 20]);
    for _ in 0..64 {
        server.publish("big", payload.clone(), QoS::AtMostOnce).unwrap();
        assert_eq!(all.next().wait().unwrap().payload.len(), payload.len());
    }
    // It reads again. What comes is whole packets: those that the sockets, the outbox and the queue had room for, and then
    // the first of the small ones for which there was room.
    let (mut input, mut buffer, mut count) = (bytes::BytesMut::new(), vec![0; 1 << 16], 0);
    loop {
        server.send(message("small", "")).unwrap();
        let read = slow.read(&mut buffer).unwrap();
        input.extend_from_slice(&buffer[..read]);
        while let Some(header) = FixedHeader::parse(&input).unwrap().filter(|header| header.frame_len() <= input.len())
        {
            if header.frame_len() < payload.len() {
                assert!((5..40).contains(&count), "{count} messages");
                return;
            }
            count += 1;
            drop(input.split_to(header.frame_len()));
        }
    }
}

#[test]
fn connections_beyond_the_limits_are_closed() {
    let server = Server::builder().config(Config { maximum_connections: 2, ..quiet() }).start().unwrap();
    let _two = (raw(&server), TcpStream::connect(server.address()).unwrap());
    assert!(is_closed(&TcpStream::connect(server.address()).unwrap()));

    let listener = Listener::tcp("127.0.0.1:0").maximum_connections(1);
    let (sender, turned_away) = mpsc::channel();
    let on_notice = move |notice| {
        if let Notice::TurnedAway { origin, maximum } = notice {
            sender.send((origin.listener, origin.address, maximum)).unwrap();
        }
    };
    let server = Server::builder().listen(listener).listen("127.0.0.1:0").on_notice(on_notice).start().unwrap();
    let one = raw(&server);
    let refused = TcpStream::connect(server.address()).unwrap();
    assert!(is_closed(&refused));
    let address = refused.local_addr().unwrap().to_string();
    assert_eq!(turned_away.recv().unwrap(), (0, Some(address.into()), 1));
    let mut other = TcpStream::connect(server.addresses()[1]).unwrap();
    other.write_all(CONNECT).unwrap();
    other.read_exact(&mut [0; 4]).unwrap();
    // Its place is free again when it has gone (it is the same client, so it is taken over).
    assert!(is_closed(&one));
    drop(one);
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let mut next = TcpStream::connect(server.address()).unwrap();
        if next.write_all(CONNECT).is_ok() && next.read_exact(&mut [0; 4]).is_ok() {
            return;
        }
    }
    panic!("the place was never free again");
}

#[test]
fn strangers_are_closed_when_their_time_is_over() {
    let config = Config { connect_timeout: Duration::from_millis(20), ..quiet() };
    let server = Server::builder().config(config).start().unwrap();
    let client = raw(&server);
    assert!(is_closed(&TcpStream::connect(server.address()).unwrap()));
    client.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
    assert_eq!((&client).read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn localhost_is_one_port_of_both_families() {
    let server = Server::builder().listen("localhost:0").start().unwrap();
    for address in server.addresses() {
        assert!(address.ip().is_loopback() && address.port() == server.address().port());
        TcpStream::connect(address).unwrap();
    }
    let server = Server::builder().listen(Listener::port(0).ipv4_only()).start().unwrap();
    assert!(server.address().is_ipv4() && server.url().starts_with("mqtt://127.0.0.1:"));
}

#[test]
fn a_place_that_is_taken_is_named_with_what_to_do() {
    let first = Server::start().unwrap();
    let error = Server::builder().listen(first.address()).start().unwrap_err().to_string();
    assert!(error.contains(&first.address().to_string()) && error.contains("another port"), "{error}");
    let error = Server::builder().listen("1883").start().unwrap_err().to_string();
    assert!(error.contains("host:port"), "{error}");
}

#[cfg(unix)]
#[test]
fn clients_come_through_a_unix_socket_whose_file_goes_with_the_server() {
    use std::os::unix::net::{UnixListener, UnixStream};

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mqtt.sock");
    // What a server that was killed leaves behind.
    drop(UnixListener::bind(&path).unwrap());
    let server = Server::builder().listen_unix(&path).start().unwrap();
    let mut client = UnixStream::connect(&path).unwrap();
    client.write_all(CONNECT).unwrap();
    let mut connack = [0; 4];
    client.read_exact(&mut connack).unwrap();
    assert_eq!(connack, *b"\x20\x02\0\0");
    let taken = Server::builder().listen_unix(&path).start().unwrap_err().to_string();
    assert!(taken.contains("mqtt.sock") && taken.contains("another program"), "{taken}");
    server.shut_down().unwrap();
    assert!(!path.exists());
}

#[test]
fn notices_tell_what_happens() {
    let (sender, notices) = mpsc::channel();
    let tell = move |notice| sender.send(notice).unwrap();
    let server = Server::builder().config(quiet()).on_notice(tell).start().unwrap();
    drop(raw(&server));
    let patience = Duration::from_secs(30);
    let connected = notices.recv_timeout(patience).unwrap();
    assert!(
        matches!(&connected, Notice::Connected { client, .. } if client.client_id.as_str() == "raw"),
        "{connected:?}"
    );
    let is_gone = |notice| matches!(notice, Notice::Disconnected { client_id, .. } if client_id.as_str() == "raw");
    while !is_gone(notices.recv_timeout(patience).unwrap()) {}
}

/// The identifier that a server assigns to the first client without one.
fn first_assigned_id(seed: u64) -> String {
    let (sender, notices) = mpsc::channel();
    let config = Config { seed, ..quiet() };
    let server =
        Server::builder().config(config).on_notice(move |notice| sender.send(notice).unwrap()).start().unwrap();
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(b"\x10\x0c\0\x04MQTT\x04\x02\0\0\0\0").unwrap();
    match notices.recv_timeout(Duration::from_secs(30)).unwrap() {
        Notice::Connected { client, .. } => client.client_id.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_server_draws_its_seed_unless_it_is_given_one() {
    assert_ne!(first_assigned_id(0), first_assigned_id(0), "nobody can foresee the next one");
    assert_eq!(first_assigned_id(7), first_assigned_id(7));
}
