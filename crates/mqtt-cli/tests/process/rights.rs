//! Who may do what with `mqtt broker`, and what a reload changes.

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::clients::Clients;
use crate::daemon::Daemon;
use crate::support::{finish, mqtt, run};

#[test]
fn it_lets_in_who_has_a_password_and_allows_what_the_rules_say() {
    let mut broker = Daemon::start(
        &[("users", ""), ("rules", "topic read news\nuser anna\ntopic news\ntopic write notes\npattern read to/%c\n")],
        "listener PORT 127.0.0.1\nallow_anonymous true\npassword_file FOLDER/users\nacl_file FOLDER/rules\nlog_type all\n",
    );
    broker.passwords(&[("anna", "one")]);
    broker.reload();
    broker.run("pub -V 5 -t news -m x -q 1 -u anna -P two").assert(2, &["0x86"]);
    broker.run("pub -V 5 -t news -m x -q 1 -u bob -P one").assert(2, &["0x86"]);
    broker.run("pub -V 5 -t news -m x -q 1").assert(2, &["0x87"]);
    broker.run("pub -V 5 -t to/me -m x -q 1 -u anna -P one").assert(2, &["0x87"]);
    let nameless = broker.subscriber("sub -i sub -t # -v -C 1");
    broker.run("pub -t notes -m secret -q 1 -u anna -P one").assert(0, &[]);
    broker.run("pub -t news -m x -q 1 -u anna -P one").assert(0, &[]);
    assert_eq!(finish(nameless).stdout, "news x\n");
    broker.end();
}

#[test]
fn sighup_sends_away_who_is_no_longer_in_the_file_or_has_another_password() {
    let settings = "listener PORT 127.0.0.1\npassword_file FOLDER/users\nlog_type all\n";
    let mut broker = Daemon::start(&[("users", "")], settings);
    broker.passwords(&[("anna", "one"), ("bob", "two"), ("carl", "three")]);
    broker.reload();
    let subscribe = |user: &str, password: &str| {
        let child = mqtt(&broker.client(&format!("sub -V 5 -i {user} -t a -u {user} -P {password} -C 1")));
        broker.wait_for(&format!(": {user} "), 1);
        child
    };
    let [anna, bob, carl] = [subscribe("anna", "one"), subscribe("bob", "two"), subscribe("carl", "three")];
    let file = broker.path("users");
    run(&format!("passwd -D {} bob", file.display())).assert(0, &[]);
    run(&format!("passwd -b {} carl four", file.display())).assert(0, &[]);
    broker.reload();
    finish(bob).assert(2, &["0x87"]);
    finish(carl).assert(2, &["0x87"]);
    broker.run("pub -t a -m x -q 1 -u carl -P four").assert(0, &[]);
    assert_eq!(finish(anna).stdout, "x\n");
    broker.end();
}

// CVE-2018-12550, CVE-2018-12551
#[test]
fn after_sighup_a_garbled_file_lets_nobody_in_and_allows_nothing() {
    let settings = "listener PORT 127.0.0.1\nallow_anonymous true\nacl_file FOLDER/rules\npassword_file FOLDER/users\nlog_type all\n";
    let mut broker = Daemon::start(&[("users", ""), ("rules", "topic #\nuser anna\ntopic #\n")], settings);
    broker.passwords(&[("anna", "one")]);
    broker.reload();
    broker.run("pub -t a -m x -q 1 -u anna -P one").assert(0, &[]);
    fs::write(broker.path("rules"), "topic #\nuser anna\ntopic #\noops\n").unwrap();
    broker.reload();
    assert!(broker.log.text().contains("rules:4: 'oops' is not 'user', 'topic' or 'pattern'"), "{}", broker.log.text());
    broker.run("pub -V 5 -t a -m x -q 1").assert(2, &["0x87"]);
    fs::write(broker.path("rules"), "topic #\nuser anna\ntopic #\n").unwrap();
    let users = fs::read_to_string(broker.path("users")).unwrap();
    fs::write(broker.path("users"), format!("{users}oops\n")).unwrap();
    broker.reload();
    broker.run("pub -V 5 -t a -m x -q 1 -u anna -P one").assert(2, &["0x86"]);
    broker.run("pub -t a -m x -q 1").assert(0, &[]);
    fs::write(broker.path("users"), users).unwrap();
    broker.reload();
    broker.run("pub -t a -m x -q 1 -u anna -P one").assert(0, &[]);
    broker.end();
}

// CVE-2021-34434, CVE-2018-12546
#[test]
fn after_sighup_neither_a_stored_session_nor_a_retained_message_brings_what_may_no_longer_be_read() {
    let settings = "listener PORT 127.0.0.1\nallow_anonymous true\nacl_file FOLDER/rules\nlog_type all\n";
    let mut broker = Daemon::start(&[("rules", "topic #\n")], settings);
    broker.run("sub -c -i sub -t # -q 1 -E").assert(0, &[]);
    broker.run("pub -t secret -m queued -q 1").assert(0, &[]);
    broker.run("pub -t secret -m retained -q 1 -r").assert(0, &[]);
    broker.run("pub -t open -m queued -q 1").assert(0, &[]);
    fs::write(broker.path("rules"), "topic #\ntopic deny secret\n").unwrap();
    broker.reload();
    let finished = broker.run("sub -c -i sub -t + -v -q 1 -C 1");
    assert_eq!(finished.stdout, "open queued\n");
    let live = broker.subscriber("sub -i sub -t # -v -C 1");
    broker.run("pub -t open -m now -q 1").assert(0, &[]);
    assert_eq!(finish(live).stdout, "open now\n");
    broker.end();
}

#[test]
fn after_sighup_what_somebody_has_retained_who_may_not_write_there_any_more_is_kept_back_unless_nobody_checks() {
    let settings = "listener PORT 127.0.0.1\nallow_anonymous true\nacl_file FOLDER/rules\nlog_type all\n";
    for (check, expected) in [("", "own mine\n"), ("check_retain_source false\n", "a/state on\nown mine\n")] {
        let rules = "topic read #\npattern write %c/state\npattern write own\n";
        let mut broker = Daemon::start(&[("rules", rules)], &format!("{settings}{check}"));
        broker.run("pub -i a -t a/state -m on -q 1 -r").assert(0, &[]);
        broker.run("pub -i a -t own -m mine -q 1 -r").assert(0, &[]);
        let both = broker.run("sub -i sub -t # -v -C 2 -W 30");
        assert_eq!(both.stdout, "a/state on\nown mine\n");
        fs::write(broker.path("rules"), "topic read #\npattern write own\n").unwrap();
        broker.reload();
        let count = expected.lines().count();
        // The last of them in the order of topics: when it is here, the others have been.
        let left = broker.run(&format!("sub -i sub -t # -v -C {count} -W 30"));
        assert_eq!(left.stdout, expected);
        broker.end();
    }
}

/// A connection that the test speaks byte by byte, in 3.1.1.
struct Wire(TcpStream);

impl Wire {
    fn open(broker: &Daemon) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, broker.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(stream)
    }

    /// A clean session if `flags` has 2 in it; what `will` adds stands behind the client id.
    fn connect(broker: &Daemon, id: &str, flags: u8, will: &[u8]) -> (Self, [u8; 4]) {
        let mut wire = Self::open(broker);
        let mut body = b"\x00\x04MQTT\x04".to_vec();
        body.extend([flags, 0, 0]);
        body.extend(text(id));
        body.extend(will);
        let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
        packet.extend(body);
        wire.send(&packet);
        let connack = wire.read();
        (wire, connack)
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn read<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read_exact(&mut bytes).unwrap();
        bytes
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

/// What a will of QoS 0 adds to CONNECT.
fn will(topic: &str) -> Vec<u8> {
    [text(topic), text("gone")].concat()
}

const CLEAN: u8 = 0x02;
const WILL: u8 = 0x04;

const RULES: &str = "listener PORT 127.0.0.1\nallow_anonymous true\nacl_file FOLDER/rules\nlog_type all\n";

// bugs.tsv 38: a will published to $CONTROL
#[test]
fn a_will_that_may_not_be_published_keeps_its_client_out() {
    let mut broker = Daemon::start(&[("rules", "topic readwrite #\ntopic deny secret\n")], RULES);
    for topic in ["secret", "$CONTROL/dynamic-security/v1", "$SYS/broker/uptime"] {
        let (_, connack) = Wire::connect(&broker, "a", CLEAN | WILL, &will(topic));
        assert_eq!(connack, [0x20, 2, 0, 5], "{topic}");
    }
    let (_, connack) = Wire::connect(&broker, "a", CLEAN | WILL, &will("open"));
    assert_eq!(connack, [0x20, 2, 0, 0]);
    broker.end();
}

// bugs.tsv 38
#[test]
fn a_will_is_not_published_once_its_client_has_lost_the_right() {
    let mut broker = Daemon::start(&[("rules", "topic readwrite #\n")], RULES);
    let (wire, connack) = Wire::connect(&broker, "a", CLEAN | WILL, &will("secret"));
    assert_eq!(connack, [0x20, 2, 0, 0]);
    let subscriber = broker.subscriber("sub -i sub -t # -v -C 1");
    fs::write(broker.path("rules"), "topic write open\ntopic read #\n").unwrap();
    broker.reload();
    drop(wire);
    broker.wait_for("Client a disconnected", 1);
    broker.run("pub -t open -m now -q 1").assert(0, &[]);
    assert_eq!(finish(subscriber).stdout, "open now\n");
    broker.end();
}

// bugs.tsv 37: an unfinished inbound QoS 2 message was not checked when its session was resumed
#[test]
fn an_unfinished_message_of_qos_2_is_delivered_by_the_rules_in_force_when_it_came_and_once() {
    let mut broker = Daemon::start(&[("rules", "topic readwrite #\n")], RULES);
    let subscriber = broker.subscriber("sub -i sub -t # -v -q 2 -C 2");
    let publish = |dup: u8, id: u8| [&[0x34 | dup << 3, 11][..], &text("secret"), &[0, id, b'x']].concat();
    let (mut wire, _) = Wire::connect(&broker, "a", 0, &[]);
    wire.send(&publish(0, 1));
    assert_eq!(wire.read(), [0x50, 2, 0, 1]);
    drop(wire);
    fs::write(broker.path("rules"), "topic write open\ntopic read #\n").unwrap();
    broker.reload();

    let (mut wire, connack) = Wire::connect(&broker, "a", 0, &[]);
    assert_eq!(connack, [0x20, 2, 1, 0]);
    // Our PUBREC may have been lost: it sends the same again, and another one that it may no longer send.
    wire.send(&publish(1, 1));
    assert_eq!(wire.read(), [0x50, 2, 0, 1]);
    wire.send(&[0x62, 2, 0, 1]);
    assert_eq!(wire.read(), [0x70, 2, 0, 1]);
    wire.send(&publish(0, 2));
    assert_eq!(wire.read(), [0x50, 2, 0, 2]);
    wire.send(&[0x62, 2, 0, 2]);
    assert_eq!(wire.read(), [0x70, 2, 0, 2]);
    broker.run("pub -t open -m now -q 1").assert(0, &[]);
    assert_eq!(finish(subscriber).stdout, "secret x\nopen now\n");
    broker.end();
}

// CVE-2017-7650
#[test]
fn an_id_of_wildcards_reads_and_writes_nothing_by_patterns() {
    let mut broker = Daemon::start(&[("rules", "pattern readwrite home/%c/#\n")], RULES);
    broker.run("pub -i anna -t home/anna/x -m x -q 1 -V 5").assert(0, &[]);
    for id in ["+", "#", "+/#"] {
        broker.run(&format!("pub -i {id} -t home/anna/x -m x -q 1 -V 5")).assert(2, &["0x87"]);
    }
    broker.end();
}
