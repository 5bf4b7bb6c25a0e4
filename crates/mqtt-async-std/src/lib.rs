//! async-std is discontinued upstream, and its authors say to use smol: prefer `mqtt-smol` to this client, which is the same.
//!
//! ```
#![doc = include_str!("../examples/smallest_async_std.rs")]
//! ```
//!
//! Everything that an application needs is re-exported from [`mqtt_client`]; start at [`Handle`]. What is here is the part
//! that knows async-std: dial, read, write, wait.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use async_std::net::{TcpStream, ToSocketAddrs};
use async_std::task::{sleep, spawn};
use bytes::{Buf, BytesMut};
use futures_lite::future::or;
use futures_lite::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub use mqtt_client::*;

/// Connects to a server, by a URL (`"mqtt://user:password@host:1883"`) or [`Options`], and waits for its CONNACK.
///
/// A task of async-std's executor drives the client from then on, through any number of reconnects, until it is
/// disconnected or its last handle is dropped.
///
/// # Errors
///
/// The options are wrong, the server cannot be reached, or it refuses.
pub async fn connect(options: impl IntoOptions) -> Result<Handle, Error> {
    connect_with(options, dial).await
}

/// [`connect`] over any transport that `dial` opens: a Unix socket, a QUIC stream, a pipe in a test.
///
/// ```no_run
/// # #[cfg(unix)]
/// # async fn example() -> Result<(), mqtt_async_std::Error> {
/// use async_std::os::unix::net::UnixStream;
///
/// let client = mqtt_async_std::connect_with("mqtt://localhost", |_| UnixStream::connect("/run/broker.sock")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_with<D, F, S>(options: impl IntoOptions, dial: D) -> Result<Handle, Error>
where
    D: FnMut(Endpoint) -> F + Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (handle, driver) = new(options.into_options()?)?;
    spawn(drive(driver, dial));
    handle.connected().await?;
    Ok(handle)
}

/// Opens a TCP connection: all addresses of the name in turn, each with its share of the time that is left, the last with all
/// the time that the client gives it.
///
/// # Errors
///
/// The last address's error.
pub async fn dial(server: Endpoint) -> io::Result<TcpStream> {
    let deadline = Instant::now() + server.timeout;
    let addresses: Vec<_> = (server.host.as_str(), server.port).to_socket_addrs().await?.collect();
    let mut failure = None;
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let result = match u32::try_from(addresses.len() - index) {
            // Its share is all that is left, and that is the client's to watch.
            Ok(1) => TcpStream::connect(address).await,
            ahead => match timeout(left / ahead.unwrap_or(u32::MAX), TcpStream::connect(address)).await {
                Some(result) => result,
                None => Err(io::ErrorKind::TimedOut.into()),
            },
        };
        match result {
            Ok(stream) => {
                stream.set_nodelay(true)?; // packets are coalesced in the outbox already
                return Ok(stream);
            }
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

/// Drives a client until it is done: dials, moves bytes, waits. For an executor of your own.
pub async fn drive<D, F, S>(driver: Driver, mut dial: D)
where
    D: FnMut(Endpoint) -> F,
    F: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(server) = next_open(&driver).await {
        // On the heap while it lasts: a task that is connected has no use for its room.
        if let Some(stream) = Box::pin(open(&driver, dial(server))).await {
            transfer(&driver, stream).await;
            driver.handle_closed();
        }
    }
}

/// Waits until there is something to dial; `None` when there never will be.
async fn next_open(driver: &Driver) -> Option<Endpoint> {
    let mut timer = Alarm::default();
    poll_fn(|cx| {
        loop {
            let turn = driver.turn(cx.waker());
            let server = driver.poll_open();
            if server.is_some() || turn.done {
                return Poll::Ready(server);
            }
            if !timer.is_due(turn.deadline, cx) {
                return Poll::Pending;
            }
        }
    })
    .await
}

/// Waits for a dial, unless the client gives it up.
async fn open<S>(driver: &Driver, dialling: impl Future<Output = io::Result<S>>) -> Option<S> {
    let (mut dialling, mut timer) = (pin!(dialling), Alarm::default());
    poll_fn(|cx| {
        loop {
            let turn = driver.turn(cx.waker());
            if turn.close {
                driver.handle_closed();
                return Poll::Ready(None);
            }
            match dialling.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => {
                    driver.handle_open();
                    return Poll::Ready(Some(stream));
                }
                Poll::Ready(Err(error)) => {
                    driver.handle_open_failed(&error);
                    return Poll::Ready(None);
                }
                Poll::Pending if !timer.is_due(turn.deadline, cx) => return Poll::Pending,
                Poll::Pending => {}
            }
        }
    })
    .await
}

/// Moves bytes until the transport is closed.
async fn transfer<S: AsyncRead + AsyncWrite + Unpin>(driver: &Driver, mut stream: S) {
    let mut input = BytesMut::new();
    let mut timer = Alarm::default();
    let lingers = poll_fn(|cx| {
        // What was not ready is not asked again before it wakes us.
        let (mut may_write, mut may_read) = (true, true);
        let mut bytes_read = 0;
        for _ in 0..ROUNDS {
            let turn = driver.turn(cx.waker());
            let is_written = turn.write && may_write && write(driver, &mut stream, cx).is_ready();
            may_write = is_written || !turn.write;
            if turn.close && may_write {
                return Poll::Ready(turn.lingers);
            }
            let read = if turn.read && may_read { read(driver, &mut stream, &mut input, cx) } else { Poll::Pending };
            may_read = read.is_ready() || !turn.read && may_read;
            match read {
                Poll::Ready(count) => {
                    bytes_read += count;
                    if bytes_read >= READ_BEFORE_OTHERS {
                        break;
                    }
                }
                Poll::Pending if !is_written && !timer.is_due(turn.deadline, cx) => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        // A peer that always has more to say must not stop the other tasks of this thread. Those who wait for messages come now:
        // what they have done with is room for the next ones, and still in the cache.
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    // Closing a socket with unread bytes resets the connection, and with it what we wrote last: read to the end.
    let mut rest = vec![0; if lingers { READ_BOUND } else { 0 }];
    let end = async { while stream.close().await.is_ok() && stream.read(&mut rest).await.is_ok_and(|n| n > 0) {} };
    Box::pin(timeout(LINGER, end)).await;
}

/// Reads once and hands on what there is. Ready if anything has changed; says how many bytes were read.
fn read<S: AsyncRead + Unpin>(
    driver: &Driver,
    stream: &mut S,
    input: &mut BytesMut,
    cx: &mut Context<'_>,
) -> Poll<usize> {
    let before = input.len();
    if before > 0 {
        driver.handle_input(input); // what was left when the client took no more
    }
    if input.len() < before {
        return Poll::Ready(0);
    }
    let size = Driver::read_size(input);
    let result = if size <= READ_BOUND {
        with_space(|space| {
            let count = ready!(Pin::new(stream).poll_read(cx, space));
            Poll::Ready(count.inspect(|count| input.extend_from_slice(&space[..*count])))
        })
    } else {
        input.reserve(size);
        input.resize(before + size.min(READ_IN_PLACE), 0);
        let count = Pin::new(stream).poll_read(cx, &mut input[before..]);
        let read = if let Poll::Ready(Ok(count)) = count { count } else { 0 };
        input.truncate(before + read);
        count
    };
    let result = ready!(result);
    match &result {
        Ok(0) => driver.handle_eof(),
        Ok(1..) => driver.handle_input(input),
        Err(error) => driver.handle_error(error),
    }
    if input.is_empty() {
        *input = BytesMut::new(); // a connection that waits owns no buffer
    }
    Poll::Ready(result.unwrap_or(0))
}

/// Lends room to read into, which all clients of a thread share.
fn with_space<T>(f: impl FnOnce(&mut [u8]) -> T) -> T {
    thread_local! {
        static SPACE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    SPACE.with(|space| {
        let mut room = space.take();
        room.resize(READ_BOUND, 0);
        let value = f(&mut room);
        space.set(room);
        value
    })
}

/// Writes all that there is. Ready when there is no more, or it cannot be written.
fn write<S: AsyncWrite + Unpin>(driver: &Driver, stream: &mut S, cx: &mut Context<'_>) -> Poll<()> {
    let result = driver.outbox(|outbox| {
        while outbox.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 32];
            let filled = outbox.chunks_vectored(&mut slices);
            match ready!(Pin::new(&mut *stream).poll_write_vectored(cx, &slices[..filled])) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(written) => outbox.advance(written),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Pin::new(&mut *stream).poll_flush(cx)
    });
    if let Poll::Ready(Err(error)) = &result {
        driver.handle_error(error);
    }
    result.map(|_| ())
}

/// The timer of a connection.
#[derive(Default)]
struct Alarm {
    timer: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// When it rings.
    at: Option<Instant>,
}

impl Alarm {
    /// Whether the deadline has come. The timer is set anew only to be earlier: it may ring for a deadline that was put off.
    fn is_due(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> bool {
        let Some(deadline) = deadline else {
            *self = Self::default();
            return false;
        };
        if self.at.is_none_or(|at| deadline < at) {
            self.timer = Some(Box::pin(sleep(deadline.saturating_duration_since(Instant::now()))));
            self.at = Some(deadline);
        }
        let has_rung = self.timer.as_mut().is_some_and(|timer| Pin::new(timer).poll(cx).is_ready());
        if has_rung {
            self.at = None;
        }
        has_rung
    }
}

/// `None` if the future takes longer.
async fn timeout<T>(time: Duration, future: impl Future<Output = T>) -> Option<T> {
    let late = async {
        sleep(time).await;
        None
    };
    or(async { Some(future.await) }, late).await
}

/// How often a task reads or writes before it lets others run.
const ROUNDS: usize = 16;

/// Bytes read before others run.
const READ_BEFORE_OTHERS: usize = 256 << 10;

/// Bytes read at a time.
const READ_BOUND: usize = 64 << 10;

/// Bytes read at a time of a large packet, straight to where they stay: so many are zeroed first, in vain if there are none.
const READ_IN_PLACE: usize = 256 << 10;

/// How long the server may take to close its side after us.
const LINGER: Duration = Duration::from_secs(1);
