//! The access control list: who may read and write what.
//!
//! Rules of the file, Mosquitto's own:
//! - `topic [read|write|readwrite|deny] FILTER` is for the user of the last `user NAME` line above it; before the first
//!   one, for clients without a user name.
//! - `pattern [...] FILTER` is for everybody, wherever it stands. `%c` in it is the client id, `%u` the user name.
//! - A client's `topic` rules decide first, then the patterns; in each a `deny` that matches wins. What no rule matches is
//!   denied.
//! - A wildcard at the start of a filter does not match a topic that begins with `$`.
//!
//! Client ids and user names are chosen by strangers (CVE-2017-7650). A value takes the place of `%c` and `%u` inside one
//! level and is compared letter by letter: nothing in it is a wildcard, a separator or a leading `$`. Unlike with
//! Mosquitto a `/` in it therefore never reaches into another client's subtree: such a client gets nothing from patterns.

use std::collections::BTreeMap;
use std::path::Path;

use mqtt_proto::{Text, TopicFilter};

use super::error::{FileError, FileErrors, lines, read};

/// What a client wants to do with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Receive its messages.
    Read,
    /// Publish to it.
    Write,
}

/// Who may read and write what. The default allows nothing to anybody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AclFile {
    anonymous: Rules,
    users: BTreeMap<String, Rules>,
    patterns: Rules,
    /// What is compared with client ids and user names, so that a value that cannot be compared denies.
    uses_client_id: bool,
    uses_username: bool,
}

impl AclFile {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// If it cannot be read, and as [`AclFile::parse`].
    pub fn read(path: &Path) -> Result<Self, FileErrors> {
        let (file, bytes) = read(path, "give the path of a file with 'user', 'topic' and 'pattern' lines")?;
        Self::parse(&file, &bytes)
    }

    /// What these bytes say; `file` is their name in errors. Lines that begin with `#`, and blank ones, say nothing.
    ///
    /// An empty file has no rules: everything is denied.
    ///
    /// # Errors
    ///
    /// Each line that is not one of the three kinds. The rest of the file is not used then.
    pub fn parse(file: &str, bytes: &[u8]) -> Result<Self, FileErrors> {
        let mut errors = Vec::new();
        let mut acl = Self::default();
        let mut user = None;
        for (number, line) in lines(bytes) {
            if let Err(rule) = acl.line(line, &mut user) {
                errors.push(FileError::at(file, number, rule));
            }
        }
        FileErrors::or(errors, acl)
    }

    /// Takes one line. `user` is who `topic` lines are for.
    fn line(&mut self, line: &[u8], user: &mut Option<String>) -> Result<(), String> {
        let text = Text::new(line).map_err(|error| format!("{error}; the file must be UTF-8 text"))?;
        let (keyword, rest) = split(text.as_str());
        match keyword {
            "user" if rest.is_empty() => Err("the name is missing; write 'user NAME'".into()),
            "user" => {
                // From here on the user is known, if only for what patterns grant.
                self.users.entry(rest.to_owned()).or_default();
                *user = Some(rest.to_owned());
                Ok(())
            }
            "topic" => {
                let rule = Rule::parse(rest, false)?;
                match user {
                    None => self.anonymous.0.push(rule),
                    Some(name) => self.users.entry(name.clone()).or_default().0.push(rule),
                }
                Ok(())
            }
            "pattern" => {
                let rule = Rule::parse(rest, true)?;
                self.uses_client_id |= rule.uses(&Part::ClientId);
                self.uses_username |= rule.uses(&Part::Username);
                self.patterns.0.push(rule);
                Ok(())
            }
            _ => Err(format!("'{keyword}' is not 'user', 'topic' or 'pattern'; put '#' before a comment")),
        }
    }

    /// Whether the client may do this with a topic, which is a topic name and not a filter.
    ///
    /// Costs a comparison per rule of this user and per pattern.
    #[must_use]
    pub fn allows(&self, username: Option<&str>, client_id: &str, access: Access, topic: &str) -> bool {
        let own = match username {
            None => Some(&self.anonymous),
            Some(name) => self.users.get(name),
        };
        let names = Names { client_id, username };
        if let Some(decided) = own.and_then(|rules| rules.decide(names, access, topic)) {
            return decided;
        }
        let opaque = |value: &str| value.contains(['+', '#', '/']);
        if self.uses_client_id && opaque(client_id) || self.uses_username && username.is_some_and(opaque) {
            // Patterns were written for values that fill a level. A `deny` among them would not match this one.
            return false;
        }
        self.patterns.decide(names, access, topic).unwrap_or(false)
    }
}

/// What `%c` and `%u` stand for.
#[derive(Clone, Copy)]
struct Names<'a> {
    client_id: &'a str,
    username: Option<&'a str>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Rules(Vec<Rule>);

impl Rules {
    /// What the rules say about it; `None`: nothing.
    fn decide(&self, names: Names<'_>, access: Access, topic: &str) -> Option<bool> {
        let mut granted = None;
        for rule in self.0.iter().filter(|rule| rule.concerns(access) && rule.filter.matches(names, topic)) {
            if rule.right == Right::Deny {
                return Some(false);
            }
            granted = Some(true);
        }
        granted
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Right {
    Read,
    Write,
    ReadWrite,
    Deny,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    right: Right,
    filter: Filter,
}

impl Rule {
    /// What stands after `topic` or `pattern`.
    fn parse(text: &str, is_pattern: bool) -> Result<Self, String> {
        let (first, rest) = split(text);
        let (right, filter) = match (first, rest) {
            ("", _) => return Err("the topic is missing; write 'topic [read|write|readwrite|deny] FILTER'".into()),
            // A topic may be called `read`; one with a blank in it needs the right before it.
            (only, "") => (Right::ReadWrite, only),
            ("read", filter) => (Right::Read, filter),
            ("write", filter) => (Right::Write, filter),
            ("readwrite", filter) => (Right::ReadWrite, filter),
            ("deny", filter) => (Right::Deny, filter),
            (other, _) => {
                return Err(format!(
                    "'{other}' is not read, write, readwrite or deny; one of them must stand before a topic with blanks"
                ));
            }
        };
        TopicFilter::try_from(filter).map_err(|error| format!("'{filter}' is not a topic filter: {error}"))?;
        Ok(Self { right, filter: Filter::parse(filter, is_pattern) })
    }

    fn concerns(&self, access: Access) -> bool {
        match self.right {
            Right::Read => access == Access::Read,
            Right::Write => access == Access::Write,
            Right::ReadWrite | Right::Deny => true,
        }
    }

    fn uses(&self, wanted: &Part) -> bool {
        self.filter.0.iter().any(|level| matches!(level, Level::Name(parts) if parts.contains(wanted)))
    }
}

/// The levels of a filter, which is valid.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Filter(Vec<Level>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    /// `+`
    Any,
    /// `#`
    Rest,
    /// A level whose text is these parts, one after the other; none for an empty level.
    Name(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    ClientId,
    Username,
}

impl Filter {
    fn parse(text: &str, is_pattern: bool) -> Self {
        Self(text.split('/').map(|level| Level::parse(level, is_pattern)).collect())
    }

    fn matches(&self, names: Names<'_>, topic: &str) -> bool {
        if topic.starts_with('$') && !self.names_a_dollar() {
            return false; // MQTT-4.7.2-1, also for a `$` that a client id would bring in
        }
        let mut levels = topic.split('/');
        for level in &self.0 {
            let matched = match level {
                Level::Rest => return true,
                Level::Any => levels.next().is_some(),
                Level::Name(parts) => levels.next().is_some_and(|text| are(parts, names, text)),
            };
            if !matched {
                return false;
            }
        }
        levels.next().is_none()
    }

    fn names_a_dollar(&self) -> bool {
        match self.0.first() {
            Some(Level::Name(parts)) => matches!(parts.first(), Some(Part::Text(text)) if text.starts_with('$')),
            Some(Level::Any | Level::Rest) | None => false,
        }
    }
}

impl Level {
    fn parse(text: &str, is_pattern: bool) -> Self {
        match text {
            "+" => Self::Any,
            "#" => Self::Rest,
            "" => Self::Name(Vec::new()),
            text if is_pattern => Self::Name(parts(text)),
            text => Self::Name(vec![Part::Text(text.to_owned())]),
        }
    }
}

fn parts(mut text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    while let Some(at) = text.find("%c").into_iter().chain(text.find("%u")).min() {
        if at > 0 {
            parts.push(Part::Text(text[..at].to_owned()));
        }
        parts.push(if text[at..].starts_with("%c") { Part::ClientId } else { Part::Username });
        text = &text[at + "%c".len()..];
    }
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    parts
}

/// Whether the parts, written one after the other, are this level of a topic.
fn are(parts: &[Part], names: Names<'_>, level: &str) -> bool {
    let mut rest = Some(level);
    for part in parts {
        let text = match part {
            Part::Text(text) => Some(text.as_str()),
            Part::ClientId => Some(names.client_id),
            Part::Username => names.username,
        };
        rest = rest.zip(text).and_then(|(rest, text)| rest.strip_prefix(text));
    }
    rest == Some("")
}

/// The first word, and what comes after it without the blanks around it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    match text.split_once([' ', '\t']) {
        Some((word, rest)) => (word, rest.trim()),
        None => (text, ""),
    }
}

#[cfg(test)]
#[path = "acl_tests.rs"]
mod tests;
