//! The area "broker": every broker as a process of its own, under the same load.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Selection;
use crate::load::{self, Load, Pattern};
use crate::process::Process;
use crate::results::{Results, with_version};

const PATTERNS: [Pattern; 3] = [
    Pattern { name: "fan-in", groups: 1, publishers: 10, subscribers: 1, deliveries: 20_000 },
    Pattern { name: "fan-out", groups: 1, publishers: 1, subscribers: 100, deliveries: 40_000 },
    Pattern { name: "pairs", groups: 50, publishers: 1, subscribers: 1, deliveries: 20_000 },
];

/// Messages that a publisher sends at once: what a message costs that comes alone, and in company. Mosquitto's window is 20.
const BATCHES: [(&str, u16); 2] = [("single", 1), ("batch", 20)];

/// What a client is that waits for each of its messages.
const ONE: Pattern = Pattern { name: "latency", groups: 1, publishers: 1, subscribers: 1, deliveries: 1 };

const LATENCIES: usize = 5_000;
/// The defaults of two brokers end at 10,000.
const CONNECTIONS: usize = 9_990;

/// Name and package; the program is `broker-NAME`, or Mosquitto itself.
const BROKERS: [(&str, &str); 4] = [("ours", ""), ("mosquitto", ""), ("rumqttd", "rumqttd"), ("mqtt5", "mqtt5")];

struct Broker {
    who: String,
    process: Process,
    address: SocketAddr,
}

pub(crate) fn run(selection: &Selection) {
    for pattern in PATTERNS {
        for (qos, (company, batch)) in (0..3).flat_map(|qos| BATCHES.map(|batch| (qos, batch))) {
            let row = format!("{}-qos{qos}-{company}", pattern.name);
            interleave(
                selection,
                &row,
                |broker| Load::new(broker.address, pattern, qos, batch),
                |load, broker| vec![("cpu_ns", load.cpu_per_delivery(&broker.process))],
            );
        }
    }
    for qos in 0..3 {
        let row = format!("latency-qos{qos}");
        interleave(
            selection,
            &row,
            |broker| Load::new(broker.address, ONE, qos, 1),
            |load, _| {
                let [median, slow] = load.latency(LATENCIES);
                vec![("p50_ns", median), ("p99_ns", slow)]
            },
        );
    }
    if selection.has_row("idle") {
        let mut results = Results::default();
        for broker in start_all(selection) {
            let [connected, subscribed] = load::memory(broker.address, &broker.process, CONNECTIONS);
            results.add(&broker.who, "rss_bytes", connected);
            results.add(&broker.who, "rss_bytes_subscribed", subscribed);
        }
        results.print("broker", "idle");
    }
}

/// Rounds of one row, the brokers in turn.
fn interleave<L>(
    selection: &Selection,
    row: &str,
    prepare: impl Fn(&Broker) -> L,
    mut measure: impl FnMut(&mut L, &Broker) -> Vec<(&'static str, f64)>,
) {
    if !selection.has_row(row) {
        return;
    }
    let brokers = start_all(selection);
    let mut loads: Vec<L> = brokers.iter().map(prepare).collect();
    let mut results = Results::default();
    for round in 0..selection.rounds {
        for turn in 0..brokers.len() {
            let index = (round + turn) % brokers.len();
            for (metric, value) in measure(&mut loads[index], &brokers[index]) {
                results.add(&brokers[index].who, metric, value);
            }
        }
    }
    results.print("broker", row);
}

fn start_all(selection: &Selection) -> Vec<Broker> {
    BROKERS.iter().filter(|(name, _)| selection.has_who(name)).filter_map(|broker| start(selection, *broker)).collect()
}

/// Starts a broker on a free port and waits until it listens. None if it is not there.
fn start(selection: &Selection, (name, package): (&str, &str)) -> Option<Broker> {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port");
    let (mut command, who) = if name == "mosquitto" {
        let mut command = Command::new("mosquitto");
        command.args(["-p", &address.port().to_string()]);
        (command, mosquitto_version()?)
    } else {
        let program = selection.folder.join(format!("broker-{name}"));
        if !program.exists() {
            eprintln!("broker-{name} is not built");
            return None;
        }
        let mut command = Command::new(program);
        command.arg(address.to_string());
        (command, with_version(name, package))
    };
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let process = Process::start(&mut command);
    for _ in 0..500 {
        if TcpStream::connect(address).is_ok() {
            return Some(Broker { who, process, address });
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{who} does not listen");
}

/// "mosquitto 2.0.11", if it is installed.
fn mosquitto_version() -> Option<String> {
    let help = Command::new("mosquitto").arg("-h").output().ok()?.stdout;
    let version = String::from_utf8_lossy(&help).split_whitespace().nth(2)?.to_owned();
    Some(format!("mosquitto {version}"))
}
