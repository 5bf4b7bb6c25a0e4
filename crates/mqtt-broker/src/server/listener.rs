//! Where a server listens: what the embedder asks for, and the sockets that come of it.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, Socket, Type};

use crate::ListenerConfig;

/// Where to listen, and for whom.
///
/// A string is one: `"127.0.0.1:1883"`, `"[::1]:1883"`, `"localhost:0"` (every address of the name; port 0 lets the system
/// choose one, the same for all).
///
/// ```
/// use mqtt_broker::{Listener, Server};
///
/// let server = Server::builder()
///     .listen(Listener::tcp("localhost:0").ipv4_only().maximum_connections(100))
///     .start()?;
/// assert!(server.addresses().iter().all(|address| address.is_ipv4()));
/// # Ok::<(), mqtt_broker::StartError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Listener {
    place: Place,
    family: Option<Family>,
    interface: Option<String>,
    pub(super) maximum_connections: Option<usize>,
    pub(super) config: ListenerConfig,
}

#[derive(Clone, Debug)]
enum Place {
    /// `host:port`.
    Tcp(String),
    /// Every address of this machine.
    Port(u16),
    #[cfg(unix)]
    Unix(PathBuf),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    V6,
}

impl Listener {
    /// Listens on `host:port`: on every address of the name. A port of 0 lets the system choose, once for all of them.
    #[must_use]
    pub fn tcp(address: impl Into<String>) -> Self {
        Self::new(Place::Tcp(address.into()))
    }

    /// Listens on every address of this machine, IPv4 and IPv6: for whoever can reach it, so think of a [`Policy`](crate::Policy).
    #[must_use]
    pub fn port(port: u16) -> Self {
        Self::new(Place::Port(port))
    }

    /// Listens on a Unix socket. A socket file that a dead server has left there is replaced; ours is removed at the end.
    #[cfg(unix)]
    #[must_use]
    pub fn unix(path: impl Into<PathBuf>) -> Self {
        Self::new(Place::Unix(path.into()))
    }

    fn new(place: Place) -> Self {
        Self { place, family: None, interface: None, maximum_connections: None, config: ListenerConfig::default() }
    }

    /// Leaves the IPv6 addresses out.
    #[must_use]
    pub fn ipv4_only(mut self) -> Self {
        self.family = Some(Family::V4);
        self
    }

    /// Leaves the IPv4 addresses out.
    #[must_use]
    pub fn ipv6_only(mut self) -> Self {
        self.family = Some(Family::V6);
        self
    }

    /// Takes only what comes in through this network interface. On Linux alone; elsewhere the start fails.
    #[must_use]
    pub fn interface(mut self, name: impl Into<String>) -> Self {
        self.interface = Some(name.into());
        self
    }

    /// How many connections this listener may have at a time, within the broker's own limit. More are closed at once.
    /// Default: only the broker's limit.
    #[must_use]
    pub fn maximum_connections(mut self, maximum: usize) -> Self {
        self.maximum_connections = Some(maximum);
        self
    }

    /// Sets what holds for its clients in place of what the server's [`Config`](crate::Config) says.
    #[must_use]
    pub fn config(mut self, config: ListenerConfig) -> Self {
        self.config = config;
        self
    }

    /// Opens the sockets.
    pub(super) fn bind(&self) -> Result<Vec<Bound>, BindError> {
        let fail = |source| BindError { place: self.to_string(), source };
        match &self.place {
            Place::Tcp(address) => {
                let addresses: Vec<_> = address.to_socket_addrs().map_err(fail)?.collect();
                self.bind_tcp(addresses).map_err(fail)
            }
            Place::Port(port) => {
                let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
                self.bind_tcp(any.map(|ip| SocketAddr::new(ip, *port)).into()).map_err(fail)
            }
            #[cfg(unix)]
            Place::Unix(path) => bind_unix(path).map(|bound| vec![bound]).map_err(fail),
        }
    }

    fn bind_tcp(&self, mut addresses: Vec<SocketAddr>) -> io::Result<Vec<Bound>> {
        addresses.retain(|address| match self.family {
            Some(Family::V4) => address.is_ipv4(),
            Some(Family::V6) => address.is_ipv6(),
            None => true,
        });
        let mut tries = PORT_TRIES;
        loop {
            match self.bind_all(&addresses) {
                // The port that was free for one address is taken for another: let the system choose again.
                Err(error) if error.kind() == io::ErrorKind::AddrInUse && tries > 0 => {
                    if addresses.iter().any(|address| address.port() != 0) {
                        return Err(error);
                    }
                    tries -= 1;
                }
                result => return result,
            }
        }
    }

    fn bind_all(&self, addresses: &[SocketAddr]) -> io::Result<Vec<Bound>> {
        let mut bound: Vec<Bound> = Vec::new();
        let mut missing = io::Error::new(io::ErrorKind::AddrNotAvailable, "the name has no address of this family");
        let mut chosen = None;
        for address in addresses {
            let mut address = *address;
            if address.port() == 0 {
                address.set_port(chosen.unwrap_or(0));
            }
            match self.bind_one(address) {
                Ok(socket) => {
                    let address = socket.local_addr()?;
                    chosen.get_or_insert(address.port());
                    bound.push(Bound::Tcp(socket, address));
                }
                // `localhost` names ::1 on machines without IPv6, too.
                Err(error) if is_absent(&error) => missing = error,
                Err(error) => return Err(error),
            }
        }
        if bound.is_empty() { Err(missing) } else { Ok(bound) }
    }

    fn bind_one(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // A server that starts again must not wait until the connections of its predecessor have died out. (On Windows this
        // would let two servers share a port.)
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if address.is_ipv6() {
            // IPv4 has a socket of its own.
            socket.set_only_v6(true)?;
        }
        if let Some(interface) = &self.interface {
            bind_interface(&socket, interface)?;
        }
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        socket.set_nonblocking(true)?;
        Ok(socket.into())
    }
}

impl From<&str> for Listener {
    fn from(address: &str) -> Self {
        Self::tcp(address)
    }
}

impl From<String> for Listener {
    fn from(address: String) -> Self {
        Self::tcp(address)
    }
}

impl From<SocketAddr> for Listener {
    fn from(address: SocketAddr) -> Self {
        Self::tcp(address.to_string())
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Tcp(address) => f.write_str(address)?,
            Place::Port(port) => write!(f, "port {port}")?,
            #[cfg(unix)]
            Place::Unix(path) => write!(f, "{}", path.display())?,
        }
        match self.family {
            Some(Family::V4) => f.write_str(" (IPv4 only)")?,
            Some(Family::V6) => f.write_str(" (IPv6 only)")?,
            None => {}
        }
        match &self.interface {
            Some(name) => write!(f, " on interface {name}"),
            None => Ok(()),
        }
    }
}

/// A socket that listens.
#[derive(Debug)]
pub(super) enum Bound {
    Tcp(TcpListener, SocketAddr),
    #[cfg(unix)]
    Unix(std::os::unix::net::UnixListener, SocketFile),
}

impl Bound {
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, address) => Some(*address),
            #[cfg(unix)]
            Self::Unix(..) => None,
        }
    }
}

/// The name of a Unix socket, which goes with it.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct SocketFile(PathBuf);

#[cfg(unix)]
impl Drop for SocketFile {
    fn drop(&mut self) {
        // If somebody has removed it already, all the better.
        let _ = std::fs::remove_file(&self.0);
    }
}

#[cfg(unix)]
fn bind_unix(path: &Path) -> io::Result<Bound> {
    use std::os::unix::net::{UnixListener, UnixStream};

    let socket = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // Only a socket that nobody listens on refuses.
            match UnixStream::connect(path) {
                Err(refused) if refused.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path)?,
                Ok(_) | Err(_) => return Err(error),
            }
            UnixListener::bind(path)?
        }
        result => result?,
    };
    socket.set_nonblocking(true)?;
    Ok(Bound::Unix(socket, SocketFile(path.to_owned())))
}

#[cfg(target_os = "linux")]
fn bind_interface(socket: &Socket, name: &str) -> io::Result<()> {
    socket.bind_device(Some(name.as_bytes()))
}

#[cfg(not(target_os = "linux"))]
fn bind_interface(_: &Socket, _: &str) -> io::Result<()> {
    let text = "this system cannot bind to an interface: listen on the interface's address instead";
    Err(io::Error::new(io::ErrorKind::Unsupported, text))
}

/// Whether an address is refused because this machine has no such network.
fn is_absent(error: &io::Error) -> bool {
    // EAFNOSUPPORT has no kind of its own.
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(ADDRESS_FAMILY_NOT_SUPPORTED)
}

/// A place where the server cannot listen.
#[derive(Debug)]
pub struct BindError {
    place: String,
    source: io::Error,
}

impl BindError {
    /// What the system said.
    #[must_use]
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {}: {}", self.place, self.source)?;
        f.write_str(match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                ": another program listens there already: stop it, or choose another port (0 lets the system choose)"
            }
            io::ErrorKind::PermissionDenied => {
                ": ports below 1024 and other users' directories need privileges: choose a port from 1024 on (MQTT has 1883)"
            }
            io::ErrorKind::AddrNotAvailable => ": this machine has no such address: see `ip address` for those that it has",
            io::ErrorKind::InvalidInput => ": write it as host:port, for example 127.0.0.1:1883 or [::1]:1883",
            io::ErrorKind::NotFound => ": the directory or the interface does not exist: create it first",
            _ => "",
        })
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Connections that the system keeps until we accept them. It cuts this down to its own limit.
const BACKLOG: i32 = 1024;

/// How often to let the system choose a port that is free on all addresses.
const PORT_TRIES: u32 = 16;

/// EAFNOSUPPORT.
const ADDRESS_FAMILY_NOT_SUPPORTED: i32 = if cfg!(target_os = "linux") { 97 } else { 47 };
