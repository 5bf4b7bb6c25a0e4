//! The programs in README.md are files of `crates/*/examples/` and `tests/`, so the tests compile what readers copy.
//!
//! A block in the README that follows a line `<!-- example: PATH -->` holds exactly that file.

use std::fs;

use crate::shell::root;

const OPENS: &str = "<!-- example: ";
const CLOSES: &str = " -->";

/// The smallest useful program must stay this small.
const LONGEST: usize = 12;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let path = root().join("README.md");
    let present = fs::read_to_string(&path).map_err(|error| format!("README.md: {error}"))?;
    let wanted = with_examples(&present, |file| {
        fs::read_to_string(root().join(file)).map_err(|error| format!("{file}: {error}"))
    })?;

    if present == wanted {
        println!("README.md shows its examples as they are");
        return Ok(());
    }
    if arguments.iter().any(|argument| argument == "--check") {
        return Err("README.md shows examples as they were: run `cargo xtask readme`".into());
    }
    fs::write(&path, wanted).map_err(|error| format!("README.md: {error}"))?;
    println!("README.md rewritten");
    Ok(())
}

/// The text with each marked block replaced by its file.
fn with_examples(text: &str, read: impl Fn(&str) -> Result<String, String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        push(&mut out, line);
        let Some(file) = line.strip_prefix(OPENS).and_then(|rest| rest.strip_suffix(CLOSES)) else {
            continue;
        };
        let mut fence = lines.next().ok_or_else(|| format!("{file}: no block follows"))?;
        while fence.is_empty() {
            push(&mut out, fence);
            fence = lines.next().ok_or_else(|| format!("{file}: no block follows"))?;
        }
        if fence != "```rust" {
            return Err(format!("{file}: a block that opens with ```rust must follow"));
        }
        if !lines.any(|line| line == "```") {
            return Err(format!("{file}: its block is never closed"));
        }
        let program = read(file)?;
        let program = without_crate_docs(&program);
        let length = program.lines().count();
        if file.contains("/smallest_") && length > LONGEST {
            return Err(format!("{file}: {length} lines, {LONGEST} are allowed"));
        }
        push(&mut out, fence);
        push(&mut out, program);
        push(&mut out, "```");
    }
    Ok(out)
}

/// What an example says of itself (`//!` lines and the blank after them) is the README's to say.
fn without_crate_docs(program: &str) -> &str {
    let mut rest = program;
    while rest.starts_with("//!") || rest.starts_with('\n') {
        rest = rest.split_once('\n').map_or("", |(_, after)| after);
    }
    rest.trim_end()
}

fn push(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "//! Says hello.\n\nfn main() {\n    hello();\n}\n";

    fn reader(_: &str) -> Result<String, String> {
        Ok(PROGRAM.to_owned())
    }

    #[test]
    fn a_marked_block_becomes_the_file_and_the_rest_stays() {
        let text = "# A\n<!-- example: a.rs -->\n\n```rust\nold\n```\n\nb\n";
        let wanted = "# A\n<!-- example: a.rs -->\n\n```rust\nfn main() {\n    hello();\n}\n```\n\nb\n";
        assert_eq!(with_examples(text, reader).unwrap(), wanted);
        assert_eq!(with_examples(wanted, reader).unwrap(), wanted, "and a second run changes nothing");
    }

    #[test]
    fn a_marker_without_its_block_is_an_error() {
        for text in ["<!-- example: a.rs -->\n", "<!-- example: a.rs -->\ntext\n", "<!-- example: a.rs -->\n```rust\n"]
        {
            assert!(with_examples(text, reader).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_program_that_outgrew_its_promise_is_an_error() {
        let error = with_examples("<!-- example: examples/smallest_tokio.rs -->\n```rust\n```\n", |_| {
            Ok("line\n".repeat(LONGEST + 1))
        })
        .unwrap_err();
        assert!(error.contains("13 lines"), "{error}");
    }
}
