//! Topic names, topic filters, and which goes with which.

use mqtt_proto::{
    Connect, FilterError, Message, Packet, QoS, Subscribe, Subscription, TextError, TopicError, TopicFilter, TopicName,
    Unsubscribe, Version, Will,
};
use proptest::prelude::*;

use crate::util::{MALFORMED, V3, VERSIONS, accept, complaint, frame, hex, refuse, section, text, written};

// MQTT-4.7.1-1 (3.1.1), MQTT-4.7.0-1 (5.0), MQTT-3.3.2-2
#[test]
fn a_topic_name_has_no_wildcard_anywhere() {
    for wildcard in [b'+', b'#'] {
        for length in 1..40 {
            for place in 0..length {
                let mut bytes = vec![b'x'; length];
                bytes[place] = wildcard;
                assert_eq!(TopicName::new(&bytes[..]), Err(TopicError::Wildcard));
                // Beside other characters too.
                let with_others = [&bytes, "\u{e9}".as_bytes()].concat();
                assert_eq!(TopicName::new(&with_others[..]), Err(TopicError::Wildcard));
            }
        }
    }
    for byte in (1..0x80).filter(|byte| *byte != b'+' && *byte != b'#') {
        for length in 1..20 {
            assert!(TopicName::new(&vec![byte; length][..]).is_ok(), "{byte:02X}");
        }
    }
}

// MQTT-4.7.3-1
#[test]
fn neither_is_empty() {
    assert_eq!(TopicName::try_from(""), Err(TopicError::Empty));
    assert_eq!(TopicFilter::try_from(""), Err(FilterError::Empty));
    for version in VERSIONS {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let subscribe = [&[0, 1], properties, &section(""), &[0]].concat();
        refuse(version, frame(0x82, &subscribe), MALFORMED, "MQTT-4.7.3-1");
        let unsubscribe = [&[0, 1], properties, &section("")].concat();
        refuse(version, frame(0xA2, &unsubscribe), MALFORMED, "MQTT-4.7.3-1");
    }
    for version in V3 {
        refuse(version, frame(0x30, &section("")), crate::util::PROTOCOL, "MQTT-4.7.3-1");
    }
}

// MQTT-4.7.1-2 (3.1.1), MQTT-4.7.1-1 (5.0)
#[test]
fn a_number_sign_is_the_last_level_and_alone_in_it() {
    for filter in ["#", "/#", "a/#", "+/#", "a/+/#", "//#"] {
        assert!(TopicFilter::try_from(filter).is_ok(), "{filter}");
    }
    for filter in ["a#", "#a", "#/", "#/a", "a/#/b", "a/b#", "##", "#/#", "+#", "a/#b"] {
        assert_eq!(TopicFilter::try_from(filter), Err(FilterError::MultiLevel), "{filter}");
    }
}

// MQTT-4.7.1-3 (3.1.1), MQTT-4.7.1-2 (5.0)
#[test]
fn a_plus_sign_is_alone_in_its_level() {
    for filter in ["+", "/+", "+/", "+/+", "a/+", "+/a", "a/+/b", "+/+/+"] {
        assert!(TopicFilter::try_from(filter).is_ok(), "{filter}");
    }
    for filter in ["a+", "+a", "++", "a/b+", "a/+b/c", "+a/b"] {
        assert_eq!(TopicFilter::try_from(filter), Err(FilterError::SingleLevel), "{filter}");
    }
}

// MQTT-4.8.2-1, MQTT-4.8.2-2
#[test]
fn a_shared_subscription_has_a_name_and_a_filter() {
    for (filter, name, rest) in [
        ("$share/g/a", "g", "a"),
        ("$share/g/#", "g", "#"),
        ("$share/some group/+/b", "some group", "+/b"),
        ("$share/g//", "g", "/"),
        ("$share/$share/$share/a/b", "$share", "$share/a/b"),
    ] {
        let parsed = TopicFilter::try_from(filter).unwrap();
        assert!(parsed.is_shared());
        assert_eq!((parsed.share_name(), parsed.filter(), parsed.as_str()), (Some(name), rest, filter));
        assert!(parsed.is_legal_in(Version::V5));
    }
    for filter in ["$share/g/a#", "$share/g#/a"] {
        assert_eq!(TopicFilter::try_from(filter), Err(FilterError::MultiLevel));
    }
    assert_eq!(TopicFilter::try_from("$share/a+b/c"), Err(FilterError::SingleLevel));
    for filter in ["$share", "$shared/g/a", "share/g/a", "/$share/g/a", "$SHARE/g"] {
        let parsed = TopicFilter::try_from(filter).unwrap();
        assert_eq!((parsed.is_shared(), parsed.share_name(), parsed.filter()), (false, None, filter));
        assert!(parsed.is_legal_in(Version::V5));
    }
}

// MQTT-4.8.2-1, MQTT-4.8.2-2: the statements of 5.0; section 4.7 of 3.1.1 makes no exception for $share.
#[test]
fn what_looks_like_a_share_and_is_none_is_an_ordinary_filter_before_5_and_nothing_in_5() {
    for filter in
        ["$share/", "$share/g", "$share/g/", "$share//a", "$share/+/a", "$share/#", "$share/+", "$share/+/+/#"]
    {
        let parsed = TopicFilter::try_from(filter).unwrap();
        assert_eq!((parsed.is_shared(), parsed.share_name(), parsed.filter()), (false, None, filter));
        assert_eq!(TopicFilter::new(filter.as_bytes()).unwrap().to_shared(), parsed);

        let subscribe = Packet::Subscribe(Subscribe::new(vec![Subscription::new(parsed.clone(), QoS::AtMostOnce)]));
        let unsubscribe = Packet::Unsubscribe(Unsubscribe::new(vec![parsed.clone()]));
        for version in V3 {
            assert!(parsed.is_legal_in(version));
            for packet in [&subscribe, &unsubscribe] {
                assert_eq!(accept(version, written(version, packet)), *packet);
            }
        }
        assert!(!parsed.is_legal_in(Version::V5));
        for packet in [&subscribe, &unsubscribe] {
            let complaint = complaint(Version::V5, packet);
            assert_eq!((complaint.packet(), complaint.field()), (packet.packet_type(), "topic filter"), "{filter}");
        }
        let section = section(filter);
        refuse(Version::V5, frame(0x82, &[&[0, 1, 0], &section[..], &[0]].concat()), MALFORMED, "MQTT-4.8.2-2");
        refuse(Version::V5, frame(0xA2, &[&[0, 1, 0], &section[..]].concat()), MALFORMED, "MQTT-4.8.2-2");
    }
    let ordinary = TopicFilter::from_static("$share/+/a");
    assert!(ordinary.matches(&TopicName::from_static("$share/g/a")));
    assert!(!ordinary.matches(&TopicName::from_static("a")));
}

// MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.1-3, MQTT-4.8.2-1, MQTT-4.8.2-2
#[test]
fn a_bad_filter_in_a_packet_is_malformed_by_its_own_statement() {
    let cases = [
        ("a#", "MQTT-4.7.1-2", "MQTT-4.7.1-1"),
        ("#/a", "MQTT-4.7.1-2", "MQTT-4.7.1-1"),
        ("a+", "MQTT-4.7.1-3", "MQTT-4.7.1-2"),
        ("$share/g#/a", "MQTT-4.7.1-2", "MQTT-4.8.2-2"),
        ("$share/g/a#", "MQTT-4.7.1-2", "MQTT-4.7.1-1"),
    ];
    for (filter, before_5, in_5) in cases {
        for version in V3 {
            refuse(version, frame(0x82, &[&[0, 1], &section(filter)[..], &[0]].concat()), MALFORMED, before_5);
            refuse(version, frame(0xA2, &[&[0, 1], &section(filter)[..]].concat()), MALFORMED, before_5);
        }
        refuse(Version::V5, frame(0x82, &[&[0, 1, 0], &section(filter)[..], &[0]].concat()), MALFORMED, in_5);
        refuse(Version::V5, frame(0xA2, &[&[0, 1, 0], &section(filter)[..]].concat()), MALFORMED, in_5);
    }
}

// MQTT-1.5.4-1, MQTT-4.7.3-2, MQTT-4.7.3-3
#[test]
fn a_filter_is_a_text() {
    assert_eq!(TopicFilter::new(&b"\xFF"[..]), Err(FilterError::Text(TextError::NotUtf8)));
    assert_eq!(TopicFilter::try_from("a\0"), Err(FilterError::Text(TextError::Nul)));
    assert!(TopicFilter::try_from("x".repeat(65_535)).is_ok());
    assert_eq!(TopicFilter::try_from("x".repeat(65_536)), Err(FilterError::Text(TextError::TooLong)));
}

// MQTT-4.7.1-1, MQTT-4.7.1-2, MQTT-4.7.1-3, MQTT-4.7.2-1
// D31-dollar
#[test]
fn filters_match_as_the_examples_of_the_standard_say() {
    let cases = [
        ("sport/tennis/player1/#", "sport/tennis/player1", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/ranking", true),
        ("sport/tennis/player1/#", "sport/tennis/player1/score/wimbledon", true),
        ("sport/tennis/player1/#", "sport/tennis/player2", false),
        ("sport/#", "sport", true),
        ("sport/#", "sports", false),
        ("#", "a", true),
        ("#", "/", true),
        ("sport/tennis/+", "sport/tennis/player1", true),
        ("sport/tennis/+", "sport/tennis/player1/ranking", false),
        ("sport/+", "sport", false),
        ("sport/+", "sport/", true),
        ("+/+", "/finance", true),
        ("/+", "/finance", true),
        ("+", "/finance", false),
        ("+/tennis/#", "sport/tennis", true),
        ("a/+/c", "a//c", true),
        ("a", "A", false),
        ("a/", "a", false),
        ("/a", "a", false),
        ("#", "$SYS/monitor", false),
        ("+/monitor/clients", "$SYS/monitor/clients", false),
        ("$SYS/#", "$SYS/monitor", true),
        ("$SYS/monitor/+", "$SYS/monitor/clients", true),
        ("a/#", "a/$SYS", true),
        ("$share/g/a/+", "a/b", true),
        ("$share/g/a/+", "$share/g/a/b", false),
        ("$share/g/#", "$SYS/a", false),
    ];
    for (filter, topic, is_match) in cases {
        let (filter, topic) = (TopicFilter::from_static(filter), TopicName::from_static(topic));
        assert_eq!(filter.matches(&topic), is_match, "{filter} and {topic}");
    }
}

// MQTT-4.7.3-4
#[test]
fn names_and_filters_are_compared_byte_for_byte() {
    // Two spellings of one character, of one path or of one letter are two topics.
    let spellings = ["\u{e9}", "e\u{301}", "e", "E", "\u{FEFF}e", "e ", " e", "\u{ff45}", "/e", "e/", "//e", "./e"];
    for (index, filter) in spellings.into_iter().enumerate() {
        let filter = TopicFilter::from_static(filter);
        for (other, topic) in spellings.into_iter().enumerate() {
            assert_eq!(filter.matches(&TopicName::from_static(topic)), index == other, "{filter:?} and {topic:?}");
        }
    }
    let odd = TopicFilter::try_from("\u{1}\u{FFFF}/+").unwrap();
    assert!(odd.matches(&TopicName::try_from("\u{1}\u{FFFF}/\u{10FFFF}").unwrap()));
}

// bugs 30: nothing recurses.
#[test]
fn the_deepest_filter_matches_the_deepest_topic() {
    let topic = TopicName::try_from("/".repeat(65_535)).unwrap();
    assert!(TopicFilter::try_from("/".repeat(65_535)).unwrap().matches(&topic));
    assert!(TopicFilter::try_from("+/".repeat(32_767) + "#").unwrap().matches(&topic));
    assert!(!TopicFilter::try_from("+/".repeat(32_767)).unwrap().matches(&topic));
}

// D31-utf8
#[test]
fn a_topic_of_mqtt_3_1_has_at_most_32_767_characters() {
    let longest = "\u{e9}".repeat(32_767);
    let longer = "a".to_owned() + &longest;
    let publish = |topic: &str| frame(0x30, &section(topic));
    crate::util::accept(Version::V31, publish(&longest));
    crate::util::accept(Version::V311, publish("x".repeat(65_535).as_str()));
    refuse(Version::V31, publish("x".repeat(32_768).as_str()), MALFORMED, "D31-utf8");
    let is_too_long_twice_over = longer.len() > 65_535;
    assert!(!is_too_long_twice_over);
    refuse(Version::V31, publish(&longer), MALFORMED, "D31-utf8");
    let packet = crate::util::accept(Version::V311, publish(&longer));
    assert_eq!(crate::util::complaint(Version::V31, &packet).field(), "topic name");
    let will = |topic: &str| Will::new(Message::new(TopicName::try_from(topic).unwrap(), ""));
    let connect = |version, topic| Packet::Connect(Box::new(Connect::new(version, text("c")).with_will(will(topic))));
    crate::util::written(Version::V31, &connect(Version::V31, &longest));
    crate::util::written(Version::V311, &connect(Version::V311, &longer));
    assert_eq!(crate::util::complaint(Version::V31, &connect(Version::V31, &longer)).field(), "will topic");
}

#[test]
fn what_a_topic_is_made_from_comes_back() {
    let topic = TopicName::from_static("a/b");
    assert_eq!((&*topic, topic.to_string(), format!("{topic:?}")), ("a/b", "a/b".into(), "\"a/b\"".into()));
    assert_eq!(TopicName::try_from("a/b").unwrap().into_inner(), "a/b");
    let filter = TopicFilter::from_static("a/+");
    assert_eq!((&*filter, filter.has_wildcards(), filter.to_shared()), ("a/+", true, filter.clone()));
    assert!(!TopicFilter::from_static("a/b").has_wildcards());
    assert_eq!(hex("'a/+'"), filter.as_bytes());
}

fn naive_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) | ([], []) => true,
        ([first, filter @ ..], [level, topic @ ..]) if *first == "+" || first == level => naive_match(filter, topic),
        _ => false,
    }
}

proptest! {
    // I21 of the reliability plan: matching is what a naive reference says.
    // MQTT-4.7.2-1
    #[test]
    fn matching_is_as_naive_recursion_does_it(filter in "[ab+$/]{0,6}(/#|#)?", topic in "[ab$/]{1,7}") {
        let Ok(parsed) = TopicFilter::try_from(filter.as_str()) else { return Ok(()) };
        let levels: Vec<_> = filter.split('/').collect();
        let hidden = topic.starts_with('$') && (filter.starts_with('+') || filter.starts_with('#'));
        let expected = !hidden && naive_match(&levels, &topic.split('/').collect::<Vec<_>>());
        prop_assert_eq!(parsed.matches(&TopicName::try_from(topic).unwrap()), expected);
    }

    #[test]
    fn a_topic_matches_itself_as_a_filter(topic in "[^+#\0]{1,40}") {
        let filter = TopicFilter::try_from(topic.as_str());
        prop_assume!(!topic.starts_with("$share/"));
        prop_assert!(filter.unwrap().matches(&TopicName::try_from(topic).unwrap()));
    }

    #[test]
    fn text_is_what_core_calls_utf8_without_nul(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let expected = std::str::from_utf8(&bytes).is_ok() && !bytes.contains(&0);
        prop_assert_eq!(mqtt_proto::Text::new(&bytes[..]).is_ok(), expected);
        let is_topic = expected && !bytes.is_empty() && !bytes.iter().any(|byte| b"+#".contains(byte));
        prop_assert_eq!(TopicName::new(&bytes[..]).is_ok(), is_topic);
    }
}
