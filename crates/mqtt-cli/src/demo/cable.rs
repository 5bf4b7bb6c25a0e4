//! A network that can fail: a dial whose connection can be cut, and which then waits until it is mended.

use std::io;
use std::net::{Shutdown, TcpStream as Socket};
use std::sync::{Arc, Mutex, PoisonError};

use mqtt_tokio::Endpoint;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What one client's connections go through. It begins in one piece.
#[derive(Clone, Debug)]
pub(super) struct Cable {
    is_plugged: watch::Sender<bool>,
    socket: Arc<Mutex<Option<Socket>>>,
}

impl Default for Cable {
    fn default() -> Self {
        Self { is_plugged: watch::Sender::new(true), socket: Arc::default() }
    }
}

impl Cable {
    /// Cuts the connection; there is no other until [`plug`](Self::plug).
    pub(super) fn pull(&self) {
        self.is_plugged.send_replace(false);
        let socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(socket) = socket {
            // If it is closed already, all the better.
            let _is_closed = socket.shutdown(Shutdown::Both);
        }
    }

    pub(super) fn plug(&self) {
        self.is_plugged.send_replace(true);
    }

    /// Opens a connection, as soon as it can.
    pub(super) async fn dial(self, server: Endpoint) -> io::Result<TcpStream> {
        let mut plugged = self.is_plugged.subscribe();
        plugged.wait_for(|plugged| *plugged).await.map_err(io::Error::other)?;
        let stream = mqtt_tokio::dial(server).await?.into_std()?;
        *self.socket.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream.try_clone()?);
        TcpStream::from_std(stream)
    }
}
