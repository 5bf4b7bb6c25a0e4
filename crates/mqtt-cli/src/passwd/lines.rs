//! The lines of a password file, changed one at a time.

use std::path::Path;

use mqtt_broker::access::{HashError, PasswordHash};

/// A line with its end.
pub(super) struct Line<'a> {
    bytes: &'a [u8],
    number: usize,
    /// Who it is for and what stands after the colon; `None` for a comment or a blank line.
    entry: Option<(&'a [u8], &'a [u8])>,
}

/// Splits a file into lines.
///
/// A line that names nobody is an error: this is perhaps no password file, and then it must not be changed.
pub(super) fn parse<'a>(file: &Path, bytes: &'a [u8]) -> Result<Vec<Line<'a>>, String> {
    let mut lines = Vec::new();
    for (bytes, number) in bytes.split_inclusive(|byte| *byte == b'\n').zip(1..) {
        let text = bytes.trim_ascii_end();
        let entry = if text.is_empty() || text.starts_with(b"#") {
            None
        } else {
            let colon = text.iter().position(|byte| *byte == b':');
            let entry = colon.map(|at| (text[..at].trim_ascii(), text[at + 1..].trim_ascii()));
            Some(entry.filter(|(user, _)| !user.is_empty()).ok_or_else(|| {
                format!(
                    "{}:{number}: not a user, a ':' and a password; mend or delete the line, nothing was changed",
                    file.display()
                )
            })?)
        };
        lines.push(Line { bytes, number, entry });
    }
    Ok(lines)
}

/// The file with this hash as the user's only one: in its old place, or in a line at the end.
pub(super) fn set(lines: &[Line<'_>], user: &str, hash: &PasswordHash) -> Vec<u8> {
    let entry = format!("{user}:{hash}\n");
    let mut file = Vec::new();
    let mut written = false;
    for line in lines {
        if !line.is_of(user) {
            line.append_to(&mut file);
        } else if !written {
            file.extend_from_slice(entry.as_bytes());
            written = true;
        }
    }
    if !written {
        file.extend_from_slice(entry.as_bytes());
    }
    file
}

/// The file without the user; `None` if it does not have this user.
pub(super) fn delete(lines: &[Line<'_>], user: &str) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    lines.iter().filter(|line| !line.is_of(user)).for_each(|line| line.append_to(&mut file));
    lines.iter().any(|line| line.is_of(user)).then_some(file)
}

/// The file with every plain password hashed.
pub(super) fn hash_all(
    file: &Path,
    lines: &[Line<'_>],
    mut hash: impl FnMut(&[u8]) -> Result<PasswordHash, String>,
) -> Result<Vec<u8>, String> {
    let mut hashed = Vec::new();
    for line in lines {
        let Some((user, password)) = line.entry else {
            line.append_to(&mut hashed);
            continue;
        };
        let error = |rule: &str| format!("{}:{}: {rule}; nothing was changed", file.display(), line.number);
        if password.is_empty() {
            return Err(error("the password is empty; write one, or delete the line"));
        }
        match std::str::from_utf8(password).map(str::parse::<PasswordHash>) {
            Ok(Ok(_)) => line.append_to(&mut hashed),
            // Not UTF-8, so bytes that somebody chose.
            Ok(Err(HashError::NotHashed)) | Err(_) => {
                hashed.extend_from_slice(user);
                hashed.extend_from_slice(format!(":{}\n", hash(password)?).as_bytes());
            }
            // `$7$` and something: rather a damaged hash than a password, and hashed it would let nobody in.
            Ok(Err(damaged)) => return Err(error(&damaged.to_string())),
        }
    }
    Ok(hashed)
}

impl Line<'_> {
    fn is_of(&self, user: &str) -> bool {
        self.entry.is_some_and(|(name, _)| name == user.as_bytes())
    }

    /// As it is, but for the end that the last line may lack.
    fn append_to(&self, file: &mut Vec<u8>) {
        file.extend_from_slice(self.bytes);
        if !self.bytes.ends_with(b"\n") {
            file.push(b'\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtt_broker::access::{Algorithm, PasswordFile};

    use super::*;

    const FILE: &str = "# staff\nanna:$old\n\n b ob :x:y\r\nanna:$older\ncarl:z";

    fn lines(text: &str) -> Vec<Line<'_>> {
        parse(Path::new("users"), text.as_bytes()).unwrap()
    }

    fn hash(password: &[u8]) -> PasswordHash {
        PasswordHash::new(Algorithm::Sha512, [1; 12], password)
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_new_password_takes_the_place_of_every_old_one_and_leaves_the_rest() {
        let new = hash(b"new");
        assert_eq!(text(set(&lines(FILE), "anna", &new)), format!("# staff\nanna:{new}\n\n b ob :x:y\r\ncarl:z\n"));
        assert_eq!(text(set(&lines(FILE), "dora", &new)), format!("{FILE}\ndora:{new}\n"));
        assert_eq!(text(set(&lines(""), "dora", &new)), format!("dora:{new}\n"));
        assert_eq!(
            text(set(&lines(FILE), "b ob", &new)),
            format!("# staff\nanna:$old\n\nb ob:{new}\nanna:$older\ncarl:z\n")
        );
    }

    #[test]
    fn a_deleted_user_is_gone_from_every_line() {
        assert_eq!(text(delete(&lines(FILE), "anna").unwrap()), "# staff\n\n b ob :x:y\r\ncarl:z\n");
        assert_eq!(delete(&lines(FILE), "Anna"), None);
        assert_eq!(delete(&lines(FILE), "ann"), None);
    }

    #[test]
    fn plain_passwords_are_hashed_and_hashes_stay() {
        let old = hash(b"old");
        let plain = format!("# staff\nanna:open sesame\r\nbob:{old}\ncarl: pass:word \n");
        let hashed = hash_all(Path::new("users"), &lines(&plain), |password| Ok(hash(password))).unwrap();
        let file = PasswordFile::parse("users", &hashed).unwrap();
        assert!(file.verify("anna", b"open sesame") && file.verify("bob", b"old") && file.verify("carl", b"pass:word"));
        assert!(text(hashed.clone()).contains(&format!("\nbob:{old}\n")));
        let again = hash_all(Path::new("users"), &lines(&text(hashed.clone())), |password| Ok(hash(password))).unwrap();
        assert_eq!(again, hashed);
    }

    #[test]
    fn what_is_neither_a_password_nor_a_hash_is_not_hashed() {
        for (line, words) in [("anna:", "users:2: the password is empty"), ("anna:$7$1$x", "users:2: the hash must be")]
        {
            let plain = format!("# staff\n{line}\n");
            let error = hash_all(Path::new("users"), &lines(&plain), |password| Ok(hash(password))).unwrap_err();
            assert!(error.contains(words) && error.contains("nothing was changed"), "{error}");
        }
    }

    #[test]
    fn a_line_that_names_nobody_is_an_error_with_its_number() {
        for garbled in ["anna", ":x", "  :x", "listener 1883"] {
            let text = format!("bob:x\n{garbled}\n");
            let error = parse(Path::new("users"), text.as_bytes()).err().unwrap();
            assert!(error.starts_with("users:2: "), "{error}");
        }
    }
}
