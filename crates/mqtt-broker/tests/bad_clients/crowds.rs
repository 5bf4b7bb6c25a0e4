//! Many at once: strangers that say nothing, and one client that is everywhere.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::sync::mpsc;

use mqtt_broker::{Config, Notice, Server};
use mqtt_proto::Version;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::field::{withstand, withstand_as};
use super::{MIB, hello};

/// bugs.tsv 78. Both ends of a connection are in this process, and each takes a descriptor.
fn most_connections(wanted: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    // If it may not be raised, there are fewer.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    wanted.min(limit.saturating_sub(500) / 2)
}

/// All of them are held: the limits are above their number. Each costs some 2 KiB in the server, and its socket.
#[test]
fn five_thousand_connections_that_send_nothing_disturb_nobody() {
    let count = most_connections(5_000);
    println!("{count} connections");
    let config = Config { maximum_connections: 20_000, maximum_unauthenticated: 20_000, ..Config::default() };
    withstand(config, 1, 64 * MIB, |field, _| {
        let crowd: Vec<TcpStream> = (0..count).map(|_| field.dial(b"")).collect();
        assert_eq!(crowd.len(), count);
    });
}

/// With the default limits the oldest strangers make room for newer ones, so that the crowd keeps nobody out.
#[test]
fn a_crowd_of_strangers_does_not_keep_clients_out() {
    let count = most_connections(2_000);
    withstand(Config::default(), 1, 32 * MIB, |field, _| {
        let crowd: Vec<TcpStream> = (0..count).map(|_| field.dial(b"")).collect();
        let mut friend = field.dial(&hello(Version::V311, "a friend in the crowd"));
        let mut answer = [0; 4];
        let answer = field.pull(&mut friend, &mut answer);
        assert!(field.is_over() || answer == [0x20, 2, 0, 0], "{answer:?}");
        drop(crowd);
    });
}

/// bugs.tsv 97. The limit is the process's: the server cannot accept, and neither could anything else here. It says so once, and
/// not each time it tries.
#[test]
fn without_a_descriptor_left_the_server_serves_those_it_has_and_lets_others_in_later() {
    let (sender, notices) = mpsc::channel();
    let tell = move |notice| {
        if let Notice::AcceptFailed { why, failures, .. } = notice {
            sender.send((why, failures)).unwrap();
        }
    };
    let server = Server::builder().on_notice(tell);
    withstand_as(server, 1, 16 * MIB, |field, _| {
        let before = getrlimit(Resource::Nofile);
        // The lowest that is free is for the client's end. Nothing is left for the server's.
        let free = File::open("/dev/null").map(|file| file.as_raw_fd()).unwrap();
        let last = Some(free as u64 + 1);
        setrlimit(Resource::Nofile, Rlimit { current: last, maximum: before.maximum }).unwrap();
        // Whoever measures the memory may have it for a moment.
        let waiting = (0..1_000).find_map(|_| TcpStream::connect(field.address).ok());
        let is_full = File::open("/dev/null").is_err();
        field.await_exchanges(30);
        setrlimit(Resource::Nofile, before).unwrap();
        let mut waiting = waiting.expect("the client's end has a descriptor");
        assert!(is_full, "there were descriptors left");
        waiting.write_all(&hello(Version::V311, "patient")).unwrap();
        let mut answer = [0; 4];
        waiting.read_exact(&mut answer).unwrap();
        assert_eq!(answer, [0x20, 2, 0, 0]);
    });
    let told: Vec<(String, u64)> = notices.try_iter().collect();
    assert!(matches!(&told[..], [(why, 1), ..] if why.contains("open files")), "{told:?}");
}

/// They come back as soon as they are gone: each of them with an identifier of its own, or without a word.
#[test]
fn a_flood_of_connections_that_leave_at_once_disturbs_nobody() {
    withstand(Config::default(), 8, 32 * MIB, |field, number| {
        for n in 0..200 {
            let bytes = if n % 4 == 0 { Vec::new() } else { hello(Version::V311, format!("flood {number} {n}")) };
            // Not all of them find room in the system's queue.
            if let Ok(mut stream) = TcpStream::connect(field.address) {
                let _gone_already = stream.write_all(&bytes);
            }
            if field.is_over() {
                return;
            }
        }
    });
}

/// bugs.tsv 60, 61: one identifier connects again and again, publishes and subscribes meanwhile.
#[test]
fn a_storm_of_take_overs_disturbs_nobody() {
    withstand(Config::default(), 4, 32 * MIB, |field, number| {
        let version = [Version::V311, Version::V5][number % 2];
        let batch = [&b"\x30\x0d\0\x0bflood/storm"[..], b"\x30\x0e\0\x0bflood/storm\0"][number % 2].repeat(20);
        let wish: &[u8] = [&b"\x82\x0c\0\x01\0\x07flood/#\0"[..], b"\x82\x0d\0\x01\0\0\x07flood/#\0"][number % 2];
        let mut buffer = [0; 64];
        for n in 0..100 {
            let mut stream = field.dial(&hello(version, "everywhere"));
            // Some wait for the answer, some are gone before.
            if n % 3 != 0 && field.pull(&mut stream, &mut buffer).is_empty() && field.is_over() {
                return;
            }
            field.push(&mut stream, wish);
            field.push(&mut stream, &batch);
        }
    });
}
