//! The password and ACL files that the settings name, read at the start and at each SIGHUP.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mqtt_broker::access::{AclFile, FileErrors, ListenerAccess, PasswordFile};

use super::conf::Settings;

/// What the files say for each listener, and what is wrong with them.
///
/// A file with an error stands for an empty one: nobody comes in by it, or nothing is allowed by it.
pub(super) fn read(settings: &Settings) -> (Vec<ListenerAccess>, Vec<String>) {
    let mut errors = Vec::new();
    let mut passwords = Files::new(PasswordFile::read);
    let mut acls = Files::new(AclFile::read);
    let listeners = settings.listeners.iter().map(|listener| ListenerAccess {
        allow_anonymous: listener.access.allow_anonymous,
        passwords: listener.access.password_file.as_ref().map(|file| passwords.read(file, &mut errors)),
        acl: listener.access.acl_file.as_ref().map(|file| acls.read(file, &mut errors)),
    });
    let listeners = listeners.collect();
    (listeners, errors)
}

/// Each file once, however many listeners name it.
struct Files<T> {
    read: fn(&Path) -> Result<T, FileErrors>,
    known: BTreeMap<PathBuf, Arc<T>>,
}

impl<T: Default> Files<T> {
    fn new(read: fn(&Path) -> Result<T, FileErrors>) -> Self {
        Self { read, known: BTreeMap::new() }
    }

    fn read(&mut self, file: &Path, errors: &mut Vec<String>) -> Arc<T> {
        let read = || {
            Arc::new((self.read)(file).unwrap_or_else(|found| {
                errors.extend(found.iter().map(ToString::to_string));
                T::default()
            }))
        };
        Arc::clone(self.known.entry(file.to_owned()).or_insert_with(read))
    }
}
