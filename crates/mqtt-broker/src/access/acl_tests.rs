use proptest::prelude::*;

use super::Access::{Read, Write};
use super::*;

fn acl(text: &str) -> AclFile {
    AclFile::parse("rules", text.as_bytes()).unwrap()
}

fn errors(text: &str) -> Vec<String> {
    match AclFile::parse("rules", text.as_bytes()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn topic_lines_are_for_the_user_above_them_and_before_the_first_for_the_nameless() {
    let acl = acl("topic read news/#\n\nuser anna\ntopic write doors/+\n\
                   # a comment\nuser bob\ntopic readwrite bob\nuser anna\ntopic read extra\n");
    for (user, access, topic, allowed) in [
        (None, Read, "news/today", true),
        (None, Read, "news", true),
        (None, Write, "news/today", false),
        (None, Read, "doors/1", false),
        (Some("anna"), Read, "news/today", false),
        (Some("anna"), Write, "doors/1", true),
        (Some("anna"), Read, "doors/1", false),
        (Some("anna"), Write, "doors/1/2", false),
        (Some("anna"), Read, "extra", true),
        (Some("bob"), Read, "bob", true),
        (Some("bob"), Write, "bob", true),
        (Some("carl"), Read, "news/today", false),
    ] {
        assert_eq!(acl.allows(user, "id", access, topic), allowed, "{user:?} {access:?} {topic}");
    }
}

#[test]
fn a_topic_without_a_right_is_for_both_and_blanks_need_a_right() {
    let acl = acl("topic a\ntopic read\ntopic read my topic\ntopic\tdeny\tz");
    assert!(acl.allows(None, "id", Read, "a") && acl.allows(None, "id", Write, "a"));
    assert!(acl.allows(None, "id", Write, "read"));
    assert!(acl.allows(None, "id", Read, "my topic"));
    assert!(!acl.allows(None, "id", Read, "z"));
    assert_eq!(errors("topic my topic").len(), 1);
}

#[test]
fn a_deny_wins_over_a_grant_wherever_it_stands() {
    for text in ["topic deny a/secret\ntopic read a/#\n", "topic read a/#\ntopic deny a/secret\n"] {
        let acl = acl(text);
        assert!(acl.allows(None, "id", Read, "a/open"));
        assert!(!acl.allows(None, "id", Read, "a/secret"));
    }
    let acl = acl("pattern deny %c/secret\npattern readwrite %c/#\n");
    assert!(acl.allows(None, "me", Write, "me/open"));
    assert!(!acl.allows(None, "me", Write, "me/secret"));
}

#[test]
fn a_users_own_rules_decide_before_patterns_do() {
    let acl = acl("user anna\ntopic read a/b\ntopic deny a/c\npattern deny a/b\npattern readwrite a/+\n");
    assert!(acl.allows(Some("anna"), "id", Read, "a/b"));
    assert!(!acl.allows(Some("anna"), "id", Read, "a/c"));
    assert!(!acl.allows(Some("anna"), "id", Write, "a/b"));
    assert!(acl.allows(Some("bob"), "id", Write, "a/c"));
}

#[test]
fn patterns_are_for_everybody_and_put_in_the_id_and_the_name() {
    let acl = acl("user anna\npattern write sensor/%u/data\npattern read in/x-%c-%u/+\n");
    assert!(acl.allows(Some("bob"), "id", Write, "sensor/bob/data"));
    assert!(!acl.allows(Some("bob"), "id", Write, "sensor/anna/data"));
    assert!(!acl.allows(None, "id", Write, "sensor//data"));
    assert!(!acl.allows(None, "id", Write, "sensor/%u/data"));
    assert!(acl.allows(Some("bob"), "7", Read, "in/x-7-bob/1"));
    assert!(!acl.allows(Some("bob"), "7", Read, "in/x-7-bo/1"));
    assert!(!acl.allows(Some("bob"), "7", Read, "in/x-7-bobb/1"));
}

#[test]
fn only_patterns_replace_percent_signs() {
    let acl = acl("topic %c/%u\n");
    assert!(acl.allows(None, "id", Read, "%c/%u"));
    assert!(!acl.allows(None, "id", Read, "id/"));
}

// CVE-2017-7650, CVE-2026-44838
#[test]
fn nothing_in_an_id_or_a_name_is_a_wildcard_a_separator_or_an_expression() {
    let acl = acl("pattern readwrite %c/#\npattern readwrite by/%u/x\n");
    for id in ["#", "+", "a/b", "+/+", "$SYS", "a|b", ".*", "^", "%u", "%c", ""] {
        for topic in ["a/x", "a/b/x", "b/x", "$SYS/x", "bob/x"] {
            assert!(!acl.allows(Some("bob"), id, Read, topic), "{id} {topic}");
        }
    }
    for name in ["#", "+", "a/b", "a/+", ".*"] {
        for topic in ["by/a/x", "by/a/b/x", "by/b/x"] {
            assert!(!acl.allows(Some(name), "id", Write, topic), "{name} {topic}");
        }
    }
    assert!(acl.allows(None, ".*", Read, ".*/x"));
}

#[test]
fn a_value_that_no_level_can_hold_gets_nothing_from_patterns() {
    // The second pattern would let it in, and the first would not keep it out.
    let patterns = acl("pattern deny a/%c/secret\npattern read a/#\n");
    assert!(!patterns.allows(None, "x", Read, "a/x/secret") && patterns.allows(None, "x", Read, "a/open"));
    for id in ["x/y", "x+", "#"] {
        assert!(!patterns.allows(None, id, Read, "a/x/y/secret"), "{id}");
        assert!(!patterns.allows(None, id, Read, "a/open"), "{id}");
    }
    // The rules of its own are not concerned, nor are patterns without `%c`.
    assert!(acl("topic read a/#\npattern read %c").allows(None, "x/y", Read, "a/open"));
    assert!(acl("pattern read a/%u\npattern read b").allows(Some("u"), "x/y", Read, "b"));
}

#[test]
fn a_leading_wildcard_does_not_reach_dollar_topics() {
    let acl = acl("topic read #\ntopic read +/x\npattern read %c/#\n");
    for topic in ["$SYS/broker/uptime", "$SYS/x", "$CONTROL/a"] {
        assert!(!acl.allows(None, "$SYS", Read, topic), "{topic}");
    }
    assert!(self::acl("topic read $SYS/#").allows(None, "id", Read, "$SYS/broker/uptime"));
}

// CVE-2018-12550
#[test]
fn an_empty_file_denies_everything() {
    for text in ["", "\n", "# topic read a\n", "user anna\n"] {
        let acl = acl(text);
        assert!(!acl.allows(None, "id", Read, "a"));
        assert!(!acl.allows(Some("anna"), "id", Write, "a"));
    }
    assert!(!AclFile::default().allows(None, "id", Read, "a"));
}

// CVE-2018-12550
#[test]
fn a_garbled_line_spoils_the_file_and_is_named_with_its_line_and_a_remedy() {
    for (line, word) in [
        ("user", "write 'user NAME'"),
        ("user  ", "write 'user NAME'"),
        ("topic", "write 'topic"),
        ("topic  ", "write 'topic"),
        ("pattern", "the topic is missing"),
        ("topic reed a", "'reed' is not read, write, readwrite or deny"),
        ("topic read a/#/b", "'a/#/b' is not a topic filter"),
        ("pattern write a+", "'a+' is not a topic filter"),
        ("anna read a", "put '#' before a comment"),
        (" # a", "put '#' before a comment"),
        ("Topic read a", "'Topic' is not 'user', 'topic' or 'pattern'"),
    ] {
        let found = errors(&format!("topic read b\n{line}\n"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].starts_with("rules:2: ") && found[0].contains(word), "{found:?}");
    }
    assert!(AclFile::parse("rules", b"topic read \xff").is_err());
    assert!(AclFile::read(Path::new("/no/such/file")).unwrap_err().to_string().starts_with("/no/such/file: "));
}

#[test]
fn all_errors_of_a_file_are_told_in_the_order_of_its_lines() {
    let found = errors("x\ntopic read a\nuser\n\ntopic reed a\n");
    let lines: Vec<_> = found.iter().map(|error| error.split(": ").next().unwrap()).collect();
    assert_eq!(lines, ["rules:1", "rules:3", "rules:5"]);
}

/// A filter's meaning in other words: by recursion, over topics without `$`.
fn reference(filter: &[&str], topic: &[&str]) -> bool {
    match (filter.split_first(), topic.split_first()) {
        (None, None) => true,
        (Some((&"#", _)), _) => true,
        (Some((&"+", filter)), Some((_, topic))) => reference(filter, topic),
        (Some((a, filter)), Some((b, topic))) => a == b && reference(filter, topic),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn level() -> impl Strategy<Value = &'static str> {
    prop_oneof![Just("a"), Just("b"), Just(""), Just("ab"), Just("%c"), Just("x%u")]
}

proptest! {
    // CVE-2017-7650: the substituted text, taken as a whole level, against a matcher that knows nothing of patterns.
    #[test]
    fn patterns_match_as_if_the_id_were_written_out(
        mut filter in prop::collection::vec(prop_oneof![4 => level(), 1 => Just("+")], 1..5),
        rest in any::<bool>(),
        topic in prop::collection::vec(prop_oneof![Just("a"), Just("b"), Just(""), Just("ab"), Just("xa"), Just("+"), Just("#")], 1..5),
        id in "[ab+#/$]{0,3}",
        name in prop::option::of("[ab+#/]{0,2}"),
    ) {
        if rest {
            filter.push("#");
        }
        let text = filter.join("/");
        prop_assume!(!text.is_empty());
        let topic_text = topic.join("/");
        let allowed = acl(&format!("pattern read {text}\n")).allows(name.as_deref(), &id, Read, &topic_text);
        let written: Vec<String> = filter
            .iter()
            .map(|level| level.replace("%c", &id).replace("%u", name.as_deref().unwrap_or("no such level")))
            .collect();
        let uses = |value: &str, mark: &str| text.contains(mark) && value.contains(['+', '#', '/']);
        let opaque = uses(&id, "%c") || name.as_deref().is_some_and(|name| uses(name, "%u"));
        let written: Vec<&str> = written.iter().map(String::as_str).collect();
        prop_assert_eq!(allowed, !opaque && reference(&written, &topic));
    }
}
