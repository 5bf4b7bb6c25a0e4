//! Where attackers and the well-behaved pair meet.

use std::fs;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant as Clock};

use mqtt_broker::{Builder, Config, Server};
use mqtt_proto::{QoS, Version};

use super::client::{Client, Pair};
use super::{FACTOR, GRACE, MIB};

/// Messages of the pair, at least.
const ROUNDS: usize = 300;

/// How long an attacker waits for the server before it looks whether the fight is over.
const BLINK: Duration = Duration::from_millis(100);

/// Longer than the server takes to close a connection, whatever the reason.
const PATIENCE: Duration = Duration::from_secs(60);

static TURN: Mutex<()> = Mutex::new(());

/// What attackers know.
pub(crate) struct Field {
    pub(crate) address: SocketAddr,
    is_over: AtomicBool,
    attacks: AtomicUsize,
    /// Messages of the pair, for attackers that wait for some.
    exchanged: Mutex<usize>,
    has_exchanged: Condvar,
}

impl Field {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            is_over: AtomicBool::new(false),
            attacks: AtomicUsize::new(0),
            exchanged: Mutex::new(0),
            has_exchanged: Condvar::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// An attack was carried out: an attacker that returns is counted, one that goes on may do it itself.
    pub(crate) fn count(&self) {
        self.attacks.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits until the pair has exchanged so many more messages, or the fight is over.
    pub(crate) fn await_exchanges(&self, more: usize) {
        let exchanged = self.exchanged.lock().unwrap();
        let enough = *exchanged + more;
        drop(self.has_exchanged.wait_while(exchanged, |exchanged| *exchanged < enough && !self.is_over()).unwrap());
    }

    /// A connection that has said these bytes.
    pub(crate) fn dial(&self, bytes: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(BLINK)).unwrap();
        stream.set_write_timeout(Some(BLINK)).unwrap();
        stream.write_all(bytes).unwrap();
        stream
    }

    /// Writes until all is written or the fight is over; whether the server still takes it.
    pub(crate) fn push(&self, stream: &mut TcpStream, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !self.is_over() {
            match stream.write(bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(error) if is_patience(&error) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// Reads some bytes; nothing at the end of the connection or the fight.
    pub(crate) fn pull<'a>(&self, stream: &mut TcpStream, buffer: &'a mut [u8]) -> &'a [u8] {
        while !self.is_over() {
            match stream.read(buffer) {
                Ok(read) => return &buffer[..read],
                Err(error) if is_patience(&error) => {}
                Err(_) => break,
            }
        }
        &[]
    }

    /// Reads a packet of less than 128 bytes; `None` if the connection or the fight is over before.
    pub(crate) fn packet(&self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        let mut packet = Vec::new();
        while packet.len() < 2 || packet.len() < 2 + usize::from(packet[1]) {
            let rest = packet.get(1).map_or(2, |len| 2 + usize::from(*len)) - packet.len();
            let mut buffer = [0; 130];
            match self.pull(stream, &mut buffer[..rest]) {
                [] => return None,
                bytes => packet.extend_from_slice(bytes),
            }
        }
        Some(packet)
    }

    /// Reads to the end of the connection, and says what came; `None` if the fight is over before.
    pub(crate) fn last_words(&self, stream: &mut TcpStream) -> Option<Vec<u8>> {
        let (mut words, mut buffer) = (Vec::new(), [0; 4_096]);
        let begun = Clock::now();
        while !self.is_over() {
            assert!(begun.elapsed() < PATIENCE, "the server does not close the connection after {words:?}");
            match stream.read(&mut buffer) {
                Ok(0) => return Some(words),
                Ok(read) => words.extend_from_slice(&buffer[..read]),
                Err(error) if is_patience(&error) => {}
                Err(_) => return Some(words),
            }
        }
        None
    }
}

/// The time is up for one look, not for the connection.
fn is_patience(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Ends the fight also when the pair's assertions fail.
struct Truce<'a>(&'a Field);

impl Drop for Truce<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::Relaxed);
        // Whoever is about to wait has looked before, or will see it.
        drop(self.0.exchanged.lock());
        self.0.has_exchanged.notify_all();
    }
}

/// Lets `attackers` threads attack a server, again and again, while the pair exchanges its messages; fails if it is disturbed,
/// or if the process grows by more than `bytes`.
pub(crate) fn withstand(config: Config, attackers: usize, bytes: usize, attack: impl Fn(&Field, usize) + Sync) {
    withstand_as(Server::builder().config(config), attackers, bytes, attack);
}

/// The same of a server with other things than limits.
pub(crate) fn withstand_as(server: Builder, attackers: usize, bytes: usize, attack: impl Fn(&Field, usize) + Sync) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let server = server.start().unwrap();
    let mut pair = Pair::connect(server.address());
    pair.exchange(|count| count < ROUNDS);
    let mut times = Vec::new();
    let is_kept = (0..3).any(|_| {
        let calm = pair.exchange(|count| count < ROUNDS);
        let (attacked, grown) = fight(&server, &mut pair, attackers, &attack);
        println!("99 of 100 within {calm:?} in peace, {attacked:?} under attack; {} KiB grown", grown / 1_024);
        assert!(grown <= bytes, "{} MiB, not {}", grown / MIB, bytes / MIB);
        times.push((calm, attacked));
        attacked <= (calm * FACTOR).max(GRACE)
    });
    assert!(is_kept, "in peace and under attack: {times:?}");
    let mut newcomer = Client::connect(server.address(), Version::V5, "newcomer");
    newcomer.subscribe("new", QoS::AtLeastOnce);
    pair.exchange(|count| count < 30);
    server.shut_down().unwrap();
}

/// The pair's time under attack, and by how many bytes the process grew.
fn fight(
    server: &Server,
    pair: &mut Pair,
    attackers: usize,
    attack: &(impl Fn(&Field, usize) + Sync),
) -> (Duration, usize) {
    let field = Field::new(server.address());
    let before = resident();
    let mut peak = before;
    let attacked = thread::scope(|scope| {
        let _truce = Truce(&field);
        let field = &field;
        let threads: Vec<_> = (0..attackers)
            .map(|number| {
                scope.spawn(move || {
                    while !field.is_over() {
                        attack(field, number);
                        field.count();
                    }
                })
            })
            .collect();
        pair.exchange(|count| {
            *field.exchanged.lock().unwrap() = count;
            field.has_exchanged.notify_all();
            if count % 8 == 0 {
                peak = peak.max(resident());
            }
            let has_failed = threads.iter().any(|thread| thread.is_finished());
            (count < ROUNDS || field.attacks.load(Ordering::Relaxed) < attackers) && !has_failed
        })
    });
    (attacked, peak - before)
}

/// Bytes of memory that the process has now; 0 where the system does not say it this way.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kibibytes = line.and_then(|line| line.trim().strip_suffix(" kB")).and_then(|number| number.parse().ok());
    kibibytes.unwrap_or(0) * 1_024
}
