//! Measuring rows: instructions by valgrind, allocations by a counting allocator.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::ci::pinned;
use crate::shell::{command, output, run, target_dir};

/// What one unit of a row costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    pub(super) instructions: f64,
    pub(super) allocations: f64,
}

/// Two programs that hold the same rows: one to be watched by valgrind, one that counts allocations.
pub(super) struct Programs {
    rows: PathBuf,
    allocations: PathBuf,
    /// The compiler that built them.
    pub(super) compiler: String,
    /// How many rows share a process of valgrind's. With one, no row depends on which other rows there are: what they have
    /// left of the heap. With more, it is over sooner.
    rows_at_once: usize,
}

/// A row of such a program.
#[derive(Clone, Debug)]
struct Row {
    name: String,
    /// How many units to measure.
    units: u64,
    /// A row whose cost is no part of this one.
    less: Option<String>,
}

impl Programs {
    /// Ours, built by the pinned compiler.
    pub(super) fn ours() -> Result<Self, String> {
        let target = target_dir().join("xtask").join("bench");
        let compiler = output(&mut pinned("rustc --version"))?.trim().to_owned();
        let mut build =
            pinned("cargo build --quiet --locked --profile rows --package mqtt-benches --bins --target-dir");
        run(build.arg(&target))?;
        let folder = target.join("rows");
        Ok(Self { rows: folder.join("rows"), allocations: folder.join("allocations"), compiler, rows_at_once: 1 })
    }

    /// Everybody's codec rows, built by the compiler at hand: some rivals want a newer one than we do.
    pub(super) fn rivals() -> Result<Self, String> {
        let compiler = output(&mut command("rustc --version"))?.trim().to_owned();
        let mut build = command("cargo build --quiet --locked --profile rows --package codec --bins --manifest-path");
        run(build.arg("benches/rivals/Cargo.toml").arg("--target-dir").arg(rivals_target()))?;
        let folder = rivals_target().join("rows");
        Ok(Self {
            rows: folder.join("codec-rows"),
            allocations: folder.join("codec-allocations"),
            compiler,
            rows_at_once: 20,
        })
    }

    /// Copies the programs to a folder, to be compared with later ones.
    pub(super) fn keep(&self, folder: &Path) -> Result<(), String> {
        for program in [&self.rows, &self.allocations] {
            let to = folder.join(program.file_name().expect("a program has a name"));
            fs::copy(program, &to).map_err(|error| format!("cannot write {}: {error}", to.display()))?;
        }
        Ok(())
    }

    /// The costs of the rows whose names begin with one of these, or of all, in their order.
    pub(super) fn measure(&self, prefixes: &[String]) -> Result<Vec<(String, Cost)>, String> {
        let mut rows = self.rows()?;
        let is_wanted = |name: &str| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix));
        let less: Vec<String> =
            rows.iter().filter(|row| is_wanted(&row.name)).filter_map(|row| row.less.clone()).collect();
        rows.retain(|row| is_wanted(&row.name) || less.contains(&row.name));
        if rows.is_empty() {
            return Err(format!("no row begins with {}", prefixes.join(" or ")));
        }
        let allocations = self.allocations(&rows)?;
        let instructions = self.instructions(&rows)?;
        let cost = |name: &str| {
            let index =
                rows.iter().position(|row| row.name == name).ok_or_else(|| format!("there is no row {name}"))?;
            let allocations = *allocations.get(name).ok_or_else(|| format!("{name} was not counted"))?;
            Ok::<_, String>(Cost { instructions: instructions[index], allocations })
        };
        let costs = rows.iter().map(|row| {
            let mut is = cost(&row.name)?;
            if let Some(less) = &row.less {
                let less = cost(less)?;
                is.instructions -= less.instructions;
                is.allocations -= less.allocations;
            }
            Ok((row.name.clone(), is))
        });
        costs.collect()
    }

    fn rows(&self) -> Result<Vec<Row>, String> {
        let list = output(Command::new(&self.rows).arg("list"))?;
        let row = |line: &str| {
            let mut words = line.split(' ');
            // Names of rivals hold blanks: `decode/puback-5@mqttrs 0.4.1 2048 refill/puback-5@bytes`.
            let less = words.next_back().filter(|less| !less.is_empty()).map(str::to_owned);
            let units = words.next_back()?.parse().ok()?;
            Some(Row { name: words.collect::<Vec<_>>().join(" "), units, less })
        };
        list.lines().map(|line| row(line).ok_or_else(|| format!("`rows list` said: {line}"))).collect()
    }

    fn allocations(&self, rows: &[Row]) -> Result<BTreeMap<String, f64>, String> {
        let counted = output(Command::new(&self.allocations).args(rows.iter().map(|row| &row.name)))?;
        let row = |line: &str| {
            let (name, count) = line.rsplit_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        counted.lines().map(|line| row(line).ok_or_else(|| format!("`allocations` said: {line}"))).collect()
    }

    /// As many processes at a time as there are cores: other work changes nothing in a count.
    fn instructions(&self, rows: &[Row]) -> Result<Vec<f64>, String> {
        let groups: Vec<&[Row]> = rows.chunks(self.rows_at_once).collect();
        let next = AtomicUsize::new(0);
        let results = Mutex::new(vec![Ok(Vec::new()); groups.len()]);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(group) = groups.get(index) else { break };
                        let costs = per_unit(&self.rows, group);
                        results.lock().expect("nobody panics with it")[index] = costs;
                    }
                });
            }
        });
        let results = results.into_inner().expect("nobody panics with it");
        Ok(results.into_iter().collect::<Result<Vec<_>, _>>()?.concat())
    }
}

/// Of each row (I(2n) - I(n)) / n: what happens once, before the loop, is in both.
///
/// Callgrind writes its count whenever `Row::run` returns, which `rows twice` calls twice for each row. Most of the time is
/// spent on valgrind's start.
fn per_unit(program: &Path, rows: &[Row]) -> Result<Vec<f64>, String> {
    let name = rows[0].name.replace(' ', "-");
    let folder = target_dir().join("xtask").join("bench").join("callgrind").join(&name);
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let out = |suffix: &str| folder.join(format!("out{suffix}"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--zero-before=mqtt_benches::Row::run", "--dump-after=mqtt_benches::Row::run"]);
    valgrind.arg(format!("--callgrind-out-file={}", out("").display())).arg(program).arg("twice");
    // The environment lies on the stack, and its length decides how the rest of it is aligned.
    valgrind.args(rows.iter().map(|row| &row.name)).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let result = valgrind.output().map_err(|error| format!("cannot run valgrind ({error}): install it"))?;
    if !result.status.success() {
        return Err(format!("{name} under valgrind: {}\n{}", result.status, String::from_utf8_lossy(&result.stderr)));
    }
    let costs = rows.iter().zip(0..).map(|(row, index)| {
        let (once, twice) =
            (total(&out(&format!(".{}", 2 * index + 1)))?, total(&out(&format!(".{}", 2 * index + 2)))?);
        Ok((twice - once) / row.units as f64)
    });
    costs.collect()
}

/// The sum in callgrind's file.
fn total(file: &Path) -> Result<f64, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("callgrind wrote no {}: {error}", file.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("{} names no total", file.display()))
}

/// Where the workspace of rivals is built.
pub(super) fn rivals_target() -> PathBuf {
    target_dir().join("xtask").join("rivals")
}
