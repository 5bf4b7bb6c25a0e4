//! Who keeps a client alive.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mqtt_proto::{Disconnect, ReasonCode};

use super::shared::Shared;

/// Keeps the client alive: held by handles and streams. The last one that goes ends it.
#[derive(Debug)]
pub(crate) struct Lease {
    shared: Arc<Shared>,
}

impl Lease {
    pub(super) fn new(shared: &Arc<Shared>) -> Self {
        // As `Arc` counts: whoever makes another one holds one already, or is the first.
        shared.leases.fetch_add(1, Ordering::Relaxed);
        Self { shared: Arc::clone(shared) }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }
}

impl Clone for Lease {
    fn clone(&self) -> Self {
        Self::new(&self.shared)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.shared.leases.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        if self.shared.look(|inner| inner.client.stop_reason().is_some()) {
            return; // nothing is left to end
        }
        // It may have stopped since; a plain DISCONNECT can always be encoded.
        let _ = self.shared.run(|inner, now| inner.client.disconnect(now, Disconnect::new(ReasonCode::SUCCESS)));
    }
}
