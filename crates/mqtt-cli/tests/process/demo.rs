//! `mqtt demo`: it checks itself, so that it ends well is most of the test.

use crate::support::run;

#[test]
fn the_demo_tells_what_it_shows_and_ends_by_itself() {
    let finished = run("demo");
    finished.assert(0, &[]);
    assert_eq!(finished.stderr, "");
    let mut rest = finished.stdout.as_str();
    for told in [
        "mqtt://127.0.0.1:",
        "sensor   connected, with MQTT 3.1.1",
        "display  connected, with MQTT 5.0",
        "display  <- house/temperature = 20.5, QoS 0",
        "display  <- house/temperature = 20.6, QoS 1",
        "display  <- house/temperature = 20.7, QoS 2",
        "phone    <- house/door = closed, marked as retained",
        "heater   loses its power",
        "display  <- house/heater = offline",
        "display  loses its network",
        "display  has its network again and reconnects by itself; its session is still there",
        "display  <- house/temperature = 21.0",
        "display  <- house/temperature = 21.5",
        "display  <- house/temperature = 22.0",
        "4 clients, 9 messages, none lost and none twice",
        "broker\n",
        "pub -t house/door -m open -q 1 -r",
    ] {
        let (_, after) = rest.split_once(told).unwrap_or_else(|| panic!("{told:?} is not told: {}", finished.stdout));
        rest = after;
    }
    assert!(finished.stdout.lines().all(|line| line.len() <= 120), "{}", finished.stdout);
}

#[test]
fn the_demo_has_no_options() {
    assert!(run("demo --help").stdout.contains("ends by itself"));
    run("demo -x").assert(1, &["-x is not an option of this command, which has none"]);
}
