//! MQTT 3.1, 3.1.1 and 5.0 for blocking programs: a client that reconnects, queues and never loses what it promised to keep.
//!
//! ```
#![doc = include_str!("../examples/smallest_std.rs")]
//! ```
//!
//! Everything that an application needs is re-exported from [`mqtt_client`]; start at [`Handle`]. Every future in it has
//! `wait()`, which blocks; [`timeout()`] blocks for a while. What is here is the part that knows threads and sockets of the standard library: dial, read,
//! write, wait. A client has two threads, one that writes and keeps time and one that dials and reads.
#![forbid(unsafe_code)]

use std::{
    convert::Infallible,
    future::Future,
    io::{self, IoSlice},
    net::Shutdown,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{self, Receiver},
    },
    task::{Context, Poll, Waker, ready},
    thread,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
pub use mqtt_client::*;

mod stream;
mod timeout;

pub use stream::{Stream, dial};
pub use timeout::timeout;

/// Connects to a server, by a URL (`"mqtt://user:password@host:1883"`) or [`Options`]: [`Connecting::wait`] waits for its
/// CONNACK.
///
/// Two threads drive the client from then on, through any number of reconnects, until it is disconnected or its last handle
/// is dropped. They end with the process: let [`Handle::disconnect`] finish before `main` returns.
pub fn connect(options: impl IntoOptions) -> Connecting {
    connect_with(options, dial)
}

/// [`connect`] over any transport that `dial` opens: a Unix socket, a serial line, a pipe in a test.
///
/// ```no_run
/// # #[cfg(unix)]
/// # fn main() -> Result<(), mqtt_std::Error> {
/// use std::os::unix::net::UnixStream;
///
/// let client = mqtt_std::connect_with("mqtt://localhost", |_| UnixStream::connect("/run/broker.sock")).wait()?;
/// # Ok(())
/// # }
/// # #[cfg(not(unix))]
/// # fn main() {}
/// ```
pub fn connect_with<D, S>(options: impl IntoOptions, dial: D) -> Connecting
where
    D: Fn(Endpoint) -> io::Result<S> + Send + Sync + 'static,
    S: Stream,
{
    Connecting(start(options, dial).map(|handle| (handle.connected(), handle)))
}

/// Waits for the first CONNACK. Made by [`connect`]; dropping it gives the client up.
#[derive(Debug)]
#[must_use = "a client that nobody waits for is given up"]
pub struct Connecting(Result<(Connected, Handle), Error>);

impl Connecting {
    /// Blocks until the server lets the client in.
    ///
    /// # Errors
    ///
    /// The options are wrong, the server cannot be reached, or it refuses.
    pub fn wait(self) -> Result<Handle, Error> {
        let (connected, handle) = self.0?;
        connected.wait()?;
        Ok(handle)
    }
}

impl Future for Connecting {
    type Output = Result<Handle, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let (connected, handle) = self.0.as_mut().map_err(|error| error.clone())?;
        ready!(Pin::new(connected).poll(context))?;
        Poll::Ready(Ok(handle.clone()))
    }
}

/// Drives a client until it is done: dials, moves bytes, waits. For a thread of your own.
pub fn drive<D, S>(driver: Driver, dial: D)
where
    D: Fn(Endpoint) -> io::Result<S> + Send + Sync + 'static,
    S: Stream,
{
    let (driver, dial) = (Arc::new(driver), Arc::new(dial));
    let turns = Turns::new(&driver);
    while let Some(server) = turns.wait(|turn| next_open(&driver, turn)) {
        if let Some((stream, reader_ended)) = open(&turns, &driver, &dial, server) {
            transfer(&turns, &*stream, &reader_ended);
            driver.handle_closed();
        }
    }
}

/// Waits for a dial, unless the client gives it up. The thread that dials reads afterwards, and holds the other end of the
/// channel as long as it does.
fn open<D, S>(
    turns: &Turns<'_>,
    driver: &Arc<Driver>,
    dial: &Arc<D>,
    server: Endpoint,
) -> Option<(Arc<S>, Receiver<Infallible>)>
where
    D: Fn(Endpoint) -> io::Result<S> + Send + Sync + 'static,
    S: Stream,
{
    let dialling = Arc::new(Dialling(Mutex::new(Dial::UnderWay)));
    let (alive, reader_ended) = mpsc::channel();
    let reader = thread::Builder::new().name("mqtt-read".to_owned()).spawn({
        let (driver, dial, dialling) = (Arc::clone(driver), Arc::clone(dial), Arc::clone(&dialling));
        let writer = turns.waker.clone();
        move || {
            let _alive = alive;
            let stream = dialling.finish(&driver, dial(server));
            writer.wake_by_ref();
            if let Some(stream) = stream {
                read(&Turns::new(&driver), &*stream);
                writer.wake(); // why the transport has ended is known now
            }
        }
    });
    if let Err(error) = reader {
        driver.handle_open_failed(&error);
        return None;
    }
    match turns.wait(|turn| dialling.outcome(turn)) {
        Dial::Open(stream) => return Some((stream, reader_ended)),
        // The thread may hang in a system call. It ends with that.
        Dial::GivenUp => driver.handle_closed(),
        Dial::Failed | Dial::UnderWay => {}
    }
    None
}

/// Moves bytes until the transport is closed.
fn transfer(turns: &Turns<'_>, stream: &impl Stream, reader_ended: &Receiver<Infallible>) {
    match write(turns, stream) {
        Err(error) => turns.driver.handle_error(&error),
        // Closing a socket with unread bytes resets the connection, and with it what we wrote last: the reader reads to the
        // end. Nothing is ever sent through this channel: waiting ends with the reader or with the time.
        Ok(lingers) if stream.shutdown(Shutdown::Write).is_ok() && lingers => {
            let _ = reader_ended.recv_timeout(LINGER);
        }
        Ok(_) => {}
    }
    // The reader must be gone before the next connection, which its bytes are not for. An error says that it has no more
    // to read.
    let _ = stream.shutdown(Shutdown::Both);
    let _ = reader_ended.recv();
}

/// Reads, and hands on what the client wants; after the client's last word, throws it away.
fn read(turns: &Turns<'_>, stream: &impl Stream) {
    let mut input = BytesMut::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let turn = turns.wait(|turn| (turn.read || turn.close).then_some(*turn));
        let before = input.len();
        if turn.close {
            input.clear();
        } else if before > 0 {
            turns.driver.handle_input(&mut input); // what was left when the client took no more
            if input.len() < before {
                continue;
            }
        }
        match read_once(stream, &mut input, &mut chunk) {
            Ok(0) => return turns.driver.handle_eof(),
            Ok(_) if turn.close => {}
            Ok(_) => turns.driver.handle_input(&mut input),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return turns.driver.handle_error(&error),
        }
    }
}

/// Reads once to the end of `input`: by way of `chunk`, but for a large packet.
fn read_once(stream: &impl Stream, input: &mut BytesMut, chunk: &mut [u8]) -> io::Result<usize> {
    let size = Driver::read_size(input);
    if size <= chunk.len() {
        return stream.read(chunk).inspect(|len| input.extend_from_slice(&chunk[..*len]));
    }
    let before = input.len();
    input.reserve(size);
    input.resize(before + size.min(READ_IN_PLACE), 0);
    let result = stream.read(&mut input[before..]);
    input.truncate(before + *result.as_ref().unwrap_or(&0));
    result
}

/// Writes all that there is, until the client wants no more: whether the transport then [lingers](Turn::lingers). What it writes
/// it copies out of the outbox, or shares if it is a large payload, and so holds no lock while it blocks.
fn write(turns: &Turns<'_>, stream: &impl Stream) -> io::Result<bool> {
    let mut chunk = Vec::with_capacity(CHUNK);
    stream.set_write_timeout(Some(TICK))?;
    loop {
        let turn = turns.wait(|turn| (turn.write || turn.close).then_some(*turn));
        let payload = turns.driver.outbox(|outbox| next_write(outbox, &mut chunk));
        let bytes = payload.as_deref().unwrap_or(&chunk);
        if bytes.is_empty() {
            // Meanwhile the client may have given up on what there was.
            if turn.close {
                return Ok(turn.lingers);
            }
            continue;
        }
        match stream.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(len) => turns.driver.outbox(|outbox| outbox.advance(len.min(outbox.remaining()))),
            // The next turn looks at the clock.
            Err(error) if is_passing(error.kind()) => {}
            Err(error) => return Err(error),
        }
    }
}

fn is_passing(error: io::ErrorKind) -> bool {
    matches!(error, io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The payload that is to be written next, if it is a large one; else fills `chunk`.
fn next_write(outbox: &mut Outbox, chunk: &mut Vec<u8>) -> Option<Bytes> {
    chunk.clear();
    if let Some(payload) = outbox.payload().filter(|payload| payload.len() >= CHUNK) {
        return Some(payload.clone());
    }
    let mut slices = [IoSlice::new(&[]); 64];
    let count = outbox.chunks_vectored(&mut slices);
    for slice in &slices[..count] {
        if slice.len() >= CHUNK && !chunk.is_empty() {
            break;
        }
        let room = CHUNK - chunk.len();
        chunk.extend_from_slice(&slice[..slice.len().min(room)]);
    }
    None
}

/// How one of the driver's two threads waits.
struct Turns<'a> {
    driver: &'a Driver,
    waker: Waker,
}

impl<'a> Turns<'a> {
    /// For the current thread.
    fn new(driver: &'a Driver) -> Self {
        Self { driver, waker: timeout::unpark() }
    }

    /// Takes turns until `ready` finds what it waits for, and lets no timer pass meanwhile.
    fn wait<T>(&self, mut ready: impl FnMut(&Turn) -> Option<T>) -> T {
        loop {
            let turn = self.driver.turn(&self.waker);
            if let Some(value) = ready(&turn) {
                return value;
            }
            // A wake-up since the turn makes it return at once.
            match turn.deadline {
                Some(at) => thread::park_timeout(at.saturating_duration_since(Instant::now())),
                None => thread::park(),
            }
        }
    }
}

fn start<D, S>(options: impl IntoOptions, dial: D) -> Result<Handle, Error>
where
    D: Fn(Endpoint) -> io::Result<S> + Send + Sync + 'static,
    S: Stream,
{
    let (handle, driver) = new(options.into_options()?)?;
    let thread = thread::Builder::new().name("mqtt".to_owned()).spawn(move || drive(driver, dial));
    thread.map_err(|error| Error::ConnectionLost { cause: format!("no thread for the client: {error}") })?;
    Ok(handle)
}

/// What to dial; `Some(None)` when nothing ever will be.
fn next_open(driver: &Driver, turn: &Turn) -> Option<Option<Endpoint>> {
    let endpoint = driver.poll_open();
    (endpoint.is_some() || turn.done).then_some(endpoint)
}

/// A dial that the reading thread has under way, and what became of it.
struct Dialling<S>(Mutex<Dial<S>>);

enum Dial<S> {
    UnderWay,
    Open(Arc<S>),
    Failed,
    GivenUp,
}

impl<S> Dialling<S> {
    /// Tells the client what came of the dial, unless it has given it up.
    fn finish(&self, driver: &Driver, dialled: io::Result<S>) -> Option<Arc<S>> {
        let mut dial = self.lock();
        match (&*dial, dialled) {
            (Dial::UnderWay, Ok(stream)) => {
                let stream = Arc::new(stream);
                *dial = Dial::Open(Arc::clone(&stream));
                driver.handle_open();
                Some(stream)
            }
            (Dial::UnderWay, Err(error)) => {
                *dial = Dial::Failed;
                driver.handle_open_failed(&error);
                None
            }
            (Dial::GivenUp | Dial::Open(_) | Dial::Failed, _) => None,
        }
    }

    /// What came of the dial. Gives it up if the client has.
    fn outcome(&self, turn: &Turn) -> Option<Dial<S>> {
        let mut dial = self.lock();
        match &*dial {
            Dial::Open(stream) => Some(Dial::Open(Arc::clone(stream))),
            Dial::Failed => Some(Dial::Failed),
            Dial::UnderWay if turn.close => {
                *dial = Dial::GivenUp;
                Some(Dial::GivenUp)
            }
            Dial::UnderWay | Dial::GivenUp => None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Dial<S>> {
        // Nothing that holds it leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes read or written at a time.
const CHUNK: usize = 64 * 1024;
/// Bytes read at a time of a large packet, straight to where they stay: so many are zeroed first.
const READ_IN_PLACE: usize = 256 * 1024;
/// How often a blocked write looks at the clock.
const TICK: Duration = Duration::from_millis(250);
/// How long the server may take to close its side after us.
const LINGER: Duration = Duration::from_secs(1);
