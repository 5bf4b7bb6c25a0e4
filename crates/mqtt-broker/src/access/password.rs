//! The password file: a line `USER:HASH` for each user.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::Path;

use mqtt_proto::Text;

use super::error::{FileError, FileErrors, lines, read};
use super::hash::PasswordHash;

/// The users and their passwords. The default knows nobody, so it lets nobody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PasswordFile {
    users: BTreeMap<String, PasswordHash>,
    /// The most expensive hash, which a name that is not in the file is compared with.
    dearest: Option<PasswordHash>,
}

impl PasswordFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, and as [`PasswordFile::parse`].
    pub fn read(path: &Path) -> Result<Self, FileErrors> {
        let (file, bytes) = read(path, "'mqtt passwd -c FILE USER' makes one")?;
        Self::parse(&file, &bytes)
    }

    /// What these bytes say; `file` is their name in errors. Lines that begin with `#`, and blank ones, say nothing.
    ///
    /// An empty file is a file without users: nobody comes in.
    ///
    /// # Errors
    ///
    /// Each line that is not a user and a hash, or whose user an earlier line has. The rest of the file is not used
    /// then: a garbled line may be the one that would have kept somebody out.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, FileErrors> {
        let mut errors = Vec::new();
        let mut seen = BTreeMap::new();
        let mut users = BTreeMap::new();
        for (number, line) in lines(bytes) {
            let (user, hash) = match entry(line) {
                Ok(entry) => entry,
                Err(rule) => {
                    errors.push(FileError::at(file, number, rule));
                    continue;
                }
            };
            match seen.entry(user.clone()) {
                Entry::Occupied(first) => {
                    let rule =
                        format!("'{user}' has a password in line {} already; delete one of the two", first.get());
                    errors.push(FileError::at(file, number, rule));
                }
                Entry::Vacant(free) => {
                    free.insert(number);
                    users.insert(user, hash);
                }
            }
        }
        let dearest = users.values().max_by_key(|hash| hash.algorithm().cost()).cloned();
        FileErrors::or(errors, Self { users, dearest })
    }

    /// Whether this is the user's password.
    ///
    /// A user that is not in the file costs as much time as the dearest one that is, so that the time does not tell who
    /// has an account. Between users of different algorithms or iterations it does.
    #[must_use]
    pub fn verify(&self, user: &str, password: &[u8]) -> bool {
        match (self.users.get(user), &self.dearest) {
            (Some(hash), _) => hash.verify(password),
            (None, Some(decoy)) => {
                std::hint::black_box(decoy.verify(password));
                false
            }
            (None, None) => false,
        }
    }

    /// Whether the file has this user.
    #[must_use]
    pub fn contains(&self, user: &str) -> bool {
        self.users.contains_key(user)
    }

    /// What the file holds for this user.
    #[must_use]
    pub fn hash(&self, user: &str) -> Option<&PasswordHash> {
        self.users.get(user)
    }

    /// How many users there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether nobody is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// Whether the user is in both files with the very same hash.
    pub(super) fn agrees(&self, other: &Self, user: &str) -> bool {
        self.hash(user).is_some() && self.hash(user) == other.hash(user)
    }
}

/// A user and a hash, or what is wrong with the line.
fn entry(line: &[u8]) -> Result<(String, PasswordHash), String> {
    let text = Text::new(line).map_err(|error| format!("{error}; the file must be UTF-8 text"))?;
    let Some((user, hash)) = text.as_str().split_once(':') else {
        return Err("there is no ':' between a user and a hash; 'mqtt passwd FILE USER' writes such lines".into());
    };
    let user = user.trim();
    if user.is_empty() {
        return Err("there is no user before the ':'; delete the line".into());
    }
    let hash = hash.trim().parse().map_err(|error| format!("of '{user}': {error}"))?;
    Ok((user.to_owned(), hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::hash::Algorithm;

    fn hash(password: &str) -> String {
        PasswordHash::new(Algorithm::Pbkdf2 { iterations: 3 }, *b"twelve bytes", password.as_bytes()).to_string()
    }

    fn errors(text: &str) -> Vec<String> {
        match PasswordFile::parse("users", text.as_bytes()) {
            Ok(_) => Vec::new(),
            Err(errors) => errors.iter().map(ToString::to_string).collect(),
        }
    }

    #[test]
    fn users_come_in_with_their_own_password_only() {
        let text = format!("# staff\n\nanna:{}\r\n ünal :{}\n", hash("open sesame"), hash("päß 水"));
        let file = PasswordFile::parse("users", text.as_bytes()).unwrap();
        assert_eq!(file.len(), 2);
        assert!(file.verify("anna", b"open sesame"));
        assert!(file.verify("ünal", "päß 水".as_bytes()));
        for (user, password) in [("anna", "päß 水"), ("Anna", "open sesame"), ("", "open sesame"), ("anna", "")] {
            assert!(!file.verify(user, password.as_bytes()), "{user} {password}");
        }
    }

    // CVE-2018-12550
    #[test]
    fn an_empty_file_lets_nobody_in() {
        for text in ["", "\n\n", "# nobody yet\n", "\r\n"] {
            let file = PasswordFile::parse("users", text.as_bytes()).unwrap();
            assert!(file.is_empty());
            assert!(!file.verify("", b"") && !file.verify("anna", b""));
        }
        assert!(!PasswordFile::default().verify("anna", b""));
    }

    // CVE-2018-12551
    #[test]
    fn a_garbled_line_spoils_the_file_and_is_named_with_its_line_and_a_remedy() {
        let good = hash("a");
        for (line, word) in [
            ("anna", "no ':'"),
            (":$6$x", "no user"),
            ("anna:", "of 'anna': the password is not hashed"),
            ("anna:plain", "mqtt passwd -U"),
            ("anna:$5$x$y", "$6$ or $7$"),
            ("anna:$7$0$x$y", "iterations"),
            (" ", ""),
        ] {
            let found = errors(&format!("bob:{good}\n{line}\n"));
            if word.is_empty() {
                assert!(found.is_empty(), "{found:?}");
                continue;
            }
            assert_eq!(found.len(), 1, "{line}: {found:?}");
            assert!(found[0].starts_with("users:2: ") && found[0].contains(word), "{found:?}");
        }
        let found = PasswordFile::parse("users", b"bob\xff:x").unwrap_err();
        assert_eq!(found.iter().next().unwrap().line(), Some(1));
    }

    #[test]
    fn all_errors_of_a_file_are_told_in_the_order_of_its_lines() {
        let good = hash("a");
        let found = errors(&format!("x\nbob:{good}\ncarl:{good}\nbob:{good}\ny\n"));
        assert_eq!(found.len(), 3);
        assert!(found[0].starts_with("users:1: "));
        assert_eq!(found[1], "users:4: 'bob' has a password in line 2 already; delete one of the two");
        assert!(found[2].starts_with("users:5: "));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_with_its_name() {
        let error = PasswordFile::read(Path::new("/no/such/file")).unwrap_err().to_string();
        assert!(error.starts_with("/no/such/file: cannot be read: "), "{error}");
    }

    #[test]
    fn an_unknown_user_is_compared_with_the_dearest_hash() {
        let cheap = PasswordHash::new(Algorithm::Sha512, [0; 12], b"a");
        let text = format!("a:{cheap}\nb:{}\nc:{cheap}\n", hash("b"));
        let file = PasswordFile::parse("users", text.as_bytes()).unwrap();
        assert_eq!(file.dearest.as_ref(), file.hash("b"));
        assert!(!file.verify("nobody", b"b"));
    }
}
