//! What needs no broker: mistakes in the arguments, and nobody there.

use std::net::{TcpListener, TcpStream};

use crate::support::run;

#[test]
fn a_mistake_in_the_arguments_is_code_1_and_one_line_on_stderr() {
    for (arguments, words) in [
        ("", "mqtt: a command is missing"),
        ("pub -t a", "mqtt: the message is missing"),
        ("sub -t a -q 3", "mqtt: -q takes 0, 1 or 2, not '3'"),
        ("sub -t a --cafile ca.pem", "mqtt: --cafile: TLS is not supported yet"),
        ("pub -t a -f /no/such/file", "mqtt: cannot read /no/such/file: "),
        ("pub -t a -s", "mqtt: stdin is empty; -n sends an empty message"),
    ] {
        let mut child = crate::support::mqtt(arguments);
        drop(child.stdin.take());
        let finished = crate::support::finish(child);
        finished.assert(1, &[words]);
        assert_eq!(finished.stdout, "");
        assert!(finished.stderr.lines().count() <= 2, "{finished:?}");
    }
}

#[test]
fn help_is_on_stdout_and_names_every_option() {
    let help = run("sub --help");
    help.assert(0, &[]);
    for option in ["-t, --topic", "-F FORMAT", "-W SECONDS", "--retained-only", "-D, --property"] {
        assert!(help.stdout.contains(option), "{option}");
    }
    assert!(run("pub --help").stdout.contains("--repeat-delay"));
    assert!(run("--version").stdout.starts_with("mqtt "));
}

#[test]
fn nobody_there_is_code_2_and_says_where_and_why() {
    // The calling end of a connection: its port is taken as long as it lives, and nobody listens there.
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let caller = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let port = caller.local_addr().unwrap().port();
    for command in ["pub -t a -m b", "sub -t a"] {
        let finished = run(&format!("{command} -h 127.0.0.1 -p {port}"));
        finished.assert(2, &["mqtt: cannot reach 127.0.0.1", &port.to_string(), "refused"]);
        assert_eq!(finished.stdout, "");
        let quiet = run(&format!("{command} -h 127.0.0.1 -p {port} --quiet"));
        quiet.assert(2, &[]);
        assert_eq!(quiet.stderr, "");
    }
}
