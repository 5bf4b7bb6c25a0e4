//! Lets connections in, and goes on whatever the system says.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use mqtt_proto::Instant;

use super::link::serve;
use super::run::{Shared, Tripwire, Wire};
use super::stream::{Acceptor, Reader, Writer};
use crate::{Notice, Origin};

/// One of the embedder's listeners, which may have several sockets.
pub(super) struct Door {
    /// Its index in the embedder's list.
    pub(super) index: u32,
    pub(super) maximum_connections: Option<usize>,
    pub(super) connections: Cell<usize>,
}

/// Accepts for ever.
pub(super) async fn accept(shared: Rc<Shared>, door: Rc<Door>, acceptor: Acceptor) {
    let _tripwire = Tripwire(Rc::clone(&shared));
    let mut pause = SHORTEST_PAUSE;
    let mut failures = Failures::default();
    loop {
        match acceptor.accept().await {
            Ok((reader, writer, address)) => {
                pause = SHORTEST_PAUSE;
                enter(&shared, &door, reader, writer, address);
            }
            // The client has given up meanwhile.
            Err(error) if is_of_one_connection(&error) => {}
            // No file descriptors or no memory, most likely. The connection stays in the system's queue, so trying again at
            // once would spin.
            Err(error) => {
                let now = shared.now();
                if let Some(failures) = failures.count(now) {
                    let notice = Notice::AcceptFailed { listener: door.index, why: error.to_string(), failures };
                    shared.state.borrow_mut().notice(notice);
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}

fn enter(shared: &Rc<Shared>, door: &Rc<Door>, reader: Reader, writer: Writer, address: String) {
    if door.maximum_connections.is_some_and(|maximum| door.connections.get() >= maximum) {
        return;
    }
    let origin = Origin { listener: door.index, address: Some(address) };
    let state = &mut *shared.state.borrow_mut();
    // If there is no room, both halves are dropped here, and with them the connection.
    let Ok(peer) = state.hub.open(shared.now(), origin) else { return };
    state.wires.insert(peer, Wire { writer, waker: None, is_full: false, is_held: false });
    let guest = Guest::new(shared, door);
    let shared = Rc::clone(shared);
    tokio::task::spawn_local(async move {
        let _guest = guest;
        serve(shared, peer, reader).await;
    });
}

/// Counts a connection for as long as it lives.
struct Guest {
    shared: Rc<Shared>,
    door: Rc<Door>,
}

impl Guest {
    fn new(shared: &Rc<Shared>, door: &Rc<Door>) -> Self {
        shared.links.set(shared.links.get() + 1);
        door.connections.set(door.connections.get() + 1);
        Self { shared: Rc::clone(shared), door: Rc::clone(door) }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.shared.links.set(self.shared.links.get() - 1);
        self.door.connections.set(self.door.connections.get() - 1);
        // The server may wait for the last one.
        self.shared.sweep_soon();
    }
}

/// Counts failures to accept, and says when it is time to tell them.
#[derive(Default)]
struct Failures {
    untold: u64,
    told_at: Option<Instant>,
}

impl Failures {
    /// One more. How many there are to tell, unless some have been told just now.
    fn count(&mut self, now: Instant) -> Option<u64> {
        self.untold += 1;
        if self.told_at.is_some_and(|at| now.since(at) < NOTICE_INTERVAL) {
            return None;
        }
        self.told_at = Some(now);
        Some(std::mem::take(&mut self.untold))
    }
}

/// Whether accepting failed for one connection, so that the next may be tried at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Between two notices that accepting fails.
const NOTICE_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_told_at_once_and_then_every_ten_seconds_with_their_number() {
        let mut failures = Failures::default();
        let told: Vec<_> = (0..25)
            .filter_map(|second| Some((second, failures.count(Instant::from_millis(second * 1_000))?)))
            .collect();
        assert_eq!(told, [(0, 1), (10, 10), (20, 10)]);
    }
}
