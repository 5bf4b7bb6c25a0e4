//! The area "client": every client program against the peer.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::Selection;
use crate::process::Process;
use crate::results::{Results, with_version};

/// Programs and the package whose version they are called by. Those without one say it themselves.
const PROGRAMS: [(&str, &str); 13] = [
    ("floor", ""),
    ("ours-tokio", ""),
    ("ours-poll", ""),
    ("ours-std", ""),
    ("ours-smol", ""),
    ("ours-async-std", ""),
    ("rumqttc", "rumqttc"),
    ("rumqttc-next", "rumqttc-v4-next"),
    ("ntex-mqtt", "ntex-mqtt"),
    ("mqtt5", "mqtt5"),
    ("mosquitto", ""),
    ("paho", ""),
    ("paho-async", ""),
];

/// Name, scenario, count, size. About a second each.
const ROWS: [(&str, &str, &str, &str); 13] = [
    ("publish-qos0-64", "publish-qos0", "200000", "64"),
    ("publish-qos1-64", "publish-qos1", "50000", "64"),
    ("publish-qos2-64", "publish-qos2", "50000", "64"),
    ("receive-qos0-64", "receive-qos0", "200000", "64"),
    ("receive-qos1-64", "receive-qos1", "100000", "64"),
    ("receive-qos2-64", "receive-qos2", "50000", "64"),
    ("latency-qos1-64", "latency", "10000", "64"),
    ("publish-qos0-1m", "publish-qos0", "200", "1048576"),
    ("publish-qos1-1m", "publish-qos1", "200", "1048576"),
    ("receive-qos0-1m", "receive-qos0", "200", "1048576"),
    ("receive-qos1-1m", "receive-qos1", "200", "1048576"),
    ("idle", "idle", "5000", "0"),
    ("connect", "connect", "1000", "0"),
];

/// What is taken from a line of results, and how it is called.
const METRICS: [&str; 6] = ["cpu_ns", "switches", "p50_ns", "p99_ns", "p999_ns", "rss_bytes"];

pub(crate) fn run(selection: &Selection) {
    let mut peer = Process::start(Command::new(selection.folder.join("peer")).arg("0.0.0.0:0").stdout(Stdio::piped()));
    let mut address = String::new();
    BufReader::new(peer.stdout()).read_line(&mut address).expect("the peer says its address");
    let (_, port) = address.trim().rsplit_once(':').expect("an address has a port");
    let mut programs: Vec<_> = PROGRAMS.into_iter().filter(|(name, _)| selection.has_who(name)).collect();
    programs.retain(|(name, _)| {
        let is_built = selection.folder.join(format!("client-{name}")).exists();
        if !is_built {
            eprintln!("client-{name} is not built");
        }
        is_built
    });
    for (row, scenario, count, size) in ROWS {
        if !selection.has_row(row) {
            continue;
        }
        let mut results = Results::default();
        // One round more, in which allocations are counted: that takes time, so times are not read from it.
        for round in 0..=selection.rounds {
            for turn in 0..programs.len() {
                let (name, package) = programs[(round + turn) % programs.len()];
                let mut command = Command::new(selection.folder.join(format!("client-{name}")));
                // The ports of the thousands of connections of the program before are still taken: towards its address.
                let address = format!("127.0.{}.{}:{port}", 1 + round, 1 + turn);
                command.args([scenario, &address, count, size]);
                let is_counting = round == selection.rounds;
                if is_counting {
                    command.env("COUNT_ALLOCATIONS", "1");
                }
                let Some(line) = measure(&mut command, name, row) else { continue };
                let who = with_version(line["who"].as_str().expect("it says its name"), package);
                let metrics: &[&str] = if is_counting { &["allocations"] } else { &METRICS };
                for metric in metrics {
                    if let Some(value) = line[*metric].as_f64() {
                        results.add(&who, metric, value);
                    }
                }
            }
        }
        results.print("client", row);
    }
}

/// The line of results of a program, if it has one.
fn measure(command: &mut Command, name: &str, row: &str) -> Option<Value> {
    let output = command.stderr(Stdio::inherit()).output().expect("it can be started");
    match output.status.code() {
        Some(0) => Some(serde_json::from_slice(&output.stdout).expect("a line of JSON")),
        Some(UNSUPPORTED) => None,
        _ => {
            eprintln!("{name} failed at {row}");
            None
        }
    }
}

/// [`harness::Job::unsupported`].
const UNSUPPORTED: i32 = 3;
