//! Exhaustive exploration of the shipping code: every order of publishing, arriving, acknowledging, cutting and forgetting.
//!
//! stateright keeps a fingerprint of each state it has seen. The fingerprint is the hash of the whole world in its canonical
//! form (`World::canonicalise`, which argues): both connections with their sessions, the bytes under way, and what the ledger
//! and the monitor know of messages that are not finished. Counters of the machines that only grow (tokens, deliveries,
//! connections) are part of it and stay small, because messages and cuts are bounded. That worlds of one canonical form behave
//! alike is not only argued: the first test below compares what can happen next in each of them.
//!
//! Packets arrive whole here. That a cut inside one is no different from a cut before it is what `model_scenarios` shows at
//! every byte.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use mqtt_proto::{QoS, Version};
use mqtt_sim::model::{Load, Setup, Side, Step, Verdict, World};
use stateright::report::WriteReporter;
use stateright::{Checker, HasDiscoveries, Model, Property};

use QoS::{AtLeastOnce, ExactlyOnce};

/// What may happen, and how often.
struct Bounds {
    setup: Setup,
    /// What each side publishes, in order.
    loads: [Vec<QoS>; 2],
    cuts: u8,
    /// How often the server loses the session.
    losses: u8,
    /// Whether worlds are brought into their canonical form.
    is_canonical: bool,
    /// When to go no further.
    deadline: Option<Instant>,
}

/// A world, what is left of the bounds, and what went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    world: World,
    cuts: u8,
    losses: u8,
    verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Step(Step),
    /// The link breaks, nothing under way arrives, and the client dials again.
    Cut,
    /// The client dials again; what it wrote on the old connection may arrive late.
    Abandon,
    /// A cut, and the server loses the session.
    Lose,
}

impl Model for Bounds {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut world = World::new(self.setup);
        let verdict = world.step(Step::Dial).and_then(|()| world.step(Step::Run));
        vec![State { world, cuts: self.cuts, losses: self.losses, verdict }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if state.verdict.is_err() {
            return;
        }
        let world = &state.world;
        for side in Side::BOTH {
            if let Some(qos) = self.loads[side as usize].get(world.published(side)).filter(|_| world.is_open(side)) {
                actions.push(Action::Step(Step::Publish(side, Load::new(*qos))));
            }
            if world.is_under_way(side) {
                actions.push(Action::Step(Step::Frame(side)));
            }
            let held = world.held(side) as u8;
            actions.extend((0..held).map(|index| Action::Step(Step::Ack(side, index))));
        }
        if world.has_late_bytes() {
            actions.push(Action::Step(Step::Late(u16::MAX)));
        }
        if state.cuts > 0 {
            actions.extend([Action::Cut, Action::Abandon]);
            if state.losses > 0 {
                actions.push(Action::Lose);
            }
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        let steps: &[Step] = match action {
            Action::Step(step) => &[step],
            Action::Cut => &[Step::Redial],
            Action::Abandon => &[Step::Dial],
            Action::Lose => &[Step::Forget, Step::Redial],
        };
        if !matches!(action, Action::Step(_)) {
            next.cuts -= 1;
        }
        if action == Action::Lose {
            next.losses -= 1;
        }
        next.verdict = steps.iter().try_for_each(|step| next.world.step(*step));
        if self.is_canonical {
            next.world.canonicalise();
        }
        (next != *last).then_some(next)
    }

    /// stateright asks its own timeout only where several threads share work.
    fn within_boundary(&self, _: &State) -> bool {
        self.deadline.is_none_or(|deadline| Instant::now() < deadline)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no invariant is broken", |_, state: &State| state.verdict.is_ok()),
            Property::always("what comes to rest has ended well", |_, state: &State| {
                !state.world.is_quiet() || state.world.check_quiet().is_ok()
            }),
            Property::always("nothing comes to rest before its end", |bounds: &Self, state: &State| {
                let mut actions = Vec::new();
                bounds.actions(state, &mut actions);
                let moves = |action: &Action| !matches!(action, Action::Cut | Action::Abandon | Action::Lose);
                state.verdict.is_err() || state.world.is_quiet() || actions.iter().any(moves)
            }),
            Property::sometimes("everything is published and done", |bounds: &Self, state: &State| {
                let is_published = |side: Side| state.world.published(side) == bounds.loads[side as usize].len();
                state.world.is_quiet() && Side::BOTH.into_iter().all(is_published)
            }),
        ]
    }
}

/// Explores all of it, and returns how many states there are.
fn explore(bounds: Bounds) -> usize {
    let checker = bounds.checker().threads(2).spawn_dfs().join();
    checker.assert_properties();
    assert!(checker.is_done(), "there is more to explore");
    checker.unique_state_count()
}

fn bounds(version: Version, receive_maximum: u16, client: &[QoS], server: &[QoS], cuts: u8, losses: u8) -> Bounds {
    let setup = Setup::new(version).with_receive_maximum(receive_maximum);
    Bounds { setup, loads: [client.to_vec(), server.to_vec()], cuts, losses, is_canonical: true, deadline: None }
}

fn held(mut bounds: Bounds) -> Bounds {
    bounds.setup.holds = [true; 2];
    bounds
}

/// Plays one list of worlds, and says how many states each has.
fn explore_all(worlds: Vec<(&str, Bounds)>) -> usize {
    let mut all = 0;
    for (name, bounds) in worlds {
        let start = Instant::now();
        let states = explore(bounds);
        println!("{states:9} states, {:6.1} s: {name}", start.elapsed().as_secs_f64());
        all += states;
    }
    println!("{all:9} states in all");
    all
}

/// What can happen next, and to what it leads, is the same in all worlds with one canonical form: each of them is visited.
#[test]
fn worlds_of_one_canonical_form_behave_alike() {
    let (q1, q2, v5) = (AtLeastOnce, ExactlyOnce, Version::V5);
    let (mut worlds, mut forms) = (0, 0);
    for bounds in [
        bounds(v5, 1, &[q2, q1], &[q1], 2, 1),
        bounds(v5, 3, &[q2, q1], &[], 3, 1),
        bounds(Version::V31, 3, &[q1], &[q2], 2, 1),
        held(bounds(v5, 2, &[q1, q2], &[], 2, 1)),
    ] {
        let all = compare(Bounds { is_canonical: false, ..bounds });
        (worlds, forms) = (worlds + all.0, forms + all.1);
    }
    println!("{worlds} worlds have {forms} canonical forms");
    assert!(forms * 5 < worlds * 4, "so few are alike that it shows nothing");
}

/// How many worlds there are, and how many canonical forms.
fn compare(bounds: Bounds) -> (usize, usize) {
    let mut seen: HashSet<u64> = HashSet::new();
    let mut successors: HashMap<u64, BTreeSet<u64>> = HashMap::new();
    let mut open = bounds.init_states();
    while let Some(state) = open.pop() {
        if !seen.insert(digest(&state)) {
            continue;
        }
        let mut actions = Vec::new();
        bounds.actions(&state, &mut actions);
        let mut next = BTreeSet::from([digest(&(state.verdict.is_ok(), state.world.is_quiet(), actions.clone()))]);
        for action in actions {
            let Some(state) = bounds.next_state(&state, action) else { continue };
            next.insert(digest(&(action, form(&state))));
            open.push(state);
        }
        let known = successors.entry(form(&state)).or_insert_with(|| next.clone());
        assert_eq!(*known, next, "another world with this form goes on in another way: {state:#?}");
    }
    (seen.len(), successors.len())
}

fn form(state: &State) -> u64 {
    let mut state = state.clone();
    state.world.canonicalise();
    digest(&state)
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[test]
fn no_order_of_events_breaks_a_promise() {
    let (q1, q2, v5) = (AtLeastOnce, ExactlyOnce, Version::V5);
    let states = explore_all(vec![
        ("three of QoS 2 from the client, three cuts, one loss", bounds(v5, 3, &[q2, q2, q2], &[], 3, 1)),
        ("three of QoS 2 from the server, three cuts, one loss", bounds(v5, 3, &[], &[q2, q2, q2], 3, 1)),
        ("QoS 1 and 2 in a window of one, three cuts", bounds(v5, 1, &[q2, q1, q2], &[q1], 3, 0)),
        ("QoS 2 both ways under the same ids, two cuts", bounds(v5, 2, &[q2, q2], &[q2], 2, 1)),
        ("late acks in any order, two cuts", held(bounds(v5, 2, &[q2, q1], &[q2], 2, 0))),
        ("3.1.1, QoS 2 against QoS 1, three cuts", bounds(Version::V311, 3, &[q2, q2], &[q1], 3, 1)),
        ("3.1, QoS 2 both ways, two cuts", bounds(Version::V31, 3, &[q2], &[q2, q1], 2, 1)),
        ("three messages each way, no cut", bounds(v5, 2, &[q2, q1, q2], &[q1, q2, q1], 0, 0)),
        ("three messages each way, window 2, one cut", bounds(v5, 2, &[q2, q1, q2], &[q1, q2, q1], 1, 1)),
        ("three messages each way, window 3, one cut", bounds(v5, 3, &[q2, q1, q2], &[q1, q2, q1], 1, 1)),
        ("two messages each way, window 2, two cuts", bounds(v5, 2, &[q2, q1], &[q1, q2], 2, 1)),
    ]);
    assert!(states >= 1_000_000, "{states} states are too few to prove anything");
}

/// The whole of it, hours long: `cargo test -p mqtt-sim --test model_explore -- --ignored --nocapture`.
#[test]
#[ignore = "takes hours: the run of all checks explores the smaller worlds above"]
fn no_order_of_events_breaks_a_promise_in_larger_worlds() {
    let (q1, q2, v5) = (AtLeastOnce, ExactlyOnce, Version::V5);
    let states = explore_all(vec![
        ("three messages each way, window 1, one cut", bounds(v5, 1, &[q2, q1, q2], &[q1, q2, q1], 1, 1)),
        ("three messages each way, window 1, three cuts", bounds(v5, 1, &[q2, q1, q2], &[q1, q2, q1], 3, 1)),
        ("three messages each way, window 3, three cuts", bounds(v5, 3, &[q2, q1, q2], &[q1, q2, q1], 3, 1)),
        ("two messages each way, window 2, three cuts", bounds(v5, 2, &[q2, q1], &[q1, q2], 3, 1)),
        ("two messages each way in 3.1.1, three cuts", bounds(Version::V311, 3, &[q2, q1], &[q1, q2], 3, 1)),
        ("two messages each way in 3.1, three cuts", bounds(Version::V31, 3, &[q2, q1], &[q1, q2], 3, 1)),
        ("late acks in any order, three cuts", held(bounds(v5, 2, &[q2, q1], &[q2], 3, 1))),
    ]);
    assert!(states >= 10_000_000, "{states} states");
}

/// Three messages each way in one world: `MODEL_WORLD=window,cuts,losses`, and after how many `MODEL_SECONDS` to stop. Run it by
/// hand, as the one above.
#[test]
#[ignore = "takes a quarter of an hour"]
fn three_messages_each_way() {
    let variable = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let world: Vec<u16> = variable("MODEL_WORLD", "3,3,3").split(',').map(|number| number.parse().unwrap()).collect();
    let deadline = Instant::now() + Duration::from_secs(variable("MODEL_SECONDS", "86400").parse().unwrap());
    let [window, cuts, losses] = world[..] else { panic!("MODEL_WORLD=window,cuts,losses") };
    let (q1, q2) = (AtLeastOnce, ExactlyOnce);
    let bounds = bounds(Version::V5, window, &[q2, q1, q2], &[q1, q2, q1], cuts as u8, losses as u8);
    let bounds = Bounds { deadline: Some(deadline), ..bounds };
    let checker = bounds.checker().threads(1).finish_when(HasDiscoveries::AnyFailures).spawn_dfs();
    let checker = checker.report(&mut WriteReporter::new(&mut std::io::stdout()));
    checker.assert_no_discovery("no invariant is broken");
    checker.assert_no_discovery("what comes to rest has ended well");
    checker.assert_no_discovery("nothing comes to rest before its end");
    let ended = if Instant::now() < deadline { "which is all" } else { "and there are more" };
    println!("{} states to a depth of {}, {ended}", checker.unique_state_count(), checker.max_depth());
}
