//! The page `docs/generated/conformance.md`, and the counts.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::tables::{Met, Row, Table};

/// How many statements are met how: one line per version, and the reasons why some are not.
pub(crate) fn counts(tables: &[Table]) -> String {
    let mut out = String::new();
    let all = tables.iter().flat_map(|table| &table.rows);
    for (name, counts) in tables.iter().map(|table| (table.version, count(&table.rows))).chain([("all", count(all))]) {
        let total: usize = counts.iter().sum();
        let parts = Met::KINDS.iter().zip(counts).map(|(kind, count)| format!("{kind} {count:3}"));
        let _ = writeln!(out, "{name:5} {total:4} statements: {}", parts.collect::<Vec<_>>().join(", "));
    }
    let left = in_part(tables.iter().flat_map(|table| &table.rows));
    let _ = writeln!(out, "      {left:4} test, and a part is left");
    for (reason, count) in reasons(tables) {
        let _ = writeln!(out, "      {count:4} not met: {reason}");
    }
    out
}

fn count<'a>(rows: impl IntoIterator<Item = &'a Row>) -> [usize; 4] {
    let mut counts = [0; 4];
    for row in rows {
        let place = Met::KINDS.iter().position(|kind| *kind == row.met.kind()).expect("every kind is listed");
        counts[place] += 1;
    }
    counts
}

/// How many are shown by tests that leave a part of them open.
fn in_part<'a>(rows: impl IntoIterator<Item = &'a Row>) -> usize {
    rows.into_iter().filter(|row| row.left.is_some()).count()
}

/// The first words of the reasons, which say whose matter it is.
fn reasons(tables: &[Table]) -> BTreeMap<&str, usize> {
    let mut reasons = BTreeMap::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        if let Met::Not(why) = &row.met {
            *reasons.entry(why.split(':').next().unwrap_or(why)).or_default() += 1;
        }
    }
    reasons
}

/// The whole page.
pub(crate) fn page(tables: &[Table]) -> String {
    let mut out = String::from(
        "# Conformance\n\n\
         <!-- Written by `cargo xtask conformance` from docs/conformance/*.toml: change those. -->\n\n\
         Every normative statement of MQTT 3.1.1 and 5.0, the rules of their texts that have no number, and the differences of\n\
         MQTT 3.1. The ids are the standards' own, the words ours. `U5`, `U311` and `D31` mark rules without a number of their\n\
         own. *Test* rows link the file of the test that shows them; CI checks that the test exists and names the statement.\n\n\
         | version | statements | test | of these in part | by type or design | caller | not met |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for table in tables {
        let counts = count(&table.rows);
        let total: usize = counts.iter().sum();
        let [test, by, caller, not] = counts;
        let left = in_part(&table.rows);
        let _ = writeln!(out, "| {} | {total} | {test} | {left} | {by} | {caller} | {not} |", table.version);
    }
    out.push_str("\nNot met, and why:\n\n");
    for (reason, count) in reasons(tables) {
        let _ = writeln!(out, "- {reason}: {count}");
    }
    for table in tables {
        let _ = write!(out, "\n## MQTT {}\n\n| statement | binds | asks | how |\n|---|---|---|---|\n", table.version);
        for row in &table.rows {
            let says = escaped(&row.says);
            let _ = writeln!(out, "| {} | {} | {says} | {} |", row.id, row.binds, how(row));
        }
    }
    out
}

fn how(row: &Row) -> String {
    let mut how = match &row.met {
        Met::Test(tests) => {
            let link = |test: &super::tables::TestName| {
                format!("[{}](../../crates/{})", test.function.replace('_', " "), test.file)
            };
            tests.iter().map(link).collect::<Vec<_>>().join("<br>")
        }
        Met::By(why) => format!("by design: {}", escaped(why)),
        Met::Caller(what) => format!("**caller**: {}", escaped(what)),
        Met::Not(why) => format!("**not**: {}", escaped(why)),
    };
    if let Some(left) = &row.left {
        let _ = write!(how, "<br>left: {}", escaped(left));
    }
    how
}

/// Words that stand in a cell of a table.
fn escaped(words: &str) -> String {
    words.replace('|', "\\|").replace('#', "\\#").replace('<', "\\<").replace('*', "\\*")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, met: Met) -> Row {
        Row { id: id.into(), binds: "both".into(), says: "a | b".into(), met, left: None }
    }

    #[test]
    fn a_page_counts_and_links() {
        let tests = vec!["mqtt/tests/a.rs::it_holds".parse().unwrap()];
        let rows = vec![row("X-1", Met::Test(tests)), row("X-2", Met::Not("later: perhaps".into()))];
        let tables = [Table { version: "5.0", rows }];
        let page = page(&tables);
        assert!(page.contains("| 5.0 | 2 | 1 | 0 | 0 | 0 | 1 |"), "{page}");
        assert!(page.contains("| X-1 | both | a \\| b | [it holds](../../crates/mqtt/tests/a.rs) |"), "{page}");
        assert!(page.contains("- later: 1\n"), "{page}");
        assert!(counts(&tables).contains("all      2 statements: test   1, by   0, caller   0, not   1"));
    }
}
