//! Asks the peer what it has seen.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::{Job, Task};

/// Checks that the peer has received what this job publishes, the warm-up among it: each message once, at its QoS, to its
/// end, and with the right bytes. To be called after the last acknowledgement.
///
/// # Panics
///
/// If it has not.
pub fn verify_sink(job: &Job) {
    let mut stream = TcpStream::connect(job.address).expect("the peer listens");
    stream.write_all(b"r").expect("the peer reads");
    let mut seen = String::new();
    stream.read_to_string(&mut seen).expect("the peer answers");
    let sent = job.warm_up() + job.count;
    let expected = match job.task {
        Task::Publish(0) => format!("{sent} 1 0 0\n"),
        Task::Publish(1) | Task::Latency => format!("0 {sent} 0 0\n"),
        Task::Publish(_) => format!("0 0 {sent} 0\n"),
        Task::Receive(_) | Task::Idle | Task::Connect => return,
    };
    assert_eq!(seen, expected, "QoS 0, QoS 1, QoS 2, wrong");
}
