//! What is done with the schedules of every model: they come from seeds, are played, and made as short as their failure allows.

use std::fmt::Debug;
use std::ops::Range;
use std::time::Instant;

use super::{Verdict, Violation};

/// A world and what happens in it. Its `Debug` form is Rust, to be pasted into a list of regressions.
pub trait Schedule: Clone + PartialEq + Debug + 'static {
    /// What can happen.
    type Step;

    /// Each takes a peculiarity of the world away.
    const PLAINER: &'static [fn(&mut Self)];

    /// The schedule of a seed.
    fn random(seed: u64) -> Self;

    /// What happens, in order.
    fn steps(&mut self) -> &mut Vec<Self::Step>;

    /// Plays it to the end, lets everything come to rest, and asks whether all is as it was.
    ///
    /// # Errors
    ///
    /// The invariant that is broken. A panic breaks I1.
    fn play(&self) -> Verdict;
}

/// Drops every step and every peculiarity of the world that the failure does not need.
#[must_use]
pub fn shrink<T: Schedule>(mut trace: T) -> T {
    let Err(first) = trace.play() else { return trace };
    let fails = |trace: &T| trace.play().is_err_and(|violation| violation.invariant == first.invariant);
    let mut chunk = trace.steps().len();
    while chunk > 0 {
        let mut at = 0;
        while at < trace.steps().len() {
            let mut shorter = trace.clone();
            let steps = shorter.steps();
            steps.drain(at..(at + chunk).min(steps.len()));
            if fails(&shorter) {
                trace = shorter;
            } else {
                at += chunk;
            }
        }
        chunk /= 2;
    }
    for make_plainer in T::PLAINER {
        let mut plainer = trace.clone();
        make_plainer(&mut plainer);
        if plainer != trace && fails(&plainer) {
            trace = plainer;
        }
    }
    trace
}

/// Plays the schedules of these seeds, or of `MODEL_SEEDS=FIRST..LAST`, on two threads. Says how fast, and goes on after a
/// failure.
///
/// # Panics
///
/// If one fails: with all that did, and the shortest form of the first.
pub fn play_seeds<T: Schedule>(usual: Range<u64>) {
    let Range { start: first, end: last } = std::env::var("MODEL_SEEDS").map_or(usual, |range| {
        let ends = range.split_once("..").and_then(|(first, last)| Some(first.parse().ok()?..last.parse().ok()?));
        ends.expect("MODEL_SEEDS=FIRST..LAST")
    });
    let start = Instant::now();
    let mut failed = Vec::new();
    for slice in (first..last).step_by(SLICE as usize) {
        let end = last.min(slice + SLICE);
        let half = move |from: u64| (from..end).step_by(2).filter(|seed| T::random(*seed).play().is_err()).collect();
        let other = std::thread::spawn(move || -> Vec<u64> { half(slice + 1) });
        let mut found: Vec<u64> = half(slice);
        found.extend(other.join().expect("a panic is caught where it is played"));
        let rate = (end - first) as f64 / start.elapsed().as_secs_f64();
        println!("{first}..{end} played, {rate:.0} a second; failed: {found:?}");
        failed.extend(found);
    }
    if let Some(seed) = failed.iter().min() {
        let trace = shrink(T::random(*seed));
        panic!(
            "seeds {failed:?} failed; {seed}: {}\nShortest form, for `regressions`:\n{trace:?}",
            trace.play().unwrap_err()
        );
    }
}

/// As many schedules as a longer run plays between two lines of its log.
const SLICE: u64 = 50_000;

/// Plays something in which a panic breaks I1.
///
/// # Errors
///
/// The invariant that is broken.
pub fn caught(play: impl FnOnce() -> Verdict) -> Verdict {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(play)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let what = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic").to_owned();
        Err(Violation { invariant: "I1", what })
    })
}

/// Switches faults on one at a time, and asks each time what is found first, and how.
///
/// # Panics
///
/// If one is not found, or something without one.
#[cfg(mqtt_seeded_faults)]
pub fn find_each(faults: &[mqtt_proto::fault::Fault], first_violation: fn() -> Option<(String, Violation)>) {
    use mqtt_proto::fault;

    fault::set(None);
    if let Some((how, violation)) = first_violation() {
        panic!("without a fault: {how}: {violation}");
    }
    // The machines' own assertions may speak, too: their backtraces would bury the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut missed = Vec::new();
    for fault in faults {
        fault::set(Some(*fault));
        match first_violation() {
            Some((how, violation)) => println!("{:32} {} in {how}", format!("{fault:?}"), violation.invariant),
            None => missed.push(fault),
        }
    }
    drop(std::panic::take_hook());
    fault::set(None);
    assert!(missed.is_empty(), "the model does not see {missed:?}");
    println!("{} faults found", faults.len());
}
