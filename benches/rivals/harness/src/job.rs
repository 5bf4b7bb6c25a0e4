//! What a program is asked to do.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;

/// How many messages of this size may be in flight, in both directions and for everybody: 100, but 10 large ones, so that
/// the memory of the machine is not what is measured.
#[must_use]
pub fn window(size: usize) -> u16 {
    if size < 64 << 10 { 100 } else { 10 }
}

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Publish messages at this QoS; at QoS 1 and 2, with a [`window`] in flight, until all are acknowledged. At QoS 0 a
    /// single QoS 1 message comes last, whose acknowledgement says that the peer has seen them all.
    Publish(u8),
    /// Subscribe at this QoS, receive and acknowledge. The last message comes when all others are acknowledged.
    Receive(u8),
    /// Publish at QoS 1, one at a time.
    Latency,
    /// Open connections and leave them alone.
    Idle,
    /// Connect, wait for CONNACK, disconnect; again and again.
    Connect,
}

/// A task and its numbers.
#[derive(Clone, Debug)]
pub struct Job {
    /// What to do.
    pub task: Task,
    /// The peer.
    pub address: SocketAddr,
    /// How many messages or connections.
    pub count: u64,
    /// Payload bytes of each message.
    pub size: usize,
    /// Whether to speak MQTT 5.0 instead of 3.1.1.
    pub is_v5: bool,
    name: String,
}

impl Job {
    /// The job of the command line. A watchdog ends the process if it takes longer than a minute.
    ///
    /// # Panics
    ///
    /// If the arguments are wrong. Set `COUNT_ALLOCATIONS` in the environment to have allocations counted.
    #[must_use]
    pub fn from_args() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let [name, address, count, size, version @ ..] = arguments.as_slice() else { panic!("{USAGE}") };
        if std::env::var_os("COUNT_ALLOCATIONS").is_some() {
            crate::allocator::start_counting();
        }
        std::thread::spawn(|| {
            std::thread::sleep(Duration::from_secs(60));
            eprintln!("nothing came of it in a minute");
            std::process::exit(1);
        });
        Self {
            task: Task::from_name(name).expect(USAGE),
            address: address.parse().expect(USAGE),
            count: count.parse().expect(USAGE),
            size: size.parse().expect(USAGE),
            is_v5: match version {
                [] => false,
                [version] if version == "3.1.1" => false,
                [version] if version == "5" => true,
                _ => panic!("{USAGE}"),
            },
            name: name.clone(),
        }
    }

    /// The client id, which tells the peer what to do.
    #[must_use]
    pub fn client_id(&self) -> String {
        match self.task {
            Task::Receive(qos) => format!("receive-{}-{qos}-{}", self.size, self.warm_up() + self.count),
            Task::Publish(_) => format!("publish-{}", self.size),
            Task::Latency | Task::Idle | Task::Connect => self.name.clone(),
        }
    }

    /// How many messages may be in flight.
    #[must_use]
    pub fn window(&self) -> u16 {
        window(self.size)
    }

    /// The name of the scenario.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Messages before the first mark: buffers have grown by then.
    #[must_use]
    pub fn warm_up(&self) -> u64 {
        (self.count / 10).clamp(1, 1_000)
    }

    /// The bytes of each message, in a place that is no trap. What `malloc` gives for a large one begins 16 bytes into a page, and
    /// a header of 17 to 48 bytes before it makes the kernel copy it to a place up to 32 bytes further into one, which takes AMD's Zen 3
    /// four times as long: that would be told of whoever sends it from where it lies.
    #[must_use]
    pub fn payload(&self) -> Bytes {
        const AWAY: usize = 512;
        let mut bytes = vec![0; AWAY];
        bytes.extend(crate::payload(self.size));
        Bytes::from(bytes).slice(AWAY..)
    }

    /// Ends the program: this library cannot do that. The driver takes it as "no figure".
    pub fn unsupported(&self) -> ! {
        eprintln!("{} is not among this library's features", self.name);
        std::process::exit(3);
    }
}

impl Task {
    fn from_name(name: &str) -> Option<Self> {
        let qos = |digits: &str| digits.parse().ok().filter(|qos| *qos <= 2);
        match name {
            "latency" => Some(Self::Latency),
            "idle" => Some(Self::Idle),
            "connect" => Some(Self::Connect),
            _ => match (name.strip_prefix("publish-qos"), name.strip_prefix("receive-qos")) {
                (Some(digits), _) => qos(digits).map(Self::Publish),
                (_, Some(digits)) => qos(digits).map(Self::Receive),
                (None, None) => None,
            },
        }
    }
}

const USAGE: &str =
    "SCENARIO ADDRESS COUNT SIZE [3.1.1|5], SCENARIO: publish-qosN, receive-qosN, latency, idle, connect";
