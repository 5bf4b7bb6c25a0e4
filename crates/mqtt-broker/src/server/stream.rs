//! The two kinds of sockets, each as a half that reads and a half that writes without waiting.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::{TcpListener, TcpStream, tcp};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream, unix};

use super::listener::Bound;
#[cfg(unix)]
use super::listener::SocketFile;

/// A listening socket of the runtime.
#[derive(Debug)]
pub(super) enum Acceptor {
    Tcp(TcpListener),
    #[cfg(unix)]
    Unix(UnixListener, #[expect(dead_code, reason = "dropping it removes the file")] SocketFile),
}

impl Acceptor {
    /// Hands a socket over to the runtime on whose thread this is called.
    pub(super) fn new(bound: Bound) -> io::Result<Self> {
        match bound {
            Bound::Tcp(listener, _) => TcpListener::from_std(listener).map(Self::Tcp),
            #[cfg(unix)]
            Bound::Unix(listener, file) => UnixListener::from_std(listener).map(|listener| Self::Unix(listener, file)),
        }
    }

    /// Waits for a connection: its halves, and where it comes from, for logs.
    pub(super) async fn accept(&self) -> io::Result<(Reader, Writer, String)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Ok(split_tcp(stream, address.to_string()))
            }
            #[cfg(unix)]
            Self::Unix(listener, _) => {
                let (stream, _) = listener.accept().await?;
                Ok(split_unix(stream))
            }
        }
    }
}

fn split_tcp(stream: TcpStream, address: String) -> (Reader, Writer, String) {
    // Packets are coalesced in the outbox already. If it fails, the connection is slower, or it is dead and will say so.
    let _ = stream.set_nodelay(true);
    let (reader, writer) = stream.into_split();
    (Reader::Tcp(reader), Writer::Tcp(writer), address)
}

#[cfg(unix)]
fn split_unix(stream: UnixStream) -> (Reader, Writer, String) {
    let (reader, writer) = stream.into_split();
    (Reader::Unix(reader), Writer::Unix(writer), "unix".to_owned())
}

/// The half that reads.
#[derive(Debug)]
pub(super) enum Reader {
    Tcp(tcp::OwnedReadHalf),
    #[cfg(unix)]
    Unix(unix::OwnedReadHalf),
}

impl Reader {
    /// Reads once into `buffer`; 0 is the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        let polled = match self {
            Self::Tcp(half) => Pin::new(half).poll_read(cx, &mut buffer),
            #[cfg(unix)]
            Self::Unix(half) => Pin::new(half).poll_read(cx, &mut buffer),
        };
        polled.map_ok(|()| buffer.filled().len())
    }
}

/// The half that writes. Dropping it says that nothing more will come.
#[derive(Debug)]
pub(super) enum Writer {
    Tcp(tcp::OwnedWriteHalf),
    #[cfg(unix)]
    Unix(unix::OwnedWriteHalf),
}

impl Writer {
    /// Writes what the socket takes now; [`WouldBlock`](io::ErrorKind::WouldBlock) if that is nothing.
    pub(super) fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(half) => half.try_write_vectored(slices),
            #[cfg(unix)]
            Self::Unix(half) => half.try_write_vectored(slices),
        }
    }

    /// Waits until the socket takes something again, or has failed.
    pub(super) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let polled = match self {
            Self::Tcp(half) => half.as_ref().poll_write_ready(cx),
            #[cfg(unix)]
            Self::Unix(half) => half.as_ref().poll_write_ready(cx),
        };
        // An error shows up again when it is written to.
        polled.map(|_| ())
    }
}
