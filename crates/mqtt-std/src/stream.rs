//! What a transport must be able to do here, and the transport that is there by default.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpStream, ToSocketAddrs},
    time::{Duration, Instant},
};

use mqtt_client::Endpoint;

/// A transport that one thread can read while another one writes it: TCP, a Unix socket, or yours.
///
/// Its methods are those of [`TcpStream`], on a shared reference.
pub trait Stream: Send + Sync + 'static {
    /// Blocks until there are bytes, and reads at most as many as `buffer` holds. 0 is the end.
    ///
    /// # Errors
    ///
    /// Any error ends the connection, but [`Interrupted`](io::ErrorKind::Interrupted).
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize>;

    /// Blocks until some of the bytes are written, and says how many.
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](io::ErrorKind::WouldBlock) or [`TimedOut`](io::ErrorKind::TimedOut) when the write timeout has passed
    /// without progress. Any other error ends the connection, but [`Interrupted`](io::ErrorKind::Interrupted).
    fn write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// How long a write may block. It must not block for ever: the thread that writes also keeps time.
    ///
    /// # Errors
    ///
    /// Any error ends the connection.
    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Ends one direction or both. Ending both, or reading, wakes a thread that is blocked in [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// Ignored: the stream is dropped soon after.
    fn shutdown(&self, how: Shutdown) -> io::Result<()>;
}

/// Opens a TCP connection: all addresses of the name in turn, each with its share of the time that is left.
///
/// # Errors
///
/// The last address's error.
pub fn dial(server: Endpoint) -> io::Result<TcpStream> {
    let deadline = Instant::now() + server.timeout;
    let addresses: Vec<_> = (server.host.as_str(), server.port).to_socket_addrs()?.collect();
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
    for (index, address) in addresses.iter().enumerate() {
        let left = deadline.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        // Zero is not allowed.
        result = TcpStream::connect_timeout(address, share.max(Duration::from_millis(1)));
        if let Ok(stream) = &result {
            stream.set_nodelay(true)?; // packets are coalesced in the outbox already
            break;
        }
    }
    result
}

impl Stream for TcpStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}

#[cfg(unix)]
impl Stream for std::os::unix::net::UnixStream {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        (&mut &*self).read(buffer)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        (&mut &*self).write(bytes)
    }

    fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.set_write_timeout(timeout)
    }

    fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.shutdown(how)
    }
}
