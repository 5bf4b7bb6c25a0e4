//! MQTT 3.1, 3.1.1 and 5.0 for Tokio: a client that reconnects, queues and never loses what it promised to keep.
//!
//! ```
#![doc = include_str!("../examples/smallest_tokio.rs")]
//! ```
//!
//! Everything that an application needs is re-exported from [`mqtt_client`]; start at [`Handle`]. What is here is the part
//! that knows Tokio: dial, read, write, wait.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::yield_now;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

pub use mqtt_client::*;

/// Connects to a server, by a URL (`"mqtt://user:password@host:1883"`) or [`Options`], and waits for its CONNACK.
///
/// A task of the current runtime drives the client from then on, through any number of reconnects, until it is disconnected
/// or its last handle is dropped.
///
/// # Errors
///
/// The options are wrong, the server cannot be reached, or it refuses.
///
/// # Panics
///
/// Outside of a Tokio runtime with I/O and time enabled.
pub async fn connect(options: impl IntoOptions) -> Result<Handle, Error> {
    start(options, drive_tcp).await
}

/// [`connect`] over any transport that `dial` opens: a Unix socket, a QUIC stream, a pipe in a test.
///
/// ```no_run
/// # #[cfg(unix)]
/// # async fn example() -> Result<(), mqtt_tokio::Error> {
/// use tokio::net::UnixStream;
///
/// let client = mqtt_tokio::connect_with("mqtt://localhost", |_| UnixStream::connect("/run/broker.sock")).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// As [`connect`].
///
/// # Panics
///
/// As [`connect`].
pub async fn connect_with<D, F, S>(options: impl IntoOptions, dial: D) -> Result<Handle, Error>
where
    D: FnMut(Endpoint) -> F + Send + 'static,
    F: Future<Output = io::Result<S>> + Send + 'static,
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    start(options, |driver| drive(driver, dial)).await
}

async fn start<F>(options: impl IntoOptions, run: impl FnOnce(Driver) -> F) -> Result<Handle, Error>
where
    F: Future<Output = ()> + Send + 'static,
{
    let (handle, driver) = new(options.into_options()?)?;
    // A task of Tokio's is aligned to 128 bytes: one that is only a pointer takes 128, and all else the rest of the room around it.
    tokio::spawn(Box::pin(run(driver)));
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
    match server.host.parse::<IpAddr>() {
        Ok(address) => open_tcp((address, server.port).into()).await,
        // On the heap, as a name's addresses are.
        Err(_) => Box::pin(dial_name(server)).await,
    }
}

async fn open_tcp(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?; // packets are coalesced in the outbox already
    Ok(stream)
}

async fn dial_name(server: Endpoint) -> io::Result<TcpStream> {
    let deadline = Instant::now() + server.timeout;
    let addresses: Vec<_> = lookup_host((server.host.as_str(), server.port)).await?.collect();
    let mut failure = None;
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let result = match u32::try_from(addresses.len() - index) {
            // Its share is all that is left, and that is the client's to watch.
            Ok(1) => open_tcp(*address).await,
            ahead => {
                let share = left / ahead.unwrap_or(u32::MAX);
                timeout(share, open_tcp(*address)).await.unwrap_or_else(|late| Err(late.into()))
            }
        };
        match result {
            Ok(stream) => return Ok(stream),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the name has no address")))
}

/// Drives a client over TCP until it is done, as the task of [`connect`] does: dials, moves bytes, waits.
pub fn drive_tcp(driver: Driver) -> impl Future<Output = ()> + Send {
    // Closing a TCP socket says all that shutting it down does.
    run(driver, dial, ByClosing)
}

/// Drives a client until it is done, as the task of [`connect_with`] does.
pub fn drive<D, F, S>(driver: Driver, dial: D) -> impl Future<Output = ()> + use<D, F, S>
where
    D: FnMut(Endpoint) -> F,
    F: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin,
{
    run(driver, dial, ByShutdown)
}

/// How a transport is told that nothing more will come, if the server has nothing to say, either.
trait Farewell<S> {
    /// Whether closing it says so.
    const CLOSES: bool;

    /// Writes what is the last before that, if it can leave together with it. Says how many bytes it took.
    fn write_last(_stream: &S, _bytes: &[u8]) -> Option<usize> {
        None
    }
}

struct ByShutdown;

impl<S> Farewell<S> for ByShutdown {
    const CLOSES: bool = false;
}

struct ByClosing;

impl Farewell<TcpStream> for ByClosing {
    const CLOSES: bool = true;

    /// DISCONNECT and the end of the stream in one segment, which the socket sends when it is closed: half the work for both
    /// ends and for the network. It is lost if there is something unread then, so it is for a server that has nothing to say.
    #[cfg(target_os = "linux")]
    fn write_last(stream: &TcpStream, bytes: &[u8]) -> Option<usize> {
        const MSG_NOSIGNAL: i32 = 0x4000; // as every write of std and Tokio
        const MSG_MORE: i32 = 0x8000;
        // Any failure shows itself again when it is written as always.
        socket2::SockRef::from(stream).send_with_flags(bytes, MSG_NOSIGNAL | MSG_MORE).ok()
    }
}

/// The task of a client. While its connection is idle it is small: what only the ends of one need is on the heap while it lasts.
fn run<D, F, S, E>(driver: Driver, mut dial: D, _: E) -> impl Future<Output = ()> + use<D, F, S, E>
where
    D: FnMut(Endpoint) -> F,
    F: Future<Output = io::Result<S>>,
    S: AsyncRead + AsyncWrite + Unpin,
    E: Farewell<S>,
{
    let mut link = Link { driver, stream: None, input: BytesMut::new(), alarm: None, reads: false };
    // No `async fn`, which keeps a second copy of its arguments.
    async move {
        while Box::pin(link.open(&mut dial)).await {
            let lingers = loop {
                match poll_fn(|cx| link.transfer::<E>(cx)).await {
                    // Now those who wait for messages: what they have done with is room for the next ones, and still in the cache.
                    ControlFlow::Continue(()) => yield_now().await,
                    ControlFlow::Break(lingers) => break lingers,
                }
            };
            if lingers || !E::CLOSES {
                Box::pin(link.part(lingers)).await;
            }
            link.close();
            if poll_fn(|cx| Poll::Ready(link.driver.turn(cx.waker()).done)).await {
                return;
            }
        }
    }
}

/// A client and its transport, if it has one.
struct Link<S> {
    driver: Driver,
    stream: Option<S>,
    /// Bytes that the client has not taken.
    input: BytesMut,
    alarm: Alarm,
    /// What the last turn said: when the transport wakes us, there is mostly something to read.
    reads: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Link<S> {
    /// Waits for a transport; `false` when there will never be one again.
    async fn open<F: Future<Output = io::Result<S>>>(&mut self, dial: &mut impl FnMut(Endpoint) -> F) -> bool {
        while self.stream.is_none() {
            let Some(server) = self.next_open().await else { return false };
            self.stream = self.dialled(dial(server)).await;
        }
        true
    }

    /// Waits until there is something to dial; `None` when there never will be.
    async fn next_open(&mut self) -> Option<Endpoint> {
        let Self { driver, alarm, .. } = self;
        poll_fn(|cx| {
            loop {
                let server = driver.poll_open();
                if server.is_some() {
                    return Poll::Ready(server);
                }
                let turn = driver.turn(cx.waker());
                if turn.done {
                    return Poll::Ready(None);
                }
                if !turn.open && !is_due(alarm, turn.deadline, cx) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Waits for a dial, unless the client gives it up. The timer has not rung, and will serve for what comes next.
    async fn dialled(&mut self, dialling: impl Future<Output = io::Result<S>>) -> Option<S> {
        let Self { driver, alarm, .. } = self;
        let mut dialling = pin!(dialling);
        poll_fn(|cx| {
            match dialling.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => {
                    driver.handle_open(); // if it is too late, the next turn says so
                    return Poll::Ready(Some(stream));
                }
                Poll::Ready(Err(error)) => {
                    driver.handle_open_failed(&error);
                    return Poll::Ready(None);
                }
                Poll::Pending => {}
            }
            loop {
                let turn = driver.turn(cx.waker());
                if turn.close {
                    driver.handle_closed();
                    return Poll::Ready(None);
                }
                if !is_due(alarm, turn.deadline, cx) {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Moves bytes until others should have their turn, or to the end: whether the transport [lingers](Turn::lingers).
    fn transfer<E: Farewell<S>>(&mut self, cx: &mut Context<'_>) -> Poll<ControlFlow<bool>> {
        let Self { driver, stream: Some(stream), input, alarm, reads } = self else {
            return Poll::Ready(ControlFlow::Break(false));
        };
        // What was not ready is not asked again before it wakes us.
        let (mut may_write, mut may_read) = (true, true);
        let mut bytes_read = 0;
        if *reads {
            match read(driver, stream, input, cx) {
                Poll::Ready(count) => bytes_read += count,
                Poll::Pending => may_read = false,
            }
        }
        while bytes_read < READ_BOUND {
            let turn = driver.turn(cx.waker());
            *reads = turn.read;
            let is_last = turn.close && !turn.lingers;
            let is_written = turn.write && may_write && write::<S, E>(driver, stream, is_last, cx).is_ready();
            may_write = is_written || !turn.write;
            if turn.close && may_write {
                return Poll::Ready(ControlFlow::Break(turn.lingers));
            }
            let read = if turn.read && may_read { read(driver, stream, input, cx) } else { Poll::Pending };
            may_read = read.is_ready() || !turn.read && may_read;
            match read {
                Poll::Ready(count) => bytes_read += count,
                Poll::Pending if !is_written && !is_due(alarm, turn.deadline, cx) => return Poll::Pending,
                Poll::Pending => {}
            }
        }
        Poll::Ready(ControlFlow::Continue(()))
    }

    /// Says farewell. Closing a socket with unread bytes resets the connection, and with it what we wrote last: read to the end.
    async fn part(&mut self, lingers: bool) {
        let Some(stream) = &mut self.stream else { return };
        let mut input = BytesMut::new();
        let end = async {
            while stream.shutdown().await.is_ok() && lingers && stream.read_buf(&mut input).await.is_ok_and(|n| n > 0) {
                input.clear();
                input.reserve(READ_BOUND); // or it reads 64 bytes at a time, and a flood outlasts the time
            }
        };
        let _ = timeout(LINGER, end).await;
    }

    fn close(&mut self) {
        (self.stream, self.input, self.alarm, self.reads) = (None, BytesMut::new(), None, false);
        self.driver.handle_closed();
    }
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
    let count = if before == 0 {
        // Into a buffer that is nobody's, so that a connection that waits owns none.
        let mut space = [const { MaybeUninit::uninit() }; READ_AT_ONCE];
        let mut space = ReadBuf::uninit(&mut space);
        let result = ready!(Pin::new(stream).poll_read(cx, &mut space));
        let more = Driver::read_size(space.filled());
        if more > READ_AT_ONCE {
            input.reserve(space.filled().len() + more); // a large packet, whose room is made once
        }
        input.extend_from_slice(space.filled());
        result.map(|()| input.len())
    } else {
        let size = Driver::read_size(input);
        input.reserve(size);
        ready!(pin!(stream.read_buf(&mut (&mut *input).limit(size))).poll(cx))
    };
    match &count {
        Ok(0) => driver.handle_eof(),
        Ok(1..) => driver.handle_input(input),
        Err(error) => driver.handle_error(error),
    }
    if input.is_empty() {
        *input = BytesMut::new();
    }
    Poll::Ready(count.unwrap_or(0))
}

/// Writes all that there is. Ready when there is no more, or it cannot be written.
fn write<S: AsyncWrite + Unpin, E: Farewell<S>>(
    driver: &Driver,
    stream: &mut S,
    is_last: bool,
    cx: &mut Context<'_>,
) -> Poll<()> {
    let result = driver.outbox(|outbox| {
        while outbox.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 32];
            let filled = outbox.chunks_vectored(&mut slices);
            let written = match &slices[..filled] {
                [slice] if is_last => match E::write_last(stream, slice) {
                    Some(written) => Poll::Ready(Ok(written)),
                    None => Pin::new(&mut *stream).poll_write(cx, slice),
                },
                [slice] => Pin::new(&mut *stream).poll_write(cx, slice), // as most are, for which the system has less to do
                slices => Pin::new(&mut *stream).poll_write_vectored(cx, slices),
            };
            match ready!(written) {
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

/// On the heap while there is a deadline: many clients idle without one.
type Alarm = Option<Pin<Box<Sleep>>>;

/// Whether the deadline has come. The timer is set anew only to be earlier: it may ring for a deadline that was put off.
fn is_due(alarm: &mut Alarm, deadline: Option<std::time::Instant>, cx: &mut Context<'_>) -> bool {
    let Some(deadline) = deadline.map(Instant::from_std) else {
        *alarm = None; // or the runtime looks at it each time it sleeps
        return false;
    };
    let timer = alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
    if deadline < timer.deadline() || timer.is_elapsed() {
        timer.as_mut().reset(deadline);
    }
    timer.as_mut().poll(cx).is_ready()
}

/// Bytes read at a time.
const READ_AT_ONCE: usize = 32 << 10;

/// Bytes read before other tasks run.
const READ_BOUND: usize = 256 << 10;

/// How long the server may take to close its side after us.
const LINGER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    /// What a task of an idle client holds besides Tokio's own.
    #[test]
    fn the_future_of_a_driver_is_small() {
        let (_handle, driver) = new(Options::new("localhost", 1883)).unwrap();
        let future = run(driver, dial, ByClosing);
        // Without optimization it is a little larger. 104 bytes and the header of `malloc` fill what is left of 128 beside the task.
        let limit = if cfg!(debug_assertions) { 168 } else { 104 };
        assert!(size_of_val(&future) <= limit, "{} bytes", size_of_val(&future));
    }
}
