//! What is wrong with a file, line by line.

use std::error::Error;
use std::fmt;
use std::path::Path;

/// One thing that is wrong with an access file: where, which rule, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    file: String,
    line: Option<usize>,
    rule: String,
}

impl FileError {
    /// An error in a line, the first of which is 1.
    pub(super) fn at(file: &str, line: usize, rule: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line: Some(line), rule: rule.into() }
    }

    /// The line it is in, from 1; `None` if it concerns the whole file.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.rule),
            None => write!(f, "{}: {}", self.file, self.rule),
        }
    }
}

/// Everything that is wrong with an access file, in the order of its lines; at least one error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileErrors(Vec<FileError>);

impl FileErrors {
    /// `value`, if nothing was found to be wrong.
    pub(super) fn or<T>(errors: Vec<FileError>, value: T) -> Result<T, Self> {
        if errors.is_empty() { Ok(value) } else { Err(Self(errors)) }
    }

    /// The errors, one after the other.
    pub fn iter(&self) -> impl Iterator<Item = &FileError> {
        self.0.iter()
    }
}

impl fmt::Display for FileErrors {
    /// One line each.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl Error for FileErrors {}

/// The bytes of a file, and its name for errors.
pub(super) fn read(path: &Path, remedy: &str) -> Result<(String, Vec<u8>), FileErrors> {
    let file = path.display().to_string();
    match std::fs::read(path) {
        Ok(bytes) => Ok((file, bytes)),
        Err(error) => {
            Err(FileErrors(vec![FileError { file, line: None, rule: format!("cannot be read: {error}; {remedy}") }]))
        }
    }
}

/// The lines that say something, with their numbers: neither blank nor a comment, which has `#` as its first character.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = bytes.split(|byte| *byte == b'\n').zip(1..).map(|(line, number)| (number, line.trim_ascii_end()));
    lines.filter(|(_, line)| !line.is_empty() && line[0] != b'#')
}
