//! A process that publishes at QoS 1 and 2 is killed 200 times at random moments: its store loses and repeats nothing.
//!
//! The process is this test binary itself, started again with [`LIFE`] set. Whether a number that it did not report was
//! accepted is found in its store, or at the broker, which lives on in this process and holds the session.
#![cfg(all(feature = "redb", unix))]

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mqtt_broker::{ClientInfo, Message, Policy, Server};
use mqtt_proto::Change;
use mqtt_std::{Options, QoS, RedbStore, Store, StoredChange};

const LIFE: &str = "MQTT_TEST_LIFE";
const KILLS: usize = 200;

fn qos(number: u64) -> QoS {
    if number % 2 == 0 { QoS::AtLeastOnce } else { QoS::ExactlyOnce }
}

/// What the killed process does: publishes numbers and reports each as soon as it is accepted.
#[test]
fn life() {
    let Ok(life) = std::env::var(LIFE) else { return };
    let mut words = life.split(' ');
    let (port, first, path) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
    let options = Options::new("127.0.0.1", port.parse().unwrap())
        .client_id("phoenix")
        .clean_start(false)
        .store(RedbStore::open(path).unwrap());
    let client = mqtt_std::connect(options).wait().unwrap();
    let mut out = std::io::stdout();
    let mut tickets = Vec::new();
    let Ok(first) = first.parse::<u64>() else {
        // "last": send what the store holds, and leave in good order.
        return client.disconnect().wait().unwrap();
    };
    for number in first.. {
        let mut ticket = client.publish("t", number.to_string(), qos(number));
        ticket.accepted().wait().unwrap();
        writeln!(out, "accepted {number}").unwrap();
        tickets.push(ticket);
    }
}

/// How often each number has reached the broker.
#[derive(Clone, Default)]
struct Tally(Arc<Mutex<BTreeMap<u64, usize>>>);

impl Tally {
    fn count(&self, number: u64) -> usize {
        self.0.lock().unwrap().get(&number).copied().unwrap_or(0)
    }
}

impl Policy for Tally {
    fn intercept(&mut self, _: &ClientInfo, message: Message) -> Option<Message> {
        let number = std::str::from_utf8(&message.payload).unwrap().parse().unwrap();
        *self.0.lock().unwrap().entry(number).or_default() += 1;
        Some(message)
    }
}

fn spawn(port: u16, first: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "life", "--nocapture"])
        .env(LIFE, format!("{port} {first} {}", path.display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The highest number among the messages in the store.
fn highest_stored(path: &Path) -> u64 {
    let number = |change: &StoredChange| match change {
        StoredChange::Queued { message, .. } | StoredChange::Session(Change::Published { message, .. }) => {
            std::str::from_utf8(&message.payload).ok()?.parse::<u64>().ok()
        }
        StoredChange::Session(_) | StoredChange::Unqueued { .. } | StoredChange::ClientId(_) => None,
    };
    RedbStore::open(path).unwrap().load().unwrap().iter().filter_map(number).max().unwrap_or(0)
}

#[test]
fn a_process_that_is_killed_200_times_loses_and_repeats_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("session");
    let tally = Tally::default();
    let server = Server::builder().policy(tally.clone()).start().unwrap();
    let port = server.address().port();
    let mut last = 0_u64;
    let mut busy_kills = 0;
    for kill in 0..KILLS {
        let mut child = spawn(port, &(last + 1).to_string(), &path);
        let (line, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|l| line.send(l)));
        let before = last;
        // The moment is random; that it is at random is the point.
        let until = Instant::now() + Duration::from_micros(RandomState::new().hash_one(kill) % 60_000);
        let mut is_up = kill % 4 == 0; // every fourth is killed wherever it is, most others while they publish
        loop {
            let left = if is_up { until.saturating_duration_since(Instant::now()) } else { Duration::from_secs(30) };
            match lines.recv_timeout(left) {
                Ok(text) => {
                    if let Some(number) = text.strip_prefix("accepted ") {
                        last = number.parse().unwrap();
                        is_up = true;
                    }
                }
                Err(RecvTimeoutError::Timeout) => break,
                Err(RecvTimeoutError::Disconnected) => panic!("the process ended by itself"),
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for text in lines.iter() {
            if let Some(number) = text.strip_prefix("accepted ") {
                last = number.parse().unwrap();
            }
        }
        drop(reader.join());
        busy_kills += usize::from(last > before);
        // One more may have been accepted: then it is in the store, or finished, which needs the broker to have had it.
        let next = last + 1;
        if highest_stored(&path) == next || tally.count(next) > 0 {
            last = next;
        }
    }
    assert!(spawn(port, "last", &path).wait().unwrap().success());
    assert_eq!(highest_stored(&path), 0, "nothing is left in the store");
    for number in 1..=last {
        let count = tally.count(number);
        match qos(number) {
            QoS::ExactlyOnce => assert_eq!(count, 1, "QoS 2 message {number} of {last}"),
            QoS::AtLeastOnce | QoS::AtMostOnce => assert!(count >= 1, "QoS 1 message {number} of {last} is lost"),
        }
    }
    assert_eq!(tally.count(last + 1), 0, "a message that nobody accepted");
    println!("{last} messages, {busy_kills} of {KILLS} kills while publishing");
    assert!(busy_kills >= KILLS / 2, "the kills did not hit a busy process");
}
