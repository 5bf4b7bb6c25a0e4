//! Measuring rows: instructions by valgrind, allocations by a counting allocator.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::ci::pinned;
use crate::shell::{output, run, target_dir};

/// What one unit of a row costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Cost {
    pub(super) instructions: f64,
    pub(super) allocations: f64,
}

/// The programs that hold the rows, built by the pinned compiler.
pub(super) struct Programs {
    folder: PathBuf,
    /// The compiler that built them.
    pub(super) compiler: String,
}

impl Programs {
    pub(super) fn build() -> Result<Self, String> {
        let target = target_dir().join("xtask").join("bench");
        let compiler = output(&mut pinned("rustc --version"))?.trim().to_owned();
        let mut build =
            pinned("cargo build --quiet --locked --profile rows --package mqtt-benches --bins --target-dir");
        run(build.arg(&target))?;
        Ok(Self { folder: target.join("rows"), compiler })
    }

    /// The costs of the rows whose names begin with one of these, or of all, in their order.
    pub(super) fn measure(&self, prefixes: &[String]) -> Result<Vec<(String, Cost)>, String> {
        let mut rows = self.rows()?;
        rows.retain(|(name, _)| prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix)));
        if rows.is_empty() {
            return Err(format!("no row begins with {}", prefixes.join(" or ")));
        }
        let allocations = self.allocations(&rows)?;
        let instructions = self.instructions(&rows)?;
        let costs = rows.into_iter().zip(instructions).map(|((name, _), instructions)| {
            let allocations = *allocations.get(&name).ok_or_else(|| format!("{name} was not counted"))?;
            Ok((name, Cost { instructions, allocations }))
        });
        costs.collect()
    }

    /// Names, and how many units to measure.
    fn rows(&self) -> Result<Vec<(String, u64)>, String> {
        let list = output(Command::new(self.folder.join("rows")).arg("list"))?;
        let row = |line: &str| {
            let (name, units) = line.split_once(' ')?;
            Some((name.to_owned(), units.parse().ok()?))
        };
        list.lines().map(|line| row(line).ok_or_else(|| format!("`rows list` said: {line}"))).collect()
    }

    fn allocations(&self, rows: &[(String, u64)]) -> Result<BTreeMap<String, f64>, String> {
        let counted = output(Command::new(self.folder.join("allocations")).args(rows.iter().map(|(name, _)| name)))?;
        let row = |line: &str| {
            let (name, count) = line.split_once(' ')?;
            Some((name.to_owned(), count.parse().ok()?))
        };
        counted.lines().map(|line| row(line).ok_or_else(|| format!("`allocations` said: {line}"))).collect()
    }

    /// As many at a time as there are cores: other work changes nothing in a count.
    fn instructions(&self, rows: &[(String, u64)]) -> Result<Vec<f64>, String> {
        let program = self.folder.join("rows");
        let next = AtomicUsize::new(0);
        let results = Mutex::new(vec![None; rows.len()]);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    while let Some((name, units)) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let cost = per_unit(&program, name, *units);
                        let index = rows.iter().position(|row| row.0 == *name).expect("it is one of them");
                        results.lock().expect("nobody panics with it")[index] = Some(cost);
                    }
                });
            }
        });
        let results = results.into_inner().expect("nobody panics with it");
        results.into_iter().map(|result| result.expect("every row had its turn")).collect()
    }
}

/// (I(2n) - I(n)) / n: what happens once, before the loop, is in both.
///
/// One process for each row, so that no row depends on which other rows there are: `rows twice` runs it with n and with 2n,
/// and callgrind writes its count whenever `Row::run` returns. Most of the time is spent on valgrind's start.
pub(super) fn per_unit(program: &Path, row: &str, units: u64) -> Result<f64, String> {
    let folder = target_dir().join("xtask").join("bench").join("callgrind").join(row);
    fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let out = |suffix: &str| folder.join(format!("out{suffix}"));
    let mut valgrind = Command::new("valgrind");
    valgrind.args(["--tool=callgrind", "--zero-before=mqtt_benches::Row::run", "--dump-after=mqtt_benches::Row::run"]);
    valgrind.arg(format!("--callgrind-out-file={}", out("").display())).arg(program);
    // The environment lies on the stack, and its length decides how the rest of it is aligned.
    valgrind.args(["twice", row, &units.to_string()]).env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin");
    let result = valgrind.output().map_err(|error| format!("cannot run valgrind ({error}): install it"))?;
    if !result.status.success() {
        return Err(format!("{row} under valgrind: {}\n{}", result.status, String::from_utf8_lossy(&result.stderr)));
    }
    let (once, twice) = (total(&out(".1"))?, total(&out(".2"))?);
    Ok((twice - once) / units as f64)
}

/// The sum in callgrind's file.
fn total(file: &Path) -> Result<f64, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("callgrind wrote no {}: {error}", file.display()))?;
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| format!("{} names no total", file.display()))
}
