//! UTF-8 strings, wherever they stand.

use mqtt_proto::{Packet, ReasonCode, Text, TextError, TopicError, TopicFilter, TopicName, Version};

use crate::util::{MALFORMED, VERSIONS, accept, frame, hex, refuse, section, written};

const BAD_UTF8: [&[u8]; 12] = [
    b"\xFF",
    b"a\x80",
    b"\xC3",
    b"\xC0\x80",                 // U+0000, as modified UTF-8 has it
    b"\xC1\xBF",                 // overlong
    b"\xE0\x80\xAF",             // overlong
    b"\xED\xA0\x80",             // U+D800
    b"\xED\xBF\xBF",             // U+DFFF
    b"\xED\xA0\xBD\xED\xB8\x80", // a pair of surrogates
    b"\xF4\x90\x80\x80",         // above U+10FFFF
    b"longer than eight bytes \xFF and on",
    b"12345678\xE2\x82",
];

// MQTT-1.5.3-1, MQTT-1.5.4-1
#[test]
fn what_is_not_utf8_is_no_text() {
    for bytes in BAD_UTF8 {
        assert_eq!(Text::new(bytes), Err(TextError::NotUtf8), "{bytes:02X?}");
        assert_eq!(TopicName::new(bytes), Err(TopicError::Text(TextError::NotUtf8)));
    }
}

// MQTT-1.5.3-2, MQTT-1.5.4-2, MQTT-4.7.3-2
#[test]
fn u_0000_is_found_at_every_place_of_texts_of_every_length() {
    for length in 0..40 {
        let plain = vec![b'x'; length];
        assert!(Text::new(&plain[..]).is_ok());
        for place in 0..length {
            let mut bytes = plain.clone();
            bytes[place] = 0;
            assert_eq!(Text::new(&bytes[..]), Err(TextError::Nul));
            bytes[place] = 0x80;
            assert_eq!(Text::new(&bytes[..]), Err(TextError::NotUtf8));
            for legal in [1, 0x7F, b'+', b'#', b'/'] {
                bytes[place] = legal;
                assert!(Text::new(&bytes[..]).is_ok());
            }
        }
    }
    assert_eq!(Text::try_from("\u{e9}\0"), Err(TextError::Nul));
}

// MQTT-1.5.3-3, MQTT-1.5.4-3
#[test]
fn u_feff_is_a_character_like_any_other() {
    for version in VERSIONS {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let bytes = frame(0x30, &[&section("\u{FEFF}a\u{FEFF}"), properties].concat());
        let packet = accept(version, &bytes);
        let Packet::Publish(publish) = &packet else { panic!() };
        assert_eq!(publish.message.topic, "\u{FEFF}a\u{FEFF}");
        assert_eq!(written(version, &packet), bytes);
    }
}

// U5-1.5.4, U5-5.4.9: one policy on every path.
#[test]
fn controls_and_non_characters_are_accepted_and_kept_everywhere() {
    let odd = "\u{1}\u{1F}\u{7F}\u{80}\u{9F}\u{FDD0}\u{FFFE}\u{FFFF}\u{1FFFE}\u{10FFFF}";
    assert_eq!(Text::try_from(odd).unwrap(), odd);
    for version in VERSIONS {
        let properties: &[u8] = if version == Version::V5 { &[0] } else { &[] };
        let bytes = frame(0x30, &[&section(odd), properties].concat());
        assert_eq!(written(version, &accept(version, &bytes)), bytes);
    }
}

#[test]
fn texts_of_one_to_four_bytes_a_character_pass() {
    for text in ["", "a", "\u{e9}", "\u{20ac}", "\u{1f600}", "a\u{e9}\u{20ac}\u{1f600} and more of it"] {
        let parsed = Text::try_from(text).unwrap();
        assert_eq!((parsed.as_str(), parsed.as_bytes(), &*parsed), (text, text.as_bytes(), text));
        assert_eq!((parsed.to_string(), format!("{parsed:?}")), (text.to_owned(), format!("{text:?}")));
    }
}

#[test]
fn texts_names_and_filters_are_read_compared_and_shown_as_the_strings_they_are() {
    fn check<T>(value: T, shown: &str, same: [bool; 4], other: [bool; 4])
    where
        T: AsRef<str> + std::fmt::Display + std::fmt::Debug,
    {
        assert_eq!(
            (value.as_ref(), value.to_string(), format!("{value:?}")),
            (shown, shown.into(), format!("{shown:?}"))
        );
        assert_eq!((same, other), ([true; 4], [false; 4]));
    }
    // Compared with `str` and with `&str`, by `==` and by `!=`.
    macro_rules! compare {
        ($value:expr, $with:expr) => {
            [$value == *$with, $value == $with, !($value != *$with), !($value != $with)]
        };
    }
    let (text, name, filter) =
        (Text::from_static("a/b"), TopicName::from_static("a/b"), TopicFilter::from_static("a/b"));
    check(&text, "a/b", compare!(text, "a/b"), compare!(text, "a/c"));
    check(&name, "a/b", compare!(name, "a/b"), compare!(name, "a/c"));
    check(&filter, "a/b", compare!(filter, "a/b"), compare!(filter, "a/c"));
    assert_eq!((&text.into_inner()[..], &filter.into_inner()[..]), (&b"a/b"[..], &b"a/b"[..]));
}

// MQTT-4.7.3-3
#[test]
fn a_text_has_at_most_65_535_bytes() {
    let longest = "x".repeat(65_535);
    assert!(Text::try_from(longest.as_str()).is_ok());
    assert!(TopicName::try_from(longest.clone()).is_ok());
    let longer = longest + "x";
    assert_eq!(Text::try_from(longer.as_str()), Err(TextError::TooLong));
    assert_eq!(Text::try_from(longer.clone()), Err(TextError::TooLong));
    assert_eq!(TopicName::try_from(longer), Err(TopicError::Text(TextError::TooLong)));
}

#[test]
#[should_panic(expected = "U+0000")]
fn a_static_text_is_checked_too() {
    let _ = Text::from_static("a\0b");
}

// MQTT-1.5.3-1, MQTT-1.5.3-2, MQTT-1.5.4-1, MQTT-1.5.4-2, MQTT-3.1.3-4, MQTT-3.1.3-10, MQTT-3.1.3-11, MQTT-3.1.3-12,
// MQTT-3.3.2-1, MQTT-3.8.3-1, MQTT-3.10.3-1, MQTT-3.3.2-13, MQTT-3.3.2-19, MQTT-1.5.7-1
#[test]
fn bad_utf8_is_refused_in_every_string_of_every_packet_by_the_statement_of_its_field() {
    let v5 = Version::V5;
    let fields = [
        (Version::V311, "10 0D 0004 'MQTT' 04 02 003C", "", "MQTT-3.1.3-4"),
        (Version::V31, "10 0D 0006 'MQIsdp' 03 02 003C", "", "MQTT-3.1.3-4"),
        (v5, "10 0D 0004 'MQTT' 05 02 003C 00", "", "MQTT-3.1.3-4"),
        (Version::V311, "10 0D 0004 'MQTT' 04 06 003C 0001 'c'", "0000", "MQTT-3.1.3-10"),
        (v5, "10 0D 0004 'MQTT' 05 06 003C 00 0001 'c' 00", "0000", "MQTT-3.1.3-11"),
        (Version::V311, "10 0D 0004 'MQTT' 04 82 003C 0001 'c'", "", "MQTT-3.1.3-11"),
        (v5, "10 0D 0004 'MQTT' 05 82 003C 00 0001 'c'", "", "MQTT-3.1.3-12"),
        (Version::V311, "30 00", "'payload'", "MQTT-3.3.2-1"),
        (v5, "30 00", "00 'payload'", "MQTT-3.3.2-1"),
        (Version::V311, "82 00 0001", "00", "MQTT-3.8.3-1"),
        (v5, "82 00 0001 00", "00", "MQTT-3.8.3-1"),
        (Version::V311, "A2 00 0001", "", "MQTT-3.10.3-1"),
        (v5, "A2 00 0001 00", "", "MQTT-3.10.3-1"),
    ];
    for (version, before, after, statement) in fields {
        let before = hex(before);
        for bad in BAD_UTF8 {
            let bytes = frame(before[0], &[&before[2..], &section(bad), &hex(after)].concat());
            refuse(version, bytes, MALFORMED, statement);
        }
        let nul = if version == v5 { "MQTT-1.5.4-2" } else { "MQTT-1.5.3-2" };
        let bytes = frame(before[0], &[&before[2..], &section("a\0b"), &hex(after)].concat());
        refuse(version, bytes, MALFORMED, nul);
    }
}

// MQTT-1.5.4-1, MQTT-1.5.7-1, MQTT-3.3.2-13, MQTT-3.3.2-19
#[test]
fn bad_utf8_is_refused_in_every_string_property() {
    let places: [(&str, u8, &str); 10] = [
        ("30 00 0001 't'", 0x03, "MQTT-3.3.2-19"),
        ("30 00 0001 't'", 0x08, "MQTT-3.3.2-13"),
        ("20 00 00 00", 0x12, "MQTT-1.5.4-1"),
        ("F0 00 18", 0x15, "MQTT-1.5.4-1"),
        ("20 00 00 00", 0x1A, "MQTT-1.5.4-1"),
        ("20 00 00 00", 0x1C, "MQTT-1.5.4-1"),
        ("40 00 0001 00", 0x1F, "MQTT-1.5.4-1"),
        ("E0 00 00", 0x1F, "MQTT-1.5.4-1"),
        ("A2 00 0001", 0x26, "MQTT-1.5.7-1"),
        ("90 00 0001", 0x26, "MQTT-1.5.7-1"),
    ];
    for (before, id, statement) in places {
        let before = hex(before);
        let refuse_value = |value: &[u8], reason: ReasonCode, statement| {
            let property = [&[id], value].concat();
            let bytes = [&before[2..], &[property.len() as u8], &property].concat();
            refuse(Version::V5, frame(before[0], &bytes), reason, statement);
        };
        for bad in BAD_UTF8 {
            let (good, bad) = (section("good"), section(bad));
            if id == 0x26 {
                refuse_value(&[bad.clone(), good.clone()].concat(), MALFORMED, statement);
                refuse_value(&[good, bad].concat(), MALFORMED, statement);
            } else {
                refuse_value(&bad, MALFORMED, statement);
            }
        }
        let nul = section("\0");
        refuse_value(&[nul.clone(), nul].concat(), MALFORMED, "MQTT-1.5.4-2");
    }
}
