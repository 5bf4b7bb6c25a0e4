//! Telling systemd how far we are (`Type=notify`): a word on the datagram socket that `NOTIFY_SOCKET` names.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;

use rustix::time::{ClockId, clock_gettime};

/// Tells the service manager, if there is one that wants to know.
pub(super) fn notify(state: &str) -> io::Result<()> {
    match env::var_os("NOTIFY_SOCKET") {
        Some(socket) => send(&socket, state),
        None => Ok(()),
    }
}

/// The word that a reload has begun. systemd wants to know when, on the clock that it shares with us.
pub(super) fn reloading() -> String {
    let now = clock_gettime(ClockId::Monotonic);
    format!("RELOADING=1\nMONOTONIC_USEC={}{:06}", now.tv_sec, now.tv_nsec / 1_000)
}

fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let datagram = UnixDatagram::unbound()?;
    match abstract_name(socket) {
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::net::SocketAddr;
            datagram.send_to_addr(state.as_bytes(), &SocketAddr::from_abstract_name(name)?)?;
        }
        _ => {
            datagram.send_to(state.as_bytes(), socket)?;
        }
    }
    Ok(())
}

/// What stands behind the `@` of a name that is not in the file system.
fn abstract_name(socket: &OsStr) -> Option<&[u8]> {
    socket.as_encoded_bytes().strip_prefix(b"@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_arrives_on_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1").unwrap();
        let mut word = [0; 16];
        assert_eq!(socket.recv(&mut word).unwrap(), 7);
        assert_eq!(&word[..7], b"READY=1");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_word_arrives_on_an_abstract_socket() {
        use std::os::linux::net::SocketAddrExt;
        use std::os::unix::net::SocketAddr;

        let name = format!("mqtt-cli-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        send(OsStr::new(&format!("@{name}")), "STOPPING=1").unwrap();
        let mut word = [0; 16];
        assert_eq!(socket.recv(&mut word).unwrap(), 10);
    }

    #[test]
    fn a_socket_that_is_not_there_is_an_error() {
        assert!(send(OsStr::new("/no/such/socket"), "READY=1").is_err());
    }
}
