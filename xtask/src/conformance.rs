//! What the standards demand, and how it is met: `docs/conformance/*.toml`, checked both ways and shown as one page.
//!
//! - Each test that a table names exists and says in its text which statement it shows.
//! - Each statement that a comment or an error in `crates/` or `fuzz/` names is one of the tables.
//! - Where the reference tables of the project lie beside the workspace (`shared/spec/`), none of their ids is missing.
//! - Each bug of others in `docs/bugs.md` has a test that exists, or a reason.
//! - At most 5 % of the statements are left to the caller.

mod bugs;
mod matrix;
mod mentions;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use self::mentions::Source;
use self::tables::{Met, Row, Table};
use crate::shell::root;

const MATRIX: &str = "docs/generated/conformance.md";

/// How many of a hundred statements may be the caller's.
const CALLERS: usize = 5;

pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let tables = tables::load(&root().join("docs/conformance"))?;
    let sources = sources()?;

    let mut wrong = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        wrong.extend(unshown(row, &sources));
    }
    wrong.extend(unknown(&tables, &sources));
    wrong.extend(absent(&tables)?);
    wrong.extend(too_many_callers(&tables));
    wrong.extend(bugs::mistakes(root(), &sources)?);
    if !wrong.is_empty() {
        return Err(format!("{} mistakes\n  {}", wrong.len(), wrong.join("\n  ")));
    }

    print!("{}", matrix::counts(&tables));
    publish(&matrix::page(&tables), arguments.iter().any(|argument| argument == "--check"))
}

/// Compares the page with the file, or writes it.
fn publish(page: &str, only_check: bool) -> Result<(), String> {
    let path = root().join(MATRIX);
    if fs::read_to_string(&path).is_ok_and(|present| present == page) {
        println!("{MATRIX} is what the tables say");
        return Ok(());
    }
    if only_check {
        return Err(format!("{MATRIX} is stale: run `cargo xtask conformance`"));
    }
    let folder = path.parent().expect("it lies in a folder");
    fs::create_dir_all(folder).and_then(|()| fs::write(&path, page)).map_err(|error| format!("{MATRIX}: {error}"))?;
    println!("{MATRIX} rewritten");
    Ok(())
}

/// Every Rust file that may name a statement, by its path below `crates/` (or from the top, for `fuzz/`).
fn sources() -> Result<BTreeMap<String, Source>, String> {
    let mut sources = BTreeMap::new();
    for (folder, base) in [("crates", "crates"), ("fuzz", "")] {
        let mut files = Vec::new();
        rust_files(&root().join(folder), &mut files)?;
        for file in files {
            let name = file.strip_prefix(root().join(base)).expect("it was found there");
            let name = name.to_string_lossy().replace('\\', "/");
            let text = fs::read_to_string(&file).map_err(|error| format!("{name}: {error}"))?;
            sources.insert(name, Source::new(text));
        }
    }
    Ok(sources)
}

fn rust_files(folder: &Path, out: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for entry in entries {
        let path = entry.map_err(|error| format!("{}: {error}", folder.display()))?.path();
        if path.is_dir() && !path.ends_with("target") {
            rust_files(&path, out)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            out.push(path);
        }
    }
    Ok(())
}

/// Tests that a row names, and that do not exist or do not name the row.
fn unshown(row: &Row, sources: &BTreeMap<String, Source>) -> Vec<String> {
    let Met::Test(tests) = &row.met else { return Vec::new() };
    let mistake = |test: &tables::TestName| {
        let Some(source) = sources.get(&test.file) else { return Some(format!("no file crates/{}", test.file)) };
        match source.function(&test.function) {
            None => Some(format!("no function {} in {}", test.function, test.file)),
            Some(found) if !found.is_test && !is_scenario(test, sources) => {
                Some(format!("{}::{} is no test that runs", test.file, test.function))
            }
            Some(found) if !mentions::ids(&found.text).contains(&row.id.as_str()) => {
                Some(format!("{}::{} does not name it", test.file, test.function))
            }
            Some(_) => None,
        }
    };
    tests.iter().filter_map(mistake).map(|mistake| format!("{}: {mistake}", row.id)).collect()
}

/// The tests of each adapter call the scenarios that the parity suite lists.
fn is_scenario(test: &tables::TestName, sources: &BTreeMap<String, Source>) -> bool {
    const FOLDER: &str = "mqtt-sim/src/parity/";
    let is_in_a_word = |c: char| c.is_alphanumeric() || c == '_';
    let lists = |suite: &Source| suite.text().split(|c| !is_in_a_word(c)).any(|word| word == test.function);
    test.file.starts_with(FOLDER) && sources.get(&format!("{FOLDER}mod.rs")).is_some_and(lists)
}

/// Ids that the code names and no table has.
fn unknown(tables: &[Table], sources: &BTreeMap<String, Source>) -> Vec<String> {
    let known: BTreeSet<&str> = tables.iter().flat_map(|table| &table.rows).map(|row| row.id.as_str()).collect();
    let mut unknown = BTreeSet::new();
    for (file, source) in sources {
        for id in mentions::ids(source.text()) {
            if !known.contains(id) {
                unknown.insert(format!("{file} names {id}, which is in no table"));
            }
        }
    }
    unknown.into_iter().collect()
}

/// Ids of the reference tables that ours lack, or have too many. Users' machines have no reference tables.
fn absent(tables: &[Table]) -> Result<Vec<String>, String> {
    let places = root().ancestors().skip(1).map(|folder| folder.join("shared/spec"));
    let Some(folder) = places.into_iter().find(|folder| folder.is_dir()) else { return Ok(Vec::new()) };
    let mut wanted: BTreeSet<(&str, String)> = BTreeSet::new();
    for (file, version) in
        [("conformance-311.tsv", "3.1.1"), ("conformance-5.tsv", "5.0"), ("conformance-unnumbered.tsv", "")]
    {
        let text = fs::read_to_string(folder.join(file)).map_err(|error| format!("{file}: {error}"))?;
        for id in text.lines().skip(1).filter_map(|line| line.split('\t').next()) {
            let version = match id.split('-').next() {
                Some("D31") => "3.1",
                Some("U311") => "3.1.1",
                Some("U5") => "5.0",
                _ => version,
            };
            wanted.insert((version, id.to_owned()));
        }
    }
    let present: BTreeSet<(&str, String)> =
        tables.iter().flat_map(|table| table.rows.iter().map(|row| (table.version, row.id.clone()))).collect();
    let missing = wanted.difference(&present).map(|(version, id)| format!("{version}: {id} is missing"));
    let surplus = present.difference(&wanted).map(|(version, id)| format!("{version}: no reference table has {id}"));
    Ok(missing.chain(surplus).collect())
}

fn too_many_callers(tables: &[Table]) -> Option<String> {
    let rows: Vec<&Row> = tables.iter().flat_map(|table| &table.rows).collect();
    let callers = rows.iter().filter(|row| matches!(row.met, Met::Caller(_))).count();
    let is_too_many = callers * 100 > rows.len() * CALLERS;
    is_too_many.then(|| format!("{callers} of {} statements are the caller's: more than {CALLERS} %", rows.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tests: &[&str]) -> Row {
        let tests = tests.iter().map(|name| name.parse().unwrap()).collect();
        Row { id: "MQTT-1.2.3-4".into(), binds: "codec".into(), says: String::new(), met: Met::Test(tests), left: None }
    }

    fn found(text: &str) -> BTreeMap<String, Source> {
        BTreeMap::from([("a.rs".to_owned(), Source::new(text.to_owned()))])
    }

    #[test]
    fn a_test_that_names_its_statement_shows_it() {
        let sources = found("// MQTT-1.2.3-4\n#[test]\nfn it() {\n}\n");
        assert!(unshown(&row(&["a.rs::it"]), &sources).is_empty());
    }

    #[test]
    fn what_is_no_test_of_the_statement_is_found_out() {
        let sources = found(
            "// MQTT-1.2.3-4\nfn helper() {}\n\n// MQTT-1.2.3-45\n#[test]\nfn other() {\n}\n\n\
             // MQTT-1.2.3-4\n#[test]\n#[ignore = \"slow\"]\nfn idle() {\n}\n",
        );
        let names = ["b.rs::it", "a.rs::it", "a.rs::helper", "a.rs::other", "a.rs::idle"];
        let mistakes = unshown(&row(&names), &sources);
        assert_eq!(mistakes.len(), names.len(), "{mistakes:?}");
    }

    #[test]
    fn a_scenario_is_a_test_once_the_suite_lists_it() {
        let scenario = Source::new("// MQTT-1.2.3-4\npub fn it() {\n}\n".to_owned());
        let mut sources = BTreeMap::from([("mqtt-sim/src/parity/a.rs".to_owned(), scenario)]);
        let row = row(&["mqtt-sim/src/parity/a.rs::it"]);
        for (suite, mistakes) in [("a => { it_too }", 1), ("a => { it }", 0)] {
            sources.insert("mqtt-sim/src/parity/mod.rs".to_owned(), Source::new(suite.to_owned()));
            assert_eq!(unshown(&row, &sources).len(), mistakes, "{suite}");
        }
    }

    #[test]
    fn an_id_of_no_table_is_found_out() {
        let tables = [Table { version: "5.0", rows: vec![row(&[])] }];
        assert_eq!(unknown(&tables, &found("// MQTT-1.2.3-4, U5-9.9")).len(), 1);
    }

    #[test]
    fn one_caller_in_twenty_is_enough() {
        let table = |callers: usize| {
            let rows = (0..20).map(|number| {
                let mut row = row(&[]);
                if number < callers {
                    row.met = Met::Caller("you".into());
                }
                row
            });
            [Table { version: "5.0", rows: rows.collect() }]
        };
        assert_eq!(too_many_callers(&table(1)), None);
        assert!(too_many_callers(&table(2)).is_some());
    }
}
