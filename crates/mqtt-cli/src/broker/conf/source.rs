//! From files to directives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directive::{Directive, Draft};
use super::{ConfError, Place};

/// Reads the main file.
pub(super) fn read(file: &Path, draft: &mut Draft) {
    match fs::read(file) {
        Ok(bytes) => directives(&bytes, file, draft, true),
        Err(error) => draft.errors.push(ConfError {
            place: None,
            text: format!("cannot read {}: {error}; give the path of a configuration file", file.display()),
        }),
    }
}

fn directives(bytes: &[u8], file: &Path, draft: &mut Draft, is_main: bool) {
    // Mosquitto forgets the listener at the start of a file and comes back to it at the end.
    let outer = draft.current.take();
    let file: Arc<Path> = file.into();
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        draft.lines += 1;
        let place = Place { file: Arc::clone(&file), line: number, order: draft.lines };
        let Ok(line) = std::str::from_utf8(line) else {
            draft.error(place, "the line is not UTF-8 text; save the file as UTF-8");
            continue;
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        let directive = Directive { place: place.clone(), name, value: value.trim() };
        let result = match name {
            "include_dir" if is_main => include(&directive, draft),
            "include_dir" => Err("only the main file can include others; delete the line".to_owned()),
            _ => draft.take(&directive),
        };
        if let Err(text) = result {
            draft.error(place, &format!("{name}: {text}"));
        }
    }
    draft.current = outer;
}

/// Reads the files `*.conf` of a folder.
fn include(directive: &Directive<'_>, draft: &mut Draft) -> Result<(), String> {
    let folder = Path::new(directive.text()?);
    let files = conf_files(folder).map_err(|error| {
        format!("cannot read the folder {}: {error}; make it, or delete the line", folder.display())
    })?;
    for file in files {
        match fs::read(&file) {
            Ok(bytes) => directives(&bytes, &file, draft, false),
            Err(error) => {
                let text = format!("include_dir: cannot read {}: {error}; mend its permissions", file.display());
                draft.error(directive.place.clone(), &text);
            }
        }
    }
    Ok(())
}

/// In Mosquitto's order: that of the alphabet, in which an upper case letter comes before the same in lower case.
fn conf_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        let key = name.to_string_lossy().into_owned();
        if key.len() > ".conf".len() && key.ends_with(".conf") {
            files.push(((key.to_lowercase(), key), folder.join(name)));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, file)| file).collect())
}
