//! Lets connections in, and goes on whatever the system says.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use super::link::serve;
use super::run::{Shared, Tripwire, Wire};
use super::stream::{Acceptor, Reader, Writer};
use crate::Origin;

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
            Err(_) => {
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

/// Whether accepting failed for one connection, so that the next may be tried at once.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
