//! The tables `docs/conformance/*.toml`.

use std::fs;
use std::path::Path;
use std::str::FromStr;

/// The statements of one version.
pub(crate) struct Table {
    pub(crate) version: &'static str,
    /// In the order of the standard.
    pub(crate) rows: Vec<Row>,
}

/// One statement.
pub(crate) struct Row {
    pub(crate) id: String,
    /// Codec, client, server, or both of the latter.
    pub(crate) binds: String,
    /// What it asks, in our words.
    pub(crate) says: String,
    pub(crate) met: Met,
    /// What the named tests cannot show.
    pub(crate) left: Option<String>,
}

/// How a statement is met.
pub(crate) enum Met {
    /// These tests show it.
    Test(Vec<TestName>),
    /// A type, or the design, makes it so.
    By(String),
    /// Who embeds the state machine has to do it.
    Caller(String),
    /// It is not.
    Not(String),
}

impl Met {
    /// The kinds, in the order in which they are counted.
    pub(crate) const KINDS: [&str; 4] = ["test", "by", "caller", "not"];

    /// One of [`KINDS`](Self::KINDS).
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Test(_) => "test",
            Self::By(_) => "by",
            Self::Caller(_) => "caller",
            Self::Not(_) => "not",
        }
    }
}

/// A test: its file below `crates/`, and its function.
pub(crate) struct TestName {
    pub(crate) file: String,
    pub(crate) function: String,
}

impl FromStr for TestName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("::") {
            Some((file, function)) if file.ends_with(".rs") && !function.is_empty() => {
                Ok(Self { file: file.to_owned(), function: function.to_owned() })
            }
            _ => Err(format!("{text:?} is not FILE.rs::FUNCTION")),
        }
    }
}

/// Reads the tables of a folder.
pub(crate) fn load(folder: &Path) -> Result<Vec<Table>, String> {
    let load = |version: &'static str| {
        let name = format!("{version}.toml");
        let text = fs::read_to_string(folder.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        rows(&text).map(|rows| Table { version, rows }).map_err(|why| format!("{name}: {why}"))
    };
    ["3.1", "3.1.1", "5.0"].into_iter().map(load).collect()
}

fn rows(text: &str) -> Result<Vec<Row>, String> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| error.to_string())?;
    let mut rows = Vec::new();
    for (id, fields) in table {
        rows.push(row(&id, &fields).map_err(|why| format!("{id}: {why}"))?);
    }
    rows.sort_by_cached_key(|row| natural(&row.id));
    Ok(rows)
}

fn row(id: &str, fields: &toml::Value) -> Result<Row, String> {
    let fields = fields.as_table().ok_or("not a table")?;
    let known = ["binds", "says", "left"];
    if let Some(name) =
        fields.keys().find(|name| !known.contains(&name.as_str()) && !Met::KINDS.contains(&name.as_str()))
    {
        return Err(format!("what is {name:?}?"));
    }
    let words = |name: &str| -> Result<Option<String>, String> {
        match fields.get(name).map(|value| value.as_str().filter(|words| !words.is_empty())) {
            None => Ok(None),
            Some(Some(words)) => Ok(Some(words.to_owned())),
            Some(None) => Err(format!("{name} holds no words")),
        }
    };
    let mut met = vec![
        fields.get("test").map(tests).transpose()?.map(Met::Test),
        words("by")?.map(Met::By),
        words("caller")?.map(Met::Caller),
        words("not")?.map(Met::Not),
    ];
    met.retain(Option::is_some);
    let [Some(_)] = &met[..] else {
        return Err("exactly one of test, by, caller, not must be there".into());
    };
    let met = met.pop().flatten().expect("it was just seen");
    let binds = words("binds")?.ok_or("whom does it bind?")?;
    if !["codec", "client", "server", "both"].contains(&binds.as_str()) {
        return Err(format!("{binds:?} is nobody it could bind"));
    }
    let left = words("left")?;
    if left.is_some() && !matches!(met, Met::Test(_)) {
        return Err("`left` stands beside `test` alone".into());
    }
    Ok(Row { id: id.to_owned(), binds, says: words("says")?.ok_or("what does it say?")?, met, left })
}

fn tests(value: &toml::Value) -> Result<Vec<TestName>, String> {
    let names = value.as_array().filter(|names| !names.is_empty()).ok_or("test is a list of names")?;
    names.iter().map(|name| name.as_str().ok_or("a test has a name")?.parse()).collect()
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u32),
    Word(String),
}

/// Sorts 3.2 before 3.10.
fn natural(id: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for chunk in id.chars().collect::<Vec<_>>().chunk_by(|a, b| a.is_ascii_digit() == b.is_ascii_digit()) {
        let chunk: String = chunk.iter().collect();
        parts.push(chunk.parse().map_or(Part::Word(chunk), Part::Number));
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHO: &str = "[\"MQTT-1.1.1-1\"]\nbinds = \"codec\"\nsays = \"be good\"\n";

    fn one(rest: &str) -> Result<Vec<Row>, String> {
        rows(&format!("{WHO}{rest}"))
    }

    #[test]
    fn a_statement_is_met_in_exactly_one_way() {
        assert_eq!(one("by = \"a type\"").unwrap()[0].met.kind(), "by");
        assert_eq!(one("test = [\"a.rs::b\"]\nleft = \"more\"").unwrap()[0].met.kind(), "test");
        for wrong in
            ["", "by = \"\"", "by = \"a\"\nnot = \"b\"", "test = []", "test = [\"b\"]", "not = \"a\"\nleft = \"b\""]
        {
            assert!(one(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_of_another_name_and_a_second_statement_of_one_id_are_mistakes() {
        assert!(one("by = \"a\"\nbecause = \"b\"").is_err());
        assert!(one(&format!("by = \"a\"\n{WHO}by = \"a\"\n")).is_err());
    }

    #[test]
    fn statements_stand_in_the_order_of_the_standard() {
        let row = |id: &str| format!("[\"{id}\"]\nbinds = \"both\"\nsays = \"s\"\nby = \"b\"\n");
        let text = ["U5-1.1", "MQTT-3.10.1-1", "MQTT-3.2.0-10", "MQTT-3.2.0-9"].map(row).concat();
        let ids: Vec<_> = rows(&text).unwrap().into_iter().map(|row| row.id).collect();
        assert_eq!(ids, ["MQTT-3.2.0-9", "MQTT-3.2.0-10", "MQTT-3.10.1-1", "U5-1.1"]);
    }
}
