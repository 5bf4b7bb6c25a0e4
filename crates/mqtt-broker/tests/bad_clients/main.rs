//! Clients that misbehave beside a pair that does not, over real sockets. Whatever they do:
//!
//! - every message of the pair arrives, in order;
//! - 99 of 100 arrive within [`FACTOR`] times what the same pair needs when nobody disturbs it, measured just before, and at
//!   worst within [`GRACE`];
//! - the process, attackers included, grows by no more than each test says;
//! - afterwards the server lets new clients in as before.
//!
//! The machine that runs this may be busy with other things: of three attempts one must keep the time. The tests take turns,
//! because each is an attack on the others. Nothing sleeps: attackers repeat their attack until the pair is done.

mod client;
mod crowds;
mod field;
mod floods;
mod idlers;
mod malformed;

use std::time::Duration;

use bytes::BytesMut;
use mqtt_proto::{Connect, Packet, Text, Version};

const VERSIONS: [Version; 3] = [Version::V31, Version::V311, Version::V5];

/// How much longer a message of the pair may take under attack.
const FACTOR: u32 = 20;

/// What a message may always take, because a calm one may be too quick to be multiplied.
const GRACE: Duration = Duration::from_millis(100);

const MIB: usize = 1 << 20;

fn text(words: impl Into<String>) -> Text {
    Text::try_from(words.into()).unwrap()
}

fn encoded(version: Version, packet: &Packet) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    packet.encode(version, &mut bytes).unwrap();
    bytes.to_vec()
}

/// The bytes of a CONNECT that is let in.
fn hello(version: Version, id: impl Into<String>) -> Vec<u8> {
    encoded(version, &Packet::Connect(Box::new(Connect::new(version, text(id)))))
}
