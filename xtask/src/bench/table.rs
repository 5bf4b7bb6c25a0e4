//! `docs/generated/performance.md`: measured again where asked to, and written from all that has been measured.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::aims::{Aims, EXPLANATION};
use super::measure::{Cost, Programs};
use super::results::{self, Figure, medians};
use super::{compare, rivals};
use crate::shell::{command, output, root};

/// Measures these areas, or all, and writes the document. What is not measured now stays as it was. The rounds of clients and
/// of brokers may follow: `--rounds N`.
pub(super) fn run(arguments: &[String]) -> Result<(), String> {
    let first_option = arguments.iter().position(|argument| argument.starts_with('-')).unwrap_or(arguments.len());
    let (areas, options) = arguments.split_at(first_option);
    let known = ["codec", "rows", "client", "broker"];
    if let Some(unknown) = areas.iter().find(|area| !known.contains(&area.as_str())) {
        return Err(format!("{unknown} is none of {}", known.join(", ")));
    }
    let mut figures = results::read(&results_path())?;
    let mut conditions = read_conditions(&figures_document())?;
    for area in known {
        if !areas.is_empty() && !areas.iter().any(|wanted| wanted == area) {
            continue;
        }
        let (measured, how) = match area {
            "codec" => codec()?,
            "rows" => {
                let programs = Programs::ours()?;
                (compare::rows(&programs)?, programs.compiler.clone())
            }
            _ => (rivals::measure(&rivals::build()?, area, options)?, compiler()?),
        };
        if measured.is_empty() {
            println!("{area}: nothing was measured");
            continue;
        }
        figures.retain(|figure| figure.area != area);
        figures.extend(medians(&measured));
        let options = if ["client", "broker"].contains(&area) { options.join(" ") } else { String::new() };
        conditions.insert(area.to_owned(), format!("{}; {how} {options}", here()?).trim_end().to_owned());
        results::write(&results_path(), &figures)?;
    }
    write_document(&figures, &conditions)
}

/// Writes the document from what has been measured: aims or notes have changed.
pub(super) fn rewrite() -> Result<(), String> {
    write_document(&results::read(&results_path())?, &read_conditions(&figures_document())?)
}

fn write_document(figures: &[Figure], conditions: &BTreeMap<String, String>) -> Result<(), String> {
    fs::write(figures_document(), document(figures, conditions)?)
        .map_err(|error| format!("cannot write {}: {error}", figures_document().display()))
}

/// Everybody's codec rows.
fn codec() -> Result<(Vec<Figure>, String), String> {
    let programs = Programs::rivals()?;
    let mut figures = Vec::new();
    for (name, Cost { instructions, allocations }) in programs.measure(&[])? {
        let Some((row, who)) = name.split_once('@').filter(|(row, _)| !row.starts_with("refill/")) else { continue };
        figures.push(Figure::new("codec", row, who, "instructions", instructions));
        figures.push(Figure::new("codec", row, who, "allocations", allocations));
    }
    Ok((figures, programs.compiler.clone()))
}

fn document(figures: &[Figure], conditions: &BTreeMap<String, String>) -> Result<String, String> {
    let mut text = String::from(HEAD);
    text.push_str(STANDING);
    Aims::read()?.write(&mut text, figures);
    let notes = root().join("benches/rivals/notes.md");
    let sections = [
        ("codec", "decode/", "Decoding", "instructions", "instructions per packet (allocations, where there are any)"),
        ("codec", "encode/", "Encoding", "instructions", "instructions per packet (allocations, where there are any)"),
        ("codec", "stream/", "A stream in pieces of 7 bytes", "instructions", "instructions per packet"),
        (
            "codec",
            "outbox/",
            "1 MiB that leaves",
            "instructions",
            "instructions per packet (allocations, where there are any)",
        ),
        (
            "rows",
            "",
            "Ours in memory",
            "instructions",
            "instructions per packet or message (allocations, where there are any)",
        ),
        (
            "client",
            "",
            "Clients over loopback",
            "cpu_ns",
            "processor time in ns per message, user and system (allocations)",
        ),
        (
            "client",
            "",
            "Clients over loopback, waiting",
            "switches",
            "how often a thread stops to wait, per message: voluntary context switches",
        ),
        ("client", "latency", "Latency of one at a time", "p50_ns", "ns until the acknowledgement, median"),
        ("client", "latency", "Latency of one at a time, tail", "p99_ns", "ns until the acknowledgement, 99 of 100"),
        (
            "client",
            "latency",
            "Latency of one at a time, worst",
            "p999_ns",
            "ns until the acknowledgement, 999 of 1,000",
        ),
        ("client", "", "Clients, memory", "rss_bytes", "resident bytes per idle connection, all in one process"),
        ("broker", "", "Brokers", "cpu_ns", "processor time in ns per delivered message"),
        ("broker", "", "Brokers, latency", "p50_ns", "ns, median"),
        ("broker", "", "Brokers, latency, tail", "p99_ns", "ns, 99 of 100"),
        ("broker", "", "Brokers, memory", "rss_bytes", "resident bytes per idle connection"),
        (
            "broker",
            "",
            "Brokers, memory with a subscription each",
            "rss_bytes_subscribed",
            "resident bytes per idle connection with one subscription of its own",
        ),
    ];
    for (area, prefix, title, metric, unit) in sections {
        let of_it = |figure: &&Figure| figure.area == area && figure.row.starts_with(prefix);
        let part: Vec<&Figure> = figures.iter().filter(of_it).collect();
        if !part.iter().any(|figure| figure.metric == metric) {
            continue;
        }
        let how = conditions.get(area).map_or("", String::as_str);
        write!(text, "\n## {title}\n\n{unit}. {CONDITIONS}{area}: {how}\n\n").expect("a string takes everything");
        pivot(&mut text, &part, metric, prefix);
    }
    let notes = fs::read_to_string(&notes).map_err(|error| format!("cannot read {}: {error}", notes.display()))?;
    text.push('\n');
    text.push_str(&notes);
    Ok(text)
}

/// One line for each row, one column for everybody.
fn pivot(text: &mut String, figures: &[&Figure], metric: &str, prefix: &str) {
    let mut rows: Vec<&str> = Vec::new();
    let mut whos: Vec<&str> = Vec::new();
    for figure in figures.iter().filter(|figure| figure.metric == metric) {
        if !rows.contains(&&*figure.row) {
            rows.push(&figure.row);
        }
        if !whos.contains(&&*figure.who) {
            whos.push(&figure.who);
        }
    }
    whos.sort_by_key(|who| (rank(who), *who));
    let value = |row: &str, who: &str, metric: &str| {
        figures.iter().find(|figure| figure.row == row && figure.who == who && figure.metric == metric)
    };
    let mut line = |words: Vec<String>| writeln!(text, "| {} |", words.join(" | ")).expect("a string takes everything");
    line([""].into_iter().chain(whos.iter().copied()).map(str::to_owned).collect());
    line(vec!["---".to_owned(); whos.len() + 1]);
    for row in rows {
        let best = whos.iter().filter(|who| rank(who) == 2).filter_map(|who| value(row, who, metric));
        let best = best.map(|figure| figure.value).fold(f64::INFINITY, f64::min);
        let mut words = vec![row.strip_prefix(prefix).filter(|rest| !rest.is_empty()).unwrap_or(row).to_owned()];
        for who in &whos {
            let Some(figure) = value(row, who, metric) else {
                words.push("-".to_owned());
                continue;
            };
            let mut word = if metric == EXPLANATION { shortened(figure.value) } else { grouped(figure.value) };
            if rank(who) == 2 && figure.value <= best {
                word = format!("_{word}_");
            }
            if rank(who) == 1 && figure.value < best {
                word = format!("**{word}**");
            }
            let allocations = value(row, who, "allocations").filter(|_| metric != EXPLANATION);
            if let Some(allocations) = allocations.filter(|allocations| allocations.value >= 0.0005) {
                write!(word, " ({})", shortened(allocations.value)).expect("a string takes everything");
            }
            words.push(word);
        }
        line(words);
    }
}

pub(super) fn is_ours(who: &str) -> bool {
    rank(who) == 1
}

pub(super) fn is_rival(who: &str) -> bool {
    rank(who) == 2
}

/// The floor, then ours, then rivals.
fn rank(who: &str) -> u8 {
    match who {
        "floor" => 0,
        _ if who.starts_with("ours") => 1,
        _ => 2,
    }
}

/// 12,345.
pub(super) fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// 0.18, 2.
pub(super) fn shortened(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Machine, day and commit.
fn here() -> Result<String, String> {
    let info = fs::read_to_string("/proc/cpuinfo").map_err(|error| format!("cannot read /proc/cpuinfo: {error}"))?;
    let name = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let name = name.trim_start_matches([' ', '\t', ':']);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let commit = output(&mut command("git rev-parse --short HEAD"))?;
    let day = output(&mut command("date -u +%Y-%m-%d"))?;
    Ok(format!("{}, commit {}, {name}, {cores} cores", day.trim(), commit.trim()))
}

fn compiler() -> Result<String, String> {
    Ok(output(&mut command("rustc --version"))?.trim().to_owned())
}

/// Under which conditions each area of the present document was measured.
fn read_conditions(path: &Path) -> Result<BTreeMap<String, String>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let conditions = text.lines().filter_map(|line| line.split_once(CONDITIONS)?.1.split_once(": "));
    Ok(conditions.map(|(area, how)| (area.to_owned(), how.to_owned())).collect())
}

fn figures_document() -> PathBuf {
    root().join("docs/generated/performance.md")
}

pub(super) fn results_path() -> PathBuf {
    root().join("docs/generated/performance.jsonl")
}

const STANDING: &str = "
## Where we stand

Each figure of ours with the best rival's, and the aim of `benches/aims.toml`: a value, or a part of the best rival's figure in the same run.

";

/// What the conditions of an area follow.
const CONDITIONS: &str = "Measured as ";

const HEAD: &str = "\
# What it costs, ours and others'

Written by `cargo xtask bench table` from `performance.jsonl`; [performance.md](../performance.md) says how it is measured and how to
read it. The floor is a hand-written program that does only what has to be done. The best rival of each row is in _italics_, ours in **bold**
where it is ahead of all rivals.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_figures_and_aims_say() {
        let conditions = read_conditions(&figures_document()).unwrap();
        let written = document(&results::read(&results_path()).unwrap(), &conditions).unwrap();
        let committed = fs::read_to_string(figures_document()).unwrap();
        assert!(written == committed, "write it again: cargo xtask bench document");
    }

    #[test]
    fn a_table_has_the_floor_first_and_marks_who_is_ahead() {
        let figure = |who, metric, value| Figure::new("codec", "decode/puback", who, metric, value);
        let figures = [
            figure("slow 1.0", "instructions", 1234.4),
            figure("quick 2.0", "instructions", 99.0),
            figure("ours", "instructions", 90.0),
            figure("floor", "instructions", 10.0),
            figure("slow 1.0", "allocations", 2.0),
        ];
        let mut text = String::new();
        pivot(&mut text, &figures.iter().collect::<Vec<_>>(), "instructions", "decode/");
        let wanted = "| floor | ours | quick 2.0 | slow 1.0 |\n| --- | --- | --- | --- | --- |\n\
                      | puback | 10 | **90** | _99_ | 1,234 (2) |\n";
        assert_eq!(text, format!("|  {wanted}"));
    }
}
