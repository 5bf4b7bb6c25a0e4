//! What a message costs the broker: processor time per delivered message, ours beside Mosquitto's, and memory per idle
//! connection. `cargo bench -p mqtt-benches --bench broker` (Linux, with Mosquitto installed).
//!
//! Each broker is a process of its own, and only its time counts, so what else the machine does changes little. One thread
//! plays all clients: they send a batch each, and then wait until it has arrived everywhere. Batches of 1 show what a
//! message costs that comes alone, larger ones what it costs in company.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant as Clock};

use bytes::{Buf, BytesMut};
use mqtt_broker::{Config, Server};
use mqtt_proto::{
    Client, ClientEvent, Connect, Connection, Instant, Message, QoS, Session, Subscribe, Subscription, Text,
    TopicFilter, TopicName, Version,
};

const PAYLOAD: &[u8] = &[b'x'; 100];
const LEVELS: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

fn main() {
    if std::env::args().any(|argument| argument == "serve") {
        return serve();
    }
    let messages: usize =
        std::env::var("MESSAGES").map_or(40_000, |count| count.parse().expect("MESSAGES is a number"));
    println!("| what | ours, ns | Mosquitto, ns | ratio |\n|---|---|---|---|");
    for (name, pairs, fan_out) in [("1 to 100", 1, 100), ("50 pairs", 50, 1)] {
        for (qos, batch) in LEVELS.into_iter().flat_map(|qos| [(qos, 1), (qos, 20)]) {
            let [ours, theirs] = [Broker::ours(), Broker::mosquitto()].map(|broker| {
                let rounds = messages / (pairs * fan_out * batch);
                broker.load(pairs, fan_out, qos, batch, rounds)
            });
            println!("| {name}, {qos}, {batch} at a time | {ours:.0} | {theirs:.0} | {:.2} |", ours / theirs);
        }
    }
    for (name, broker) in [("ours", Broker::ours()), ("Mosquitto", Broker::mosquitto())] {
        let before = broker.memory();
        let clients: Vec<Peer> = (0..IDLE).map(|index| Peer::connect(broker.port, &format!("idle-{index}"))).collect();
        let per_connection = (broker.memory() - before) * 1024 / clients.len();
        println!("{name}: {per_connection} bytes of memory for each of {IDLE} idle connections");
    }
}

/// Our broker, as a process.
fn serve() {
    // Mosquitto's clients have a window of 20 and queues of 1,000, too.
    let server = Server::builder().config(Config::default()).start().expect("there are ports left");
    println!("{}", server.address().port());
    drop(std::io::stdin().read_to_end(&mut Vec::new()));
}

/// A broker in a process of its own.
struct Broker {
    process: Child,
    port: u16,
}

impl Broker {
    fn ours() -> Self {
        let program = std::env::current_exe().expect("a process has a program");
        let mut command = Command::new(program);
        let mut process =
            command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts again");
        let mut line = [0; 6];
        let length = process.stdout.as_mut().expect("it is piped").read(&mut line).expect("it says its port");
        let port = std::str::from_utf8(&line[..length]).expect("a number").trim().parse().expect("a number");
        Self { process, port }
    }

    fn mosquitto() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let process = Command::new("mosquitto").args(["-p", &port.to_string()]).stderr(Stdio::null()).spawn();
        let broker = Self { process: process.expect("Mosquitto is installed"), port };
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
        broker
    }

    /// Nanoseconds of processor time for each message delivered.
    fn load(&self, pairs: usize, fan_out: usize, qos: QoS, batch: usize, rounds: usize) -> f64 {
        let mut groups: Vec<(Peer, Vec<Peer>)> = Vec::new();
        for pair in 0..pairs {
            let publisher = Peer::connect(self.port, &format!("p{pair}"));
            let subscriber = |index| {
                let mut peer = Peer::connect(self.port, &format!("s{pair}-{index}"));
                peer.subscribe(&format!("load/{pair}"), qos);
                peer
            };
            groups.push((publisher, (0..fan_out).map(subscriber).collect()));
        }
        let mut before = Duration::ZERO;
        for round in 0..rounds + WARM_UP {
            if round == WARM_UP {
                before = self.time();
            }
            for (pair, (publisher, _)) in groups.iter_mut().enumerate() {
                publisher.publish(&format!("load/{pair}"), qos, batch);
            }
            for (publisher, subscribers) in &mut groups {
                let acknowledged = if qos == QoS::AtMostOnce { 0 } else { batch };
                publisher.until(|peer| peer.acknowledged >= acknowledged);
                for subscriber in subscribers {
                    subscriber.until(|peer| peer.received >= batch);
                }
            }
        }
        let delivered = rounds * pairs * fan_out * batch;
        (self.time() - before).as_nanos() as f64 / delivered as f64
    }

    /// Processor time of the process so far.
    fn time(&self) -> Duration {
        let nanos = fs::read_dir(format!("/proc/{}/task", self.process.id())).expect("Linux").map(|task| {
            let stat = fs::read_to_string(task.expect("a thread").path().join("schedstat")).expect("Linux");
            stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0)
        });
        Duration::from_nanos(nanos.sum())
    }

    /// KiB of resident memory.
    fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("Linux");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.process.kill().and_then(|()| self.process.wait()).map(drop).expect("it was ours");
    }
}

/// A client on a blocking socket.
struct Peer {
    stream: TcpStream,
    connection: Connection<Client>,
    input: BytesMut,
    is_ready: bool,
    received: usize,
    acknowledged: usize,
}

impl Peer {
    fn connect(port: u16, id: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("the broker listens");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket");
        let connect = Connect::new(Version::V311, Text::try_from(id).expect("text")).with_keep_alive(0);
        let connection = Connection::connect(Instant::ZERO, connect, mqtt_proto::Config::default(), Session::new());
        let connection = connection.expect("a legal CONNECT");
        let mut peer =
            Self { stream, connection, input: BytesMut::new(), is_ready: false, received: 0, acknowledged: 0 };
        peer.flush();
        peer.until(|peer| peer.is_ready);
        peer
    }

    fn subscribe(&mut self, filter: &str, qos: QoS) {
        let subscription = Subscription::new(TopicFilter::try_from(filter).expect("a filter"), qos);
        self.is_ready = false;
        self.connection.subscribe(Instant::ZERO, Subscribe::new(vec![subscription])).expect("it is connected");
        self.flush();
        self.until(|peer| peer.is_ready);
    }

    fn publish(&mut self, topic: &str, qos: QoS, count: usize) {
        let topic = TopicName::try_from(topic).expect("a topic");
        for _ in 0..count {
            let message = Message::new(topic.clone(), PAYLOAD).with_qos(qos);
            self.connection.publish(Instant::ZERO, message).expect("the window is open");
        }
        (self.received, self.acknowledged) = (0, 0);
        self.flush();
    }

    /// Reads until something is so; what is counted begins anew then.
    fn until(&mut self, is_so: impl Fn(&Self) -> bool) {
        let deadline = Clock::now() + Duration::from_secs(60);
        while !is_so(self) {
            let mut buffer = [0; 16 << 10];
            let read = self.stream.read(&mut buffer).expect("the broker answers");
            assert!(read > 0 && Clock::now() < deadline, "the broker closed the connection, or all is lost");
            self.input.extend_from_slice(&buffer[..read]);
            self.connection.handle_input(Instant::ZERO, &mut self.input);
            while let Some(event) = self.connection.poll_event() {
                match event {
                    ClientEvent::Message(delivery) => {
                        self.received += 1;
                        if let Some(ack) = delivery.ack {
                            self.connection.ack(Instant::ZERO, ack).expect("it is connected");
                        }
                    }
                    ClientEvent::Acknowledged(_) => self.acknowledged += 1,
                    ClientEvent::Connected(_) | ClientEvent::Subscribed { .. } => self.is_ready = true,
                    event => panic!("unexpected: {event:?}"),
                }
            }
            self.flush();
        }
        (self.received, self.acknowledged) = (0, 0);
    }

    fn flush(&mut self) {
        while self.connection.outbox().has_remaining() {
            let written = self.stream.write(self.connection.outbox().chunk()).expect("the broker reads");
            self.connection.outbox().advance(written);
        }
    }
}

const WARM_UP: usize = 20;
const IDLE: usize = 5_000;
