//! `mqtt passwd`: password files as `mosquitto_passwd` writes them.
//!
//! Lines that are not concerned stay as they are, byte for byte. The file is never seen half written.

mod lines;
mod replace;

use std::io::{self, BufRead, IsTerminal};
use std::path::Path;

use mqtt_broker::access::{Algorithm, PasswordHash};

use crate::args::{Change, PasswdArgs, checked};
use crate::report::{Outcome, say};

/// Does what the arguments say.
pub(crate) fn run(args: PasswdArgs) -> Outcome {
    match change(args) {
        Ok(()) => Outcome::Done,
        Err(Failure::Differ) => {
            say("mqtt: the passwords differ; nothing was changed");
            Outcome::Failed
        }
        Err(Failure::Other(text)) => {
            say(format_args!("mqtt: {text}"));
            Outcome::Usage
        }
    }
}

enum Failure {
    /// The two passwords that were typed.
    Differ,
    Other(String),
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Self::Other(text)
    }
}

fn change(args: PasswdArgs) -> Result<(), Failure> {
    let PasswdArgs { file, change, algorithm } = args;
    // Read before the password is asked for: nobody shall type one twice for a file that cannot be changed.
    let creates = matches!(change, Change::Set { create: true, .. });
    let old = if creates { replace::check(&file).map(|()| Vec::new())? } else { read(&file)? };
    let lines = lines::parse(&file, &old)?;
    let new = match change {
        Change::Set { user, password, create: _ } => {
            let password = match password {
                Some(password) => password,
                None => ask()?,
            };
            lines::set(&lines, &user, &hash(algorithm, &password)?)
        }
        Change::Delete { user } => lines::delete(&lines, &user)
            .ok_or_else(|| format!("'{user}' is not in {}; nothing was changed", file.display()))?,
        Change::HashAll => lines::hash_all(&file, &lines, |password| hash(algorithm, password))?,
    };
    replace::replace(&file, &new).map_err(|error| format!("cannot write {}: {error}", file.display()).into())
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| {
        let hint = if error.kind() == io::ErrorKind::NotFound { "; -c makes a new file" } else { "" };
        format!("cannot read {}: {error}{hint}", file.display())
    })
}

fn hash(algorithm: Algorithm, password: &[u8]) -> Result<PasswordHash, String> {
    let mut salt = [0; 12];
    getrandom::fill(&mut salt).map_err(|error| format!("the system has no random salt to give: {error}"))?;
    Ok(PasswordHash::new(algorithm, salt, password))
}

/// Asks twice: at the terminal without echo, or else for two lines of stdin.
fn ask() -> Result<Vec<u8>, Failure> {
    let (first, second) = if io::stdin().is_terminal() {
        (prompt("Password: ")?, prompt("Reenter password: ")?)
    } else {
        let mut stdin = io::stdin().lock();
        (line(&mut stdin)?, line(&mut stdin)?)
    };
    let first = checked(first)?;
    if first == second { Ok(first) } else { Err(Failure::Differ) }
}

fn prompt(text: &str) -> Result<Vec<u8>, String> {
    let typed = rpassword::prompt_password(text);
    typed
        .map(String::into_bytes)
        .map_err(|error| format!("cannot ask for the password: {error}; -b takes it as an argument"))
}

fn line(stdin: &mut impl BufRead) -> Result<Vec<u8>, String> {
    let mut line = Vec::new();
    stdin.read_until(b'\n', &mut line).map_err(|error| format!("cannot read the password from stdin: {error}"))?;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    Ok(line)
}
