//! Statement ids in Rust code, and the functions that they stand in.
//!
//! The code is formatted by rustfmt, so a function ends with a brace as far in as its `fn`.

/// A file of code.
pub(crate) struct Source {
    text: String,
}

/// A function with the comments and attributes above it.
pub(crate) struct Function {
    pub(crate) text: String,
    /// It is a test, and not an ignored one.
    pub(crate) is_test: bool,
}

impl Source {
    pub(crate) fn new(text: String) -> Self {
        Self { text }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The first function of this name.
    pub(crate) fn function(&self, name: &str) -> Option<Function> {
        let lines: Vec<&str> = self.text.lines().collect();
        let at = lines.iter().position(|line| opens(line, name))?;
        let above = lines[..at].iter().rev().take_while(|line| {
            let line = line.trim_start();
            line.starts_with("//") && !line.starts_with("//!") || line.starts_with("#[")
        });
        let start = at - above.count();
        let indent = lines[at].len() - lines[at].trim_start().len();
        let closes = |line: &&str| line.len() == indent + 1 && line.ends_with('}');
        let end = lines[at..].iter().position(closes).map_or(at, |length| at + length);
        let has_attribute = |is_it: fn(&str) -> bool| {
            lines[start..at].iter().any(|line| line.trim_start().strip_prefix("#[").is_some_and(is_it))
        };
        let is_test =
            has_attribute(|name| name.ends_with("test]")) && !has_attribute(|name| name.starts_with("ignore"));
        Some(Function { text: lines[start..=end].join("\n"), is_test })
    }
}

fn opens(line: &str, name: &str) -> bool {
    let mut line = line.trim_start();
    for word in ["pub ", "pub(crate) ", "async "] {
        line = line.strip_prefix(word).unwrap_or(line);
    }
    let rest = line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(name));
    rest.is_some_and(|rest| rest.starts_with(['(', '<']))
}

/// The statement ids in a text, in their order.
pub(crate) fn ids(text: &str) -> Vec<&str> {
    let mut ids = Vec::new();
    for prefix in ["MQTT-", "U5-", "U311-", "D31-"] {
        for (at, _) in text.match_indices(prefix) {
            let before = text[..at].chars().next_back();
            if !before.is_some_and(|before| before.is_alphanumeric() || before == '-') {
                ids.extend(id(&text[at..], prefix));
            }
        }
    }
    ids
}

/// The id at the beginning of a text, if there is a whole one.
fn id<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let rest = &text[prefix.len()..];
    let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(rest.len());
    let rest = rest[..len].trim_end_matches(['.', '-']);
    let is_whole = match prefix {
        // A section and the number of a statement in it; `MQTT-3.1.2` alone names a section.
        "MQTT-" => rest.split_once('-').is_some_and(|(section, number)| {
            let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            section.split('.').all(is_number) && is_number(number)
        }),
        _ => !rest.is_empty(),
    };
    is_whole.then(|| &text[..prefix.len() + rest.len()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_found_whole() {
        let text = "// MQTT-3.1.2-22, (U5-2.2.2a), U311-fixed-len. D31-name: MQTT-4.2-1\n\"[MQTT-1.5.4-1] \"";
        let mut found = ids(text);
        found.sort_unstable();
        assert_eq!(found, ["D31-name", "MQTT-1.5.4-1", "MQTT-3.1.2-22", "MQTT-4.2-1", "U311-fixed-len", "U5-2.2.2a"]);
    }

    #[test]
    fn a_section_the_beginning_of_an_id_and_a_longer_word_are_none() {
        assert!(ids("MQTT-3.1.2 MQTT-3.1.2- MQTT-clients U5- THEMQTT-1.1.1-1 mqtt-1.1.1-1").is_empty());
    }

    #[test]
    fn a_function_is_its_comments_attributes_and_body() {
        let text = "//! File.\n\n// One.\n#[test]\nfn one() {\n    two();\n}\n\n    // Two.\n    fn two() {\n    }\nfn three() {}\n";
        let source = Source::new(text.to_owned());
        let one = source.function("one").unwrap();
        assert_eq!((one.text.as_str(), one.is_test), ("// One.\n#[test]\nfn one() {\n    two();\n}", true));
        let two = source.function("two").unwrap();
        assert_eq!((two.text.as_str(), two.is_test), ("    // Two.\n    fn two() {\n    }", false));
        assert_eq!(source.function("three").unwrap().text, "fn three() {}");
        assert!(source.function("tw").is_none());
    }
}
