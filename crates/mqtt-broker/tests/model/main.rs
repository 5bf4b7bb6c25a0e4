//! Many clients, the real broker, an unreliable network between them, and a reference that says what must arrive.
//!
//! A [`World`](world::World) moves by [`Step`](setup::Step)s drawn from a seed. Clients are shipping
//! `Connection<Client>`s, the broker is the shipping `Hub`, time is virtual. The [`Reference`](reference::Reference) hears
//! what the broker takes in, and judges each packet that it writes; when the broker has nothing more to say, the reference
//! asks what is missing.
//!
//! What is taken as given: TCP delivers a prefix of what was written, in order; the strict decoder of `mqtt-proto` is
//! right; and the rules of one connection (acknowledgements, windows, keep alive, aliases) are those that the model of
//! delivery in `mqtt-sim` holds to the byte, so that here only their effects on others are judged.

mod actor;
#[cfg(mqtt_seeded_faults)]
mod faults;
mod reference;
mod regressions;
mod schedule;
mod setup;
mod world;

use schedule::{random, shrink};

/// A broken rule: what is wrong with the broker, or with the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// A statement of the standard, or the name of an invariant in the reliability plan.
    pub(crate) rule: &'static str,
    /// What happened.
    pub(crate) what: String,
}

/// What judging a step says.
pub(crate) type Verdict = Result<(), Violation>;

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.rule, self.what)
    }
}

pub(crate) fn broken<T>(rule: &'static str, what: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { rule, what: what.into() })
}

pub(crate) fn ensure(holds: bool, rule: &'static str, what: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { broken(rule, what()) }
}

/// `MODEL_SEEDS=FIRST..LAST` plays others than the usual ones.
#[test]
fn random_schedules_keep_every_promise() {
    let range = std::env::var("MODEL_SEEDS").unwrap_or_else(|_| "0..20000".into());
    let (first, last) = range.split_once("..").expect("MODEL_SEEDS=FIRST..LAST");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    let half =
        move |parity: u64| (first..last).filter(|seed| seed % 2 == parity).find(|seed| random(*seed).play().is_err());
    let other = std::thread::spawn(move || half(1));
    let failed = half(0).into_iter().chain(other.join().unwrap()).min();
    if let Some(seed) = failed {
        let trace = shrink(random(seed));
        panic!("seed {seed}: {}\nShortest form, for `regressions`:\n{trace}", trace.play().unwrap_err());
    }
}

#[test]
fn what_failed_once_does_not_fail_again() {
    for (what, trace) in regressions::all() {
        trace.play().unwrap_or_else(|violation| panic!("{what}: {violation}"));
    }
}
