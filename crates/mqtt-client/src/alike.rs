//! What many clients of one process have alike, kept once.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use mqtt_proto::Config;

use crate::Options;

/// The options that clients were last made with, without what is each one's own.
pub(crate) static OPTIONS: Alike<Options> = Alike::new();

/// What follows from them for a connection.
pub(crate) static CONFIGS: Alike<Config> = Alike::new();

/// The last few values that are in use, and the last of all, so that clients which come one after the other share it, too. It
/// makes no difference to anybody but in memory.
pub(crate) struct Alike<T>(Mutex<Known<T>>);

struct Known<T> {
    last: Option<Arc<T>>,
    in_use: Vec<Weak<T>>,
}

impl<T: PartialEq> Alike<T> {
    const fn new() -> Self {
        Self(Mutex::new(Known { last: None, in_use: Vec::new() }))
    }

    /// The value, shared with those who have the same.
    pub(crate) fn share(&self, value: T) -> Arc<T> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = known.last.as_ref().filter(|last| ***last == value) {
            return Arc::clone(last);
        }
        let same = known.in_use.iter().filter_map(Weak::upgrade).find(|same| **same == value);
        let same = same.unwrap_or_else(|| known.add(value));
        known.last = Some(Arc::clone(&same));
        same
    }
}

impl<T> Known<T> {
    fn add(&mut self, value: T) -> Arc<T> {
        self.in_use.retain(|other| other.strong_count() > 0);
        if self.in_use.len() >= KINDS {
            self.in_use.remove(0);
        }
        let value = Arc::new(value);
        self.in_use.push(Arc::downgrade(&value));
        value
    }
}

/// Kinds of clients that a process is expected to have. Those beyond it keep their own.
const KINDS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_shared_while_somebody_has_them() {
        let alike = Alike::new();
        let first = alike.share(1);
        assert!(Arc::ptr_eq(&first, &alike.share(1)) && !Arc::ptr_eq(&first, &alike.share(2)));
        drop(first);
        let others: Vec<_> = (2..100).map(|value| alike.share(value)).collect();
        assert!(others.iter().map(|value| **value).eq(2..100));
        assert!(alike.0.lock().unwrap().in_use.len() <= KINDS);
        assert!(Arc::ptr_eq(&others[97], &alike.share(99)));
    }
}
