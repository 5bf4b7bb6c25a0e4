//! Where there is no systemd to tell anything.

use std::io;

/// Tells nobody.
pub(super) fn notify(_state: &str) -> io::Result<()> {
    Ok(())
}

/// The word that a reload has begun.
pub(super) fn reloading() -> String {
    String::new()
}
