//! Runs the programs of an area in interleaved rounds and prints medians, one line of JSON for each:
//! `{"area":"client","row":"publish-qos1-64","who":"rumqttc 0.25.1","metric":"cpu_ns","value":3785.0}`.
//!
//! `run client|broker [--rounds N] [--row PART]... [--who PART]...`. Programs are those that lie beside this one; one that was
//! not built is left out with a word on standard error.

mod broker;
mod client;
mod load;
mod process;
mod results;
mod wire;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What is to be run.
struct Selection {
    rounds: usize,
    rows: Vec<String>,
    who: Vec<String>,
    /// Where the programs are.
    folder: PathBuf,
}

impl Selection {
    fn has_row(&self, name: &str) -> bool {
        self.rows.is_empty() || self.rows.iter().any(|part| name.contains(part))
    }

    fn has_who(&self, name: &str) -> bool {
        self.who.is_empty() || self.who.iter().any(|part| name.contains(part))
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let area = arguments.next().expect(USAGE);
    let folder = std::env::current_exe().expect("a process has a program").parent().expect("in a folder").to_path_buf();
    let mut selection = Selection { rounds: 5, rows: Vec::new(), who: Vec::new(), folder };
    while let Some(option) = arguments.next() {
        let value = arguments.next().expect(USAGE);
        match option.as_str() {
            "--rounds" => selection.rounds = value.parse().expect(USAGE),
            "--row" => selection.rows.push(value),
            "--who" => selection.who.push(value),
            _ => panic!("{USAGE}"),
        }
    }
    share_one_processor();
    match area.as_str() {
        "client" => client::run(&selection),
        "broker" => broker::run(&selection),
        _ => panic!("{USAGE}"),
    }
}

/// Binds this process, and with it all that it starts, to one processor. Between two of a virtual machine each waking is the
/// hypervisor's work, and takes 1 to 100 us: rows that wait would tell how often that happens, and nothing of a library.
fn share_one_processor() {
    let status = fs::read_to_string("/proc/self/status").expect("Linux says what it knows of a process");
    let allowed =
        status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("also where it may run");
    // The last one: interrupts mostly go to the first.
    let last = allowed.trim().rsplit([',', '-']).next().expect("there is one");
    let mut command = Command::new("taskset"); // of util-linux
    command.args(["--cpu-list", "--pid", last, &std::process::id().to_string()]).stdout(Stdio::null());
    assert!(command.status().is_ok_and(|status| status.success()), "{command:?} failed");
}

const USAGE: &str = "run client|broker [--rounds N] [--row PART]... [--who PART]...";
