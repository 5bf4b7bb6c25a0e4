//! `docs/bugs.md`: bugs of others, each with tests of ours, or with the reason why it has none.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::mentions::Source;

/// Where it lies, from the top.
const PAGE: &str = "docs/bugs.md";

/// How many there are, in the two tables of the page: those with a number, and those with `S` and a number.
const COUNTS: [(&str, usize); 2] = [("", 101), ("S", 22)];

/// Rows that are missing, tests that do not exist, and rows without a test or a reason.
pub(crate) fn mistakes(root: &Path, sources: &BTreeMap<String, Source>) -> Result<Vec<String>, String> {
    let page = fs::read_to_string(root.join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    Ok(in_page(&page, sources))
}

fn in_page(page: &str, sources: &BTreeMap<String, Source>) -> Vec<String> {
    let rows: Vec<[&str; 3]> = page.lines().filter_map(row).collect();
    let numbers: Vec<String> =
        COUNTS.iter().flat_map(|(prefix, count)| (1..=*count).map(move |number| format!("{prefix}{number}"))).collect();
    let mut wrong = Vec::new();
    if !rows.iter().map(|[number, ..]| *number).eq(numbers.iter().map(String::as_str)) {
        wrong.push(format!("{PAGE}: the rows are not 1 to 101 and S1 to S22, each once and in order"));
    }
    for [number, _, shown] in rows {
        let tests: Vec<&str> = shown.split('`').skip(1).step_by(2).filter(|word| word.contains("::")).collect();
        if tests.is_empty() && !shown.starts_with("not: ") {
            wrong.push(format!("{PAGE} {number}: neither a test nor `not:` and a reason"));
        }
        let missing = tests.into_iter().filter(|test| !is_test(test, sources));
        wrong.extend(missing.map(|test| format!("{PAGE} {number}: {test} is no test that runs")));
    }
    wrong
}

/// Number, bug and proof of a row; nothing for other lines and the heads of the tables.
fn row(line: &str) -> Option<[&str; 3]> {
    let cells: Vec<&str> = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let row: [&str; 3] = cells.try_into().ok()?;
    row[0].ends_with(|last: char| last.is_ascii_digit()).then_some(row)
}

fn is_test(name: &str, sources: &BTreeMap<String, Source>) -> bool {
    let found = name.split_once("::").and_then(|(file, function)| sources.get(file)?.function(function));
    found.is_some_and(|function| function.is_test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(row: &str) -> String {
        let row = |number: String| format!("| {number} | bug | {row} |\n");
        let rows = COUNTS.iter().flat_map(|(prefix, count)| (1..=*count).map(move |n| format!("{prefix}{n}")));
        rows.map(row).collect()
    }

    #[test]
    fn rows_need_tests_that_run_or_a_reason() {
        let source = Source::new("#[test]\nfn it() {\n}\n\nfn helper() {\n}\n".to_owned());
        let sources = BTreeMap::from([("a.rs".to_owned(), source)]);
        let count = |row: &str| in_page(&page(row), &sources).len();
        assert_eq!((count("`a.rs::it`"), count("not: there is no bridge")), (0, 0));
        assert_eq!(
            (count(""), count("`a.rs::helper`"), count("`b.rs::it`"), count("not: `a.rs::gone`")),
            (123, 123, 123, 123)
        );
    }

    #[test]
    fn each_row_is_there_once() {
        let whole = page("not: a reason");
        let without = whole.lines().skip(1).collect::<Vec<_>>().join("\n");
        assert_eq!((in_page(&whole, &BTreeMap::new()).len(), in_page(&without, &BTreeMap::new()).len()), (0, 1));
    }
}
