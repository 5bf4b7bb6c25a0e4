//! What a world is made of, and what can happen in it. All of it prints as Rust, to be pasted into the regressions.

use mqtt_proto::{QoS, Version};

/// The size and the manners of a world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// One digit for each client, the first one last: its protocol level, 3 to 5.
    pub(crate) clients: u32,
    /// The last client uses the identifier of the first one.
    pub(crate) has_twin: bool,
    /// Messages that may wait for one client.
    pub(crate) queue: u16,
    /// Messages of QoS 0 wait for clients that are away.
    pub(crate) queue_qos0: bool,
    /// Unfinished messages of QoS 1 and 2 that the broker allows itself for each client.
    pub(crate) in_flight: u16,
    /// Receive Maximum and Maximum Packet Size of 5.0 clients.
    pub(crate) receive_maximum: u16,
    pub(crate) packet_size: u16,
    /// Topic aliases in both directions.
    pub(crate) aliases: u16,
    /// Seconds between two publications of the broker's own topics; 0 is never.
    pub(crate) status: u8,
    /// One bit for each client that acknowledges only when it is told to.
    pub(crate) holds: u8,
    pub(crate) seed: u8,
}

impl Setup {
    /// Nothing special.
    pub(crate) const PLAIN: Self = Self {
        clients: 555,
        has_twin: false,
        queue: 100,
        queue_qos0: false,
        in_flight: 100,
        receive_maximum: 100,
        packet_size: u16::MAX,
        aliases: 0,
        status: 0,
        holds: 0,
        seed: 0,
    };

    /// The version of each client.
    pub(crate) fn versions(self) -> Vec<Version> {
        let mut digits = self.clients;
        let mut versions = Vec::new();
        while digits > 0 {
            versions.push(match digits % 10 {
                3 => Version::V31,
                4 => Version::V311,
                _ => Version::V5,
            });
            digits /= 10;
        }
        versions
    }

    /// Queues may overflow.
    pub(crate) fn is_tight(self) -> bool {
        self.queue < Self::PLAIN.queue
    }

    pub(crate) fn holds(self, client: usize) -> bool {
        self.holds >> client & 1 == 1
    }
}

/// Something happens. The number is the client's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A new connection, whatever becomes of the old one: a client that is connected takes over from itself.
    Connect(u8, Hello),
    Subscribe(u8, Wish),
    /// From one of [`FILTERS`].
    Unsubscribe(u8, u8),
    Publish(u8, Load),
    /// One of the deliveries that the application holds.
    Ack(u8, u8),
    Disconnect(u8, Farewell),
    /// Everything under way arrives, and all that follows from it.
    Run,
    /// So many bytes from the client arrive; on its oldest link that is still there.
    Up(u8, u16),
    /// So many bytes from the broker arrive.
    Down(u8, u16),
    /// So many bytes from the client arrive, then both ends see the link end.
    Cut(u8, u16),
    /// The client is gone; the broker's end sees nothing of it.
    Vanish(u8),
    /// The client loses all it knows.
    Crash(u8),
    /// The transport takes no bytes from the broker, or does again.
    Stall(u8, bool),
    /// So many milliseconds pass, and nothing arrives.
    Sleep(u32),
    /// So many milliseconds pass, and everything arrives at once.
    Live(u32),
    /// The broker is started anew.
    Restart,
}

/// How a client connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hello {
    pub(crate) clean: bool,
    /// Session Expiry Interval in seconds, of 5.0 clients.
    pub(crate) expiry: u32,
    /// The will, and its delay in seconds, of 5.0 clients.
    pub(crate) will: Option<(Load, u8)>,
    pub(crate) keep_alive: u8,
}

/// How it disconnects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Farewell {
    /// With the will, of 5.0 clients.
    pub(crate) with_will: bool,
    /// A new Session Expiry Interval, of 5.0 clients.
    pub(crate) expiry: Option<u32>,
}

/// A subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// One of [`FILTERS`].
    pub(crate) filter: u8,
    pub(crate) qos: QoS,
    pub(crate) no_local: bool,
    pub(crate) as_published: bool,
    pub(crate) handling: u8,
    /// Subscription Identifier; 0 is none.
    pub(crate) identifier: u8,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// One of [`TOPICS`].
    pub(crate) topic: u8,
    pub(crate) qos: QoS,
    pub(crate) retain: bool,
    /// Message Expiry Interval in seconds; 0 is none.
    pub(crate) expiry: u8,
    pub(crate) size: Size,
}

/// The size of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Empty,
    Small,
    /// More than the connection copies.
    Large,
}

/// Where messages go.
pub(crate) const TOPICS: [&str; 6] = ["a", "a/b", "a/b/c", "b", "/a", "$own/a"];

/// What is subscribed to.
pub(crate) const FILTERS: [&str; 16] = [
    "a",
    "a/b",
    "b",
    "a/+",
    "a/#",
    "+",
    "#",
    "+/b/#",
    "/+",
    "$own/#",
    "$share/g/a/b",
    "$share/g/#",
    "$share/h/a/b",
    "$share/g/+",
    "$SYS/broker/uptime",
    "$share/h/a",
];
