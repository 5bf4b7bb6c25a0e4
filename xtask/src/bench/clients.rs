//! Runs the client programs of `benches/rivals/client` against the peer: each once per round, in turn, so that what else the
//! machine does falls on all alike.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::measure::rivals_target;
use super::results::Figure;
use crate::shell::{command, root, run};

/// Scenario, payload bytes, how often.
pub(super) const SCENARIOS: [(&str, u64, u64); 11] = [
    ("publish-qos0", 64, 200_000),
    ("publish-qos1", 64, 100_000),
    ("publish-qos2", 64, 50_000),
    ("receive-qos0", 64, 200_000),
    ("receive-qos1", 64, 100_000),
    ("receive-qos2", 64, 50_000),
    ("latency", 64, 5_000),
    ("publish-qos0", 1 << 20, 200),
    ("publish-qos1", 1 << 20, 200),
    ("receive-qos0", 1 << 20, 200),
    ("connect", 64, 1_000),
];

/// A client program.
pub(super) struct Client {
    pub(super) program: PathBuf,
    /// Set before the name that the program has for itself.
    pub(super) prefix: &'static str,
}

/// Builds the peer and all clients. A library that is not installed here (those in C) is left out, and named.
pub(super) fn build() -> Result<Vec<Client>, String> {
    let folder = root().join("benches/rivals/client");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("cannot read {}: {error}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .filter(|name| folder.join(name).join("src/main.rs").exists())
        .collect();
    names.sort();
    build_package("peer")?;
    let mut clients = Vec::new();
    for name in names {
        match build_package(&format!("client-{name}")) {
            Ok(()) => clients.push(Client { program: program(&format!("client-{name}")), prefix: "" }),
            Err(why) => println!("left out: {why}"),
        }
    }
    Ok(clients)
}

pub(super) fn program(name: &str) -> PathBuf {
    rivals_target().join("release").join(name)
}

fn build_package(name: &str) -> Result<(), String> {
    let mut build =
        command("cargo build --quiet --locked --release --manifest-path benches/rivals/Cargo.toml --package");
    run(build.arg(name).arg("--target-dir").arg(rivals_target()))
}

/// The server of the scenarios, for as long as this lives.
struct Peer {
    process: Child,
    address: String,
}

impl Peer {
    fn start() -> Result<Self, String> {
        let program = program("peer");
        let mut process = Command::new(&program)
            .arg("127.0.0.1:0")
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot run {}: {error}", program.display()))?;
        let mut address = String::new();
        let stdout = process.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut address).map_err(|error| format!("the peer says nothing: {error}"))?;
        Ok(Self { process, address: address.trim().to_owned() })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// All figures of all rounds; allocations are counted in a round of their own, as counting takes time.
pub(super) fn measure(clients: &[Client], wanted: &[String], rounds: u32) -> Result<Vec<Figure>, String> {
    let mut figures = Vec::new();
    for (scenario, size, count) in SCENARIOS {
        if !wanted.is_empty() && !wanted.iter().any(|wanted| scenario.starts_with(wanted)) {
            continue;
        }
        println!("{scenario}, {size} bytes");
        for round in 0..=rounds {
            for client in clients {
                let peer = Peer::start()?;
                let is_counted = round == 0;
                let count = if is_counted { count / 4 } else { count };
                figures.extend(once(client, &peer.address, (scenario, size, count), is_counted)?);
            }
        }
    }
    Ok(figures)
}

fn once(
    client: &Client,
    address: &str,
    (scenario, size, count): (&str, u64, u64),
    is_counted: bool,
) -> Result<Vec<Figure>, String> {
    let mut command = Command::new(&client.program);
    command.arg(scenario).arg(address).args([count.to_string(), size.to_string()]);
    if is_counted {
        command.env("COUNT_ALLOCATIONS", "1");
    }
    let name = display(&client.program);
    let done = command.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    match done.status.code() {
        Some(0) => {}
        // Not among this library's features.
        Some(3) => return Ok(Vec::new()),
        _ => {
            println!("{name} {scenario}: {} {}", done.status, String::from_utf8_lossy(&done.stderr).trim());
            return Ok(Vec::new());
        }
    }
    let line = String::from_utf8_lossy(&done.stdout).into_owned();
    let json: Value = serde_json::from_str(line.trim()).map_err(|error| format!("{name}: {error}: {line}"))?;
    let who = json["who"].as_str().ok_or_else(|| format!("{name} does not say who it is: {line}"))?;
    let who = format!("{}{who}", client.prefix);
    let row = if size >= 1 << 20 { format!("{scenario}, {} MiB", size >> 20) } else { format!("{scenario}, {size} B") };
    let metrics =
        if is_counted { &["allocations"][..] } else { &["cpu_ns", "p50_ns", "p99_ns", "p999_ns", "rss_bytes"] };
    let figure = |metric: &&str| Some(Figure::new("client", &row, &who, metric, json[*metric].as_f64()?));
    Ok(metrics.iter().filter_map(figure).collect())
}

fn display(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
