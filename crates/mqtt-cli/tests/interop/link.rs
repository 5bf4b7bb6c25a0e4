//! A wire between a client and a broker that a test can cut, and whose answers it can hold back.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Listens where the client dials, and goes to wherever the broker listens at the time.
pub(crate) struct Link {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Where the broker listens; nobody is let through while it is down.
    broker: Option<u16>,
    /// Answers of the broker are read no more.
    held: bool,
    /// Both ends of every connection that stands.
    connections: Vec<[TcpStream; 2]>,
}

impl Link {
    pub(crate) fn to(broker: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        shared.state.lock().unwrap().broker = Some(broker);
        let served = Arc::clone(&shared);
        // Lives as long as the test program: it waits for clients that may no longer come.
        thread::spawn(move || {
            for client in listener.incoming() {
                // One that fails is a client that sees its connection closed and comes again.
                let _ = client.and_then(|client| connect(&served, client));
            }
        });
        Self { port, shared }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// From now on the broker's answers do not reach the client. What the client sends still reaches the broker.
    pub(crate) fn hold_answers(&self) {
        self.shared.state.lock().unwrap().held = true;
    }

    /// Closes every connection, and lets nobody through until `lead_to`. Answers that were held are lost.
    pub(crate) fn cut(&self) {
        let mut state = self.shared.state.lock().unwrap();
        state.broker = None;
        for stream in state.connections.drain(..).flatten() {
            // It may be closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Lets clients through again, to a broker that listens there.
    pub(crate) fn lead_to(&self, broker: u16) {
        let mut state = self.shared.state.lock().unwrap();
        state.held = false;
        state.broker = Some(broker);
    }
}

fn connect(shared: &Arc<Shared>, client: TcpStream) -> std::io::Result<()> {
    let mut state = shared.state.lock().unwrap();
    let Some(port) = state.broker else { return Ok(()) };
    let broker = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    client.set_nodelay(true)?;
    broker.set_nodelay(true)?;
    state.connections.push([client.try_clone()?, broker.try_clone()?]);
    drop(state);

    let (from, to) = (client.try_clone()?, broker.try_clone()?);
    thread::spawn(move || carry(from, to, || true));
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        carry(broker, client, || {
            let state = shared.state.lock().unwrap();
            // A held answer ends with its connection: whoever holds answers cuts the link before going on.
            let open = |state: &mut State| state.held && state.broker.is_some();
            let state = shared.changed.wait_while(state, open).unwrap();
            !state.held
        });
    });
    Ok(())
}

/// Carries bytes one way until either end closes or `passes` forbids it; then closes both.
fn carry(mut from: TcpStream, mut to: TcpStream, passes: impl Fn() -> bool) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !passes() || to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    // Either may be closed already.
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
