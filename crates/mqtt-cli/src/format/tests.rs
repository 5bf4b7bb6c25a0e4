//! What `mosquitto_sub` 2.0.11 printed for the same message and format, and where we print something else.

use jiff::civil::date;
use jiff::tz::TimeZone;

use super::{Format, Layout, Moment, Printable, PrintableProperties};

const FULL: Printable<'_> = Printable {
    topic: "g/full",
    payload: "Hello \"wörld\"".as_bytes(),
    qos: 2,
    retain: true,
    packet_id: 1,
    topic_alias: None,
    properties: PrintableProperties {
        content_type: Some("text/plain"),
        correlation_data: Some(b"abc123"),
        message_expiry_interval: Some(4000),
        payload_format_indicator: Some(1),
        response_topic: Some("re/ply"),
        subscription_identifiers: &[],
        user_properties: &[("k1", "v1"), ("k2", "v 2")],
    },
};

const BARE: Printable<'_> = Printable { topic: "g/bare", payload: b"hi", retain: true, ..EMPTY };

const BINARY: Printable<'_> =
    Printable { topic: "g/bin", payload: b"\x00\x01\xfe\xffAz", qos: 1, retain: true, packet_id: 1, ..EMPTY };

const EMPTY: Printable<'_> = Printable {
    topic: "live",
    payload: b"",
    qos: 0,
    retain: false,
    packet_id: 0,
    topic_alias: None,
    properties: PrintableProperties {
        content_type: None,
        correlation_data: None,
        message_expiry_interval: None,
        payload_format_indicator: None,
        response_topic: None,
        subscription_identifiers: &[],
        user_properties: &[],
    },
};

const LINE: Layout = Layout { end_of_line: false, pretty: false };

fn moment() -> Moment {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    Moment::at(date(2024, 3, 4).at(6, 0, 7, 42_000_009).to_zoned(zone).unwrap())
}

fn render(format: &str, message: &Printable<'_>) -> String {
    String::from_utf8(render_bytes(format, message)).unwrap()
}

fn render_bytes(format: &str, message: &Printable<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    Format::parse(format).unwrap().render(message, &moment(), LINE, &mut out).unwrap();
    out
}

#[test]
fn every_letter_prints_what_mosquitto_sub_prints() {
    let all = "%A|%C|%D|%E|%F|%l|%m|%P|%p|%q|%R|%r|%S|%t|%%|%x|%X";
    for (message, expected) in [
        (
            &FULL,
            "|text/plain|abc123|4000|1|14|1|k1:v1 k2:v 2|Hello \"wörld\"|2|re/ply|1||g/full|%|\
             48656c6c6f202277c3b6726c6422|48656C6C6F202277C3B6726C6422",
        ),
        (&BARE, "|||||2|0||hi|0||1||g/bare|%|6869|6869"),
    ] {
        assert_eq!(render(all, message), expected);
    }
    assert_eq!(render_bytes("%p|%x|%X", &BINARY), b"\x00\x01\xfe\xffAz|0001feff417a|0001FEFF417A");
}

#[test]
fn widths_and_precisions_are_those_of_mosquitto_sub() {
    for (format, full, bare) in [
        ("[%10t]", "[    g/full]", "[    g/bare]"),
        ("[%-10t]", "[g/full    ]", "[g/bare    ]"),
        ("[%010t]", "[    g/full]", "[    g/bare]"),
        ("[%3t]", "[g/full]", "[g/bare]"),
        ("[%.3t]", "[g/f]", "[g/b]"),
        ("[%10.3t]", "[       g/f]", "[       g/b]"),
        ("[%-10.3t]", "[g/f       ]", "[g/b       ]"),
        ("[%-010t]", "[g/full    ]", "[g/bare    ]"),
        ("%.0t|%.t|%0t|%00t|%5.0t", "||g/full|g/full|     ", "||g/bare|g/bare|     "),
        ("[%10p]", "[Hello \"wö]", "[        hi]"),
        ("[%-20p]", "[Hello \"wörld\"      ]", "[hi                  ]"),
        ("[%020p]", "[000000Hello \"wörld\"]", "[000000000000000000hi]"),
        ("[%3p]", "[Hel]", "[ hi]"),
        ("[%-3p]", "[Hel]", "[hi ]"),
        ("[%.3p]", "[Hello \"wörld\"]", "[hi]"),
        ("[%20.3p]", "[      Hello \"wörld\"]", "[                  hi]"),
        ("[%6l]", "[    14]", "[     2]"),
        ("[%-6l]", "[14    ]", "[2     ]"),
        ("[%06l]", "[000014]", "[000002]"),
        ("[%.2l]", "[14]", "[2]"),
        ("[%1l]", "[14]", "[2]"),
        ("[%-06l]", "[14    ]", "[2     ]"),
        ("[%6q]", "[2]", "[0]"),
        ("[%6r]", "[1]", "[1]"),
        ("[%6m]", "[     1]", "[     0]"),
        ("[%06m]", "[000001]", "[000000]"),
        ("[%20C]", "[          text/plain]", "[                    ]"),
        ("[%-20C]", "[text/plain          ]", "[                    ]"),
        ("[%020C]", "[          text/plain]", "[                    ]"),
        ("[%.4C]", "[text]", "[]"),
        ("[%8.4C]", "[    text]", "[        ]"),
        ("[%20D]", "[abc123]", "[]"),
        ("[%.2D]", "[abc123]", "[]"),
        ("[%12E]", "[        4000]", "[            ]"),
        ("[%012E]", "[000000004000]", "[000000000000]"),
        ("[%-12E]", "[4000        ]", "[            ]"),
        ("[%4F]", "[   1]", "[    ]"),
        ("[%04F]", "[0001]", "[0000]"),
        ("[%-4F]", "[1   ]", "[    ]"),
        ("[%10R]", "[    re/ply]", "[]"),
        ("[%-10R]", "[re/ply    ]", "[]"),
        ("[%.2R]", "[re]", "[]"),
        ("[%10P]", "[k1:v1 k2:v 2]", "[]"),
        ("[%6S]", "[      ]", "[      ]"),
        ("[%06S]", "[000000]", "[000000]"),
        ("[%-6S]", "[      ]", "[      ]"),
        ("[%06A]", "[000000]", "[000000]"),
        ("[%5%]", "[%]", "[%]"),
        ("", "", ""),
        ("ü plain €", "ü plain €", "ü plain €"),
    ] {
        assert_eq!(render(format, &FULL), full, "{format}");
        assert_eq!(render(format, &BARE), bare, "{format}");
    }
}

#[test]
fn hex_keeps_every_byte_where_mosquitto_sub_drops_half() {
    for (format, expected) in [
        ("[%6x]", "[  6869]"),
        ("[%-6X]", "[6869  ]"),
        ("[%06x]", "[006869]"),
        ("[%3x]", "[6869]"),
        ("[%.1x]", "[6869]"),
    ] {
        assert_eq!(render(format, &BARE), expected, "{format}");
    }
}

#[test]
fn an_expiry_beyond_two_to_the_31_is_not_negative() {
    let properties = PrintableProperties { message_expiry_interval: Some(4_000_000_000), ..EMPTY.properties };
    assert_eq!(render("%E", &Printable { properties, ..EMPTY }), "4000000000");
}

#[test]
fn escapes_are_those_of_mosquitto_sub() {
    assert_eq!(render(r"\\|\0|\a|\e|\n|\r|\t|\v|@@", &BARE), "\\|\0|\x07|\x1b|\n|\r|\t|\x0b|@");
}

#[test]
fn times_are_those_of_strftime_in_the_posix_locale() {
    for (format, expected) in [
        ("%I", "2024-03-04T06:00:07+0100"),
        ("[%30I]", "[      2024-03-04T06:00:07+0100]"),
        ("[%.10I]", "[2024-03-04]"),
        ("%U", "1709528407.042000009"),
        ("@s.@N", "1709528407.042000009"),
        ("@a|@A|@b|@h|@B", "Mon|Monday|Mar|Mar|March"),
        ("@c", "Mon Mar  4 06:00:07 2024"),
        ("@x|@D|@X|@T|@R", "03/04/24|03/04/24|06:00:07|06:00:07|06:00"),
        ("@r|@p|@P", "06:00:07 AM|AM|am"),
        ("@d|@e|@j|@m", "04| 4|064|03"),
        ("@H|@k|@I|@l|@M|@S", "06| 6|06| 6|00|07"),
        ("@C|@y|@Y|@g|@G|@F", "20|24|2024|24|2024|2024-03-04"),
        ("@u|@w|@U|@V|@W", "1|1|09|10|10"),
        ("@z|@Z", "+0100|CET"),
        ("@n@t@%", "\n\t%"),
        // What C does not know is printed as it stands, with the % that strftime was given.
        ("@E@O@f@i@o@q@v@J@K@L@Q@+@-@_@^@#@.@:", "%E%O%f%i%o%q%v%J%K%L%Q%+%-%_%^%#%.%:"),
    ] {
        assert_eq!(render(format, &BARE), expected, "{format}");
    }
}

#[test]
fn json_is_one_line_with_an_escaped_payload() {
    let message = Printable { payload: b"tab\there\nnl \\ / \x7f \x01", ..FULL };
    assert_eq!(
        render("%j", &message),
        "{\"tst\":\"2024-03-04T06:00:07.042000+0100\",\"topic\":\"g/full\",\"qos\":2,\"retain\":1,\"payloadlen\":19,\
         \"mid\":1,\"properties\":{\"content-type\":\"text/plain\",\"correlation-data\":\"abc123\",\
         \"payload-format-indicator\":1,\"response-topic\":\"re/ply\",\"user-properties\":{\"k1\":\"v1\",\"k2\":\"v 2\"},\
         \"message-expiry-interval\":4000},\"payload\":\"tab\\there\\nnl \\\\ / \x7f \\u0001\"}"
    );
    assert_eq!(
        render("%j", &BARE),
        "{\"tst\":\"2024-03-04T06:00:07.042000+0100\",\"topic\":\"g/bare\",\"qos\":0,\"retain\":1,\"payloadlen\":2,\
         \"payload\":\"hi\"}"
    );
}

#[test]
fn json_of_a_binary_payload_is_still_json() {
    let line = render("%j", &BINARY);
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(value["payload"], "\0\u{1}\u{fffd}\u{fffd}Az");
    assert_eq!(value["payloadlen"], 6);
}

#[test]
fn a_json_payload_nests_without_its_blanks_and_with_its_own_numbers() {
    let payload = b" {\"b\": 1, \"a\": [1.50, null,\n true], \"e\": 1e3, \"z\": {}, \"s\": \"a \\\" {,:\\\\\"} ";
    let message = Printable { payload, ..BARE };
    let line = render("%J", &message);
    let expected = "\"payload\":{\"b\":1,\"a\":[1.50,null,true],\"e\":1e3,\"z\":{},\"s\":\"a \\\" {,:\\\\\"}}";
    assert!(line.ends_with(expected), "{line}");
    assert!(render("%J", &EMPTY).ends_with("\"payload\":null}"));
}

#[test]
fn pretty_json_is_laid_out_as_mosquitto_sub_does() {
    let message =
        Printable { payload: b"{\"b\": 1, \"a\": [1.5, null, true], \"z\": {}}", qos: 1, packet_id: 1, ..BARE };
    let mut out = Vec::new();
    let layout = Layout { end_of_line: false, pretty: true };
    Format::parse("%J").unwrap().render(&message, &moment(), layout, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "{\n\t\"tst\":\t\"2024-03-04T06:00:07.042000+0100\",\n\t\"topic\":\t\"g/bare\",\n\t\"qos\":\t1,\n\t\"retain\":\t1,\n\
         \t\"payloadlen\":\t41,\n\t\"mid\":\t1,\n\t\"payload\":\t{\n\t\t\"b\":\t1,\n\t\t\"a\":\t[1.5, null, true],\n\
         \t\t\"z\":\t{\n\t\t}\n\t}\n}"
    );
}

#[test]
fn a_payload_that_is_not_json_is_reported_and_the_rest_of_the_line_printed() {
    let mut out = Vec::new();
    let result = Format::parse("[%t|%J]").unwrap().render(&FULL, &moment(), LINE, &mut out);
    assert!(result.is_err());
    assert_eq!(out, b"[g/full|]");
}

#[test]
fn plain_and_verbose_output_treat_empty_payloads_as_mosquitto_sub_does() {
    let message = Printable { payload: b"x", ..EMPTY };
    for (format, end_of_line, full, empty) in [
        (Format::Payload, true, "x\n", ""),
        (Format::Payload, false, "x", ""),
        (Format::Verbose, true, "live x\n", "live (null)\n"),
        (Format::Verbose, false, "live x", ""),
    ] {
        for (message, expected) in [(&message, full), (&EMPTY, empty)] {
            let mut out = Vec::new();
            format.render(message, &moment(), Layout { end_of_line, pretty: false }, &mut out).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), expected);
        }
    }
}

#[test]
fn a_broken_format_is_refused_with_the_place_and_the_remedy() {
    for (format, expected) in [
        ("%", "write '%%'"),
        ("%5", "write '%%'"),
        ("%-", "write '%%'"),
        ("%.", "write '%%'"),
        ("@", "write '@@'"),
        ("\\", "write '\\\\'"),
        ("\\q", "'\\q' is not known"),
        ("%d", "'%d' is not known"),
        ("%é", "'%é' is not known"),
        ("[%0-10t]", "'%-' is not known"),
        ("%99999999999p", "at most 65535"),
    ] {
        let error = Format::parse(format).unwrap_err().to_string();
        assert!(error.contains(expected), "{format}: {error}");
    }
}
