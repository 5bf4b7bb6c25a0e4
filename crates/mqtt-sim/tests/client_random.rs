//! Schedules of a whole client from seeds, and those that have failed once.

use std::time::Instant;

use mqtt_client::QueuePolicy;
use mqtt_proto::QoS::AtLeastOnce;
use mqtt_proto::Version;
use mqtt_sim::model::Load;
use mqtt_sim::model::Side::{Client, Server};
use mqtt_sim::model::policy::Network::Down;
use mqtt_sim::model::policy::Step::{
    Break, Crash, Disconnect, Drop, Forget, HalfOpen, Live, Lose, Network, Publish, ReceiveMaximum, Run, Sleep,
    Subscribe,
};
use mqtt_sim::model::policy::{Setup, Trace, random, shrink};

/// `MODEL_SEEDS=FIRST..LAST` plays others than the usual ones, says how fast, and goes on after a failure.
#[test]
fn random_schedules_of_a_client_keep_every_promise() {
    let range = std::env::var("MODEL_SEEDS").unwrap_or_else(|_| "0..8000".into());
    let (first, last) = range.split_once("..").expect("MODEL_SEEDS=FIRST..LAST");
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    let start = Instant::now();
    let mut failed = Vec::new();
    for slice in (first..last).step_by(SLICE as usize) {
        let end = last.min(slice + SLICE);
        let half = move |from: u64| (from..end).step_by(2).filter(|seed| random(*seed).play().is_err()).collect();
        let other = std::thread::spawn(move || -> Vec<u64> { half(slice + 1) });
        let mut found: Vec<u64> = half(slice);
        found.extend(other.join().unwrap());
        let rate = (end - first) as f64 / start.elapsed().as_secs_f64();
        println!("{first}..{end} played, {rate:.0} a second; failed: {found:?}");
        failed.extend(found);
    }
    if let Some(seed) = failed.iter().min() {
        let trace = shrink(random(*seed));
        panic!(
            "seeds {failed:?} failed; {seed}: {}\nShortest form, for `regressions`:\n{trace:?}",
            trace.play().unwrap_err()
        );
    }
}

/// As many schedules as a longer run plays between two lines of its log.
const SLICE: u64 = 50_000;

/// What failed once, as the test above printed it, and what was wrong.
fn regressions() -> Vec<(&'static str, Trace)> {
    let plain = Setup::new(Version::V5);
    let load = Load::new(AtLeastOnce);
    let window = Setup { receive_maximum: [u16::MAX, 1], ..plain };
    vec![
        (
            "what was returned went behind what had been returned before, and not been sent again",
            Trace {
                setup: window,
                steps: vec![
                    ReceiveMaximum(9),
                    Run,
                    Publish(Client, load),
                    Publish(Client, load),
                    Publish(Client, load),
                    ReceiveMaximum(1),
                    Forget,
                    Break(0, 0),
                    Live(300),
                    Forget,
                    Break(0, 0),
                ],
            },
        ),
        (
            "what was in flight when the process died went behind what was queued",
            Trace {
                setup: Setup { journal: true, ..window },
                steps: vec![Run, Publish(Client, load), Publish(Client, load), Forget, Crash(Client)],
            },
        ),
        (
            "the time of a message stood still while it was in flight",
            Trace {
                setup: plain,
                steps: vec![Run, Publish(Client, Load { expiry: 10, ..load }), Forget, Break(0, 0), Sleep(5_000)],
            },
        ),
        (
            "a subscription given up between SUBACK's loss and the next connection stayed with the server",
            Trace { setup: plain, steps: vec![Run, HalfOpen(Server), Subscribe(1), Network(Down), Lose, Drop(0)] },
        ),
        (
            "the latest message of a topic went before an older one that had come to wait behind the window",
            Trace {
                setup: Setup { receive_maximum: [u16::MAX, 1], policy: QueuePolicy::KeepLatest, ..plain },
                steps: vec![
                    Run,
                    Publish(Client, load),
                    Publish(Client, load),
                    Publish(Client, load),
                    Lose,
                    Publish(Client, load),
                ],
            },
        ),
        (
            "a subscription that had been given up was answered",
            Trace {
                setup: plain,
                steps: vec![Run, HalfOpen(Client), Subscribe(3), Drop(1), Disconnect, Sleep(12_561), Sleep(20_898)],
            },
        ),
    ]
}

#[test]
fn what_failed_once_with_a_client_does_not_fail_again() {
    for (what, trace) in regressions() {
        trace.play().unwrap_or_else(|violation| panic!("{what}: {violation}"));
    }
}
