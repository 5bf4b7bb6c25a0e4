//! `mqtt passwd`.

use std::ffi::OsString;
use std::path::PathBuf;

use mqtt_broker::access::Algorithm;

use super::{Command, UsageError, version};

/// Checked arguments of `mqtt passwd`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PasswdArgs {
    pub(crate) file: PathBuf,
    pub(crate) change: Change,
    /// How passwords are hashed.
    pub(crate) algorithm: Algorithm,
}

/// What is done to the file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// The user has this password from now on; without one it is asked for.
    Set { user: String, password: Option<Vec<u8>>, create: bool },
    /// `-D`.
    Delete { user: String },
    /// `-U`.
    HashAll,
}

#[derive(Default)]
struct Flags {
    batch: bool,
    create: bool,
    delete: bool,
    hash_all: bool,
    sha512: bool,
    iterations: Option<u32>,
}

pub(super) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Command, UsageError> {
    let mut parser = lexopt::Parser::from_args(arguments.collect::<Vec<_>>());
    let mut flags = Flags::default();
    let mut values = Vec::new();
    while let Some(argument) = parser.next()? {
        match argument {
            lexopt::Arg::Long("help") => return Ok(Command::Show(HELP.into())),
            lexopt::Arg::Long("version") => return Ok(Command::Show(version())),
            lexopt::Arg::Short('b') => flags.batch = true,
            lexopt::Arg::Short('c') => flags.create = true,
            lexopt::Arg::Short('D') => flags.delete = true,
            lexopt::Arg::Short('U') => flags.hash_all = true,
            lexopt::Arg::Short('H') => flags.sha512 = hash(&text(parser.value(), "-H")?)?,
            lexopt::Arg::Short('I') => flags.iterations = Some(iterations(&text(parser.value(), "-I")?)?),
            lexopt::Arg::Value(file) => {
                // Options stand before the file, so that a password may begin with a dash.
                values.push(file);
                values.extend(parser.raw_args()?);
                break;
            }
            lexopt::Arg::Short(letter) => return Err(unknown(&format!("-{letter}"))),
            lexopt::Arg::Long(name) => return Err(unknown(&format!("--{name}"))),
        }
    }
    flags.finish(values).map(|args| Command::Passwd(Box::new(args)))
}

impl Flags {
    fn finish(self, values: Vec<OsString>) -> Result<PasswdArgs, UsageError> {
        let exclusive =
            [("-c", self.create), ("-D", self.delete), ("-U", self.hash_all)].into_iter().filter(|(_, given)| *given);
        let exclusive: Vec<_> = exclusive.map(|(name, _)| name).collect();
        if let [first, second, ..] = exclusive[..] {
            return Err(UsageError(format!("{first} and {second} cannot be used together")));
        }
        let algorithm = match (self.sha512, self.iterations) {
            (true, Some(_)) => return Err(UsageError::new("-I is for sha512-pbkdf2; sha512 has no iterations")),
            (true, None) => Algorithm::Sha512,
            (false, Some(iterations)) => Algorithm::Pbkdf2 { iterations },
            (false, None) => Algorithm::default(),
        };
        let (file, change) = match (values.len(), self.delete, self.hash_all, self.batch) {
            (1, false, true, false) => (&values[0], Change::HashAll),
            (2, true, false, false) => (&values[0], Change::Delete { user: user(&values[1])? }),
            (2, false, false, false) => {
                (&values[0], Change::Set { user: user(&values[1])?, password: None, create: self.create })
            }
            (3, false, false, true) => {
                let password = Some(checked(values[2].as_encoded_bytes().to_vec()).map_err(UsageError)?);
                (&values[0], Change::Set { user: user(&values[1])?, password, create: self.create })
            }
            _ => return Err(UsageError::new(self.wanted())),
        };
        Ok(PasswdArgs { file: file.into(), change, algorithm })
    }

    /// What stands after these flags.
    fn wanted(&self) -> &'static str {
        match (self.delete, self.hash_all, self.batch) {
            (_, true, true) | (true, _, true) => "-b gives a password, which -D and -U do not take; leave it out",
            (false, true, false) => "-U takes a file and nothing more: mqtt passwd -U FILE",
            (true, false, false) => "-D takes a file and a user: mqtt passwd -D FILE USER",
            (false, false, true) => "-b takes a file, a user and a password: mqtt passwd -b FILE USER PASSWORD",
            _ => "a file and a user are wanted: mqtt passwd [-c] FILE USER; with -b a password after them",
        }
    }
}

/// A password that a file may have, or what is wrong with it.
pub(crate) fn checked(password: Vec<u8>) -> Result<Vec<u8>, String> {
    match password.len() {
        0 => Err("the password is empty; give one of at least a character".into()),
        1..=LONGEST => Ok(password),
        _ => Err(format!("the password has more than {LONGEST} bytes, which MQTT cannot carry")),
    }
}

/// A name that stands for itself in the file: no separator, no comment, no blanks that would be taken off.
fn user(value: &OsString) -> Result<String, UsageError> {
    let Some(name) = value.to_str() else {
        return Err(UsageError(format!("the user '{}' is not UTF-8", value.to_string_lossy())));
    };
    let wrong = if name.is_empty() {
        "is empty"
    } else if name.len() > LONGEST {
        "has more than 65535 bytes"
    } else if name.contains(':') {
        "has a ':', which ends a name in the file"
    } else if name.starts_with('#') {
        "begins with '#', which makes a comment in the file"
    } else if name.chars().any(char::is_control) {
        "has a control character"
    } else if name.trim() != name {
        "begins or ends with a blank, which is not part of a name in the file"
    } else {
        return Ok(name.to_owned());
    };
    Err(UsageError(format!("the user '{name}' {wrong}; choose another name")))
}

fn hash(value: &str) -> Result<bool, UsageError> {
    match value {
        "sha512" => Ok(true),
        "sha512-pbkdf2" => Ok(false),
        _ => Err(UsageError(format!("-H takes sha512-pbkdf2 or sha512, not '{value}'"))),
    }
}

fn iterations(value: &str) -> Result<u32, UsageError> {
    let most = Algorithm::MAXIMUM_ITERATIONS;
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| UsageError(format!("-I takes iterations from 1 to {most}, not '{value}'")))
}

fn text(value: Result<OsString, lexopt::Error>, option: &str) -> Result<String, UsageError> {
    let value = value.map_err(|_| UsageError(format!("{option} needs a value after it")))?;
    value.into_string().map_err(|value| UsageError(format!("{option}: '{}' is not UTF-8", value.to_string_lossy())))
}

fn unknown(option: &str) -> UsageError {
    UsageError(format!("{option} is not an option of this command; --help lists them"))
}

/// The most bytes that a user name or a password of MQTT has.
const LONGEST: usize = 65_535;

const HELP: &str = include_str!("passwd.txt");

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<PasswdArgs, String> {
        match parse(arguments.iter().map(OsString::from)) {
            Ok(Command::Passwd(args)) => Ok(*args),
            Ok(other) => panic!("{other:?}"),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn the_forms_of_mosquitto_passwd_are_taken() {
        let set = |password: Option<&str>, create| Change::Set {
            user: "anna".into(),
            password: password.map(|password| password.as_bytes().to_vec()),
            create,
        };
        for (line, change) in [
            ("users anna", set(None, false)),
            ("-c users anna", set(None, true)),
            ("-b users anna x", set(Some("x"), false)),
            ("-c -b users anna -x", set(Some("-x"), true)),
            ("-cb users anna --", set(Some("--"), true)),
            ("-D users anna", Change::Delete { user: "anna".into() }),
            ("-U users", Change::HashAll),
        ] {
            let args = parsed(&line.split(' ').collect::<Vec<_>>()).unwrap();
            assert_eq!(args, PasswdArgs { file: "users".into(), change, algorithm: Algorithm::default() }, "{line}");
        }
        assert_eq!(parsed(&["-H", "sha512", "-U", "f"]).unwrap().algorithm, Algorithm::Sha512);
        assert_eq!(parsed(&["-I", "5", "-U", "f"]).unwrap().algorithm, Algorithm::Pbkdf2 { iterations: 5 });
    }

    #[test]
    fn a_mistake_is_named_with_its_remedy() {
        for (line, words) in [
            ("", "a file and a user are wanted"),
            ("users", "a file and a user are wanted"),
            ("users anna x", "with -b a password"),
            ("-b users anna", "-b takes a file, a user and a password"),
            ("-c -D users anna", "-c and -D cannot be used together"),
            ("-D -U users", "-D and -U cannot be used together"),
            ("-b -D users anna x", "leave it out"),
            ("-U users anna", "-U takes a file and nothing more"),
            ("-D users", "-D takes a file and a user"),
            ("-H md5 users anna", "-H takes sha512-pbkdf2 or sha512, not 'md5'"),
            ("-I 0 users anna", "from 1 to 1000000"),
            ("-I 9 -H sha512 users anna", "no iterations"),
            ("-x users anna", "-x is not an option"),
            ("users an:na", "':'"),
            ("users #anna", "comment"),
            ("users an\tna", "control character"),
        ] {
            let error = parsed(&line.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>()).unwrap_err();
            assert!(error.contains(words), "{line}: {error}");
        }
        for user in ["", " anna", "anna ", &"x".repeat(65_536)] {
            assert!(parsed(&["users", user]).unwrap_err().contains("choose another name"), "{user}");
        }
        assert!(parsed(&["-b", "users", "anna", ""]).unwrap_err().contains("the password is empty"));
    }
}
