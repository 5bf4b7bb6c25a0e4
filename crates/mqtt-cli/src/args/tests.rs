//! The command line as tables: what is accepted, what it becomes, and how each mistake is answered.

use std::ffi::OsString;
use std::time::Duration;

use mqtt_tokio::{QoS, Version};

use super::{ClientId, Command, PublishArgs, Source, SubscribeArgs, Target, parse};
use crate::format::Format;

fn run(line: &str) -> Result<Command, String> {
    parse(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
}

fn publish(line: &str) -> PublishArgs {
    match run(line) {
        Ok(Command::Publish(args)) => *args,
        other => panic!("{line}: {other:?}"),
    }
}

fn subscribe(line: &str) -> SubscribeArgs {
    match run(line) {
        Ok(Command::Subscribe(args)) => *args,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn defaults_are_those_of_mosquitto() {
    let args = publish("pub -t a -m b");
    assert_eq!(args.connection.target, Target::Host { host: "localhost".into(), port: 1883 });
    assert_eq!(args.connection.version, Version::V311);
    assert_eq!(args.connection.client_id, ClientId::Any);
    assert_eq!(args.connection.keep_alive, 60);
    assert!(args.connection.clean);
    assert_eq!(args.connection.session_expiry, None);
    assert_eq!((args.qos, args.retain, args.repeat), (QoS::AtMostOnce, false, 1));
    assert_eq!(args.source, Source::Argument("b".into()));
    let args = subscribe("sub -t a");
    assert_eq!(args.options.format, Format::Payload);
    assert!(args.options.layout.end_of_line);
}

#[test]
fn every_short_option_has_its_long_form() {
    let short = publish("pub -h b -p 1 -u n -P w -i c -k 5 -c -V mqttv5 -q 2 -r -t a -m -x -d");
    let long = publish(
        "pub --host b --port 1 --username n --pw w --id c --keepalive 5 --disable-clean-session \
         --protocol-version 5 --qos 2 --retain --topic a --message -x --debug",
    );
    assert_eq!(format!("{short:?}"), format!("{long:?}"));
    assert_eq!(short.source, Source::Argument("-x".into()));
    let short = subscribe("sub -t a/# -T a/b -U c -v -q 1 -I pre");
    let long = subscribe("sub --topic a/# --filter-out a/b --unsubscribe c --verbose --qos 1 --id-prefix pre");
    assert_eq!(format!("{short:?}"), format!("{long:?}"));
}

#[test]
fn sources_and_repetition_are_read() {
    for (options, source) in
        [("-n", Source::Empty), ("-s", Source::Stdin), ("-l", Source::Lines), ("-f x/y", Source::File("x/y".into()))]
    {
        assert_eq!(publish(&format!("pub -t a {options}")).source, source);
    }
    let args = publish("pub -t a -n --repeat 3 --repeat-delay 0.5");
    assert_eq!((args.repeat, args.repeat_delay), (3, Duration::from_millis(500)));
}

#[test]
fn what_exists_in_mqtt_5_alone_selects_mqtt_5() {
    for line in [
        "sub -t a -x 10",
        "sub -t a -D connect receive-maximum 10",
        "sub -t a --retain-as-published",
        "sub -t a --retain-handling new",
    ] {
        assert_eq!(subscribe(line).connection.version, Version::V5, "{line}");
        let error = run(&format!("{line} -V mqttv311")).unwrap_err();
        assert!(error.contains("needs MQTT 5, but -V asks for MQTT 3.1.1; use -V mqttv5"), "{error}");
    }
}

#[test]
fn the_session_expires_as_with_mosquitto() {
    for (options, expected) in [
        ("-V 5", None),
        ("-V 5 -c -i x", Some(u32::MAX)),
        ("-c -i x", None),
        ("-x 100 -c -i x", Some(100)),
        ("-x -1 -i x", Some(u32::MAX)),
        ("-x ∞ -i x", Some(u32::MAX)),
        ("-c -i x -D connect session-expiry-interval 7", Some(7)),
    ] {
        assert_eq!(subscribe(&format!("sub -t a {options}")).connection.session_expiry, expected, "{options}");
    }
}

#[test]
fn a_url_names_everything_and_its_topic_is_taken_as_it_stands() {
    let args = subscribe("sub -L mqtt://user:p%40ss@host:1234/a/+/%2F/#");
    assert_eq!(args.connection.target, Target::Url("mqtt://user:p%40ss@host:1234".into()));
    assert_eq!(args.options.filters[0].as_str(), "a/+/%2F/#");
    let args = publish("pub -L MQTT://host -t x -n");
    assert_eq!(args.connection.target, Target::Url("mqtt://host".into()));
    assert_eq!(args.topic.as_str(), "x");
}

#[test]
fn the_last_of_two_equal_options_counts_and_a_format_beats_verbose() {
    assert_eq!(publish("pub -t a -n -q 1 -q 2").qos, QoS::ExactlyOnce);
    for line in ["sub -t a -F %t -v", "sub -t a -v -F %t"] {
        assert_eq!(subscribe(line).options.format, Format::parse("%t").unwrap());
    }
    assert_eq!(subscribe("sub -t a -v").options.format, Format::Verbose);
}

#[test]
fn a_will_carries_its_options_and_properties() {
    let args = publish(
        "pub -t a -n --will-topic w --will-payload bye --will-qos 1 --will-retain -D will will-delay-interval 5 \
         -D will content-type t",
    );
    let will = args.connection.will.unwrap();
    assert_eq!(will.message.topic.as_str(), "w");
    assert_eq!(&will.message.payload[..], b"bye");
    assert_eq!((will.message.qos, will.message.retain), (QoS::AtLeastOnce, true));
    assert_eq!(will.delay_interval, 5);
    assert_eq!(will.message.properties().content_type(), Some("t"));
}

#[test]
fn properties_are_set_on_their_packets() {
    let args = publish(
        "pub -t a -n -D publish content-type text -D PUBLISH user-property k v -D publish user-property k w \
         -D connect receive-maximum 7 -D connect user-property a b -D disconnect session-expiry-interval 3 \
         -D publish response-topic r/t -D publish payload-format-indicator 1 -D publish message-expiry-interval 9",
    );
    assert_eq!(args.properties.connect.receive_maximum.unwrap().get(), 7);
    assert_eq!(args.properties.connect.user.len(), 1);
    assert_eq!(args.properties.disconnect.session_expiry_interval, Some(3));
    let message = args.properties.publish.apply(mqtt_tokio::Message::new(args.topic, ""));
    assert_eq!(message.properties().content_type(), Some("text"));
    assert_eq!(message.properties().response_topic(), Some("r/t"));
    assert_eq!(message.properties().payload_format_indicator(), Some(true));
    assert_eq!(message.properties().message_expiry_interval(), Some(9));
    assert_eq!(message.properties().user_properties().collect::<Vec<_>>(), [("k", "v"), ("k", "w")]);
    let args = subscribe("sub -t a -D subscribe subscription-identifier 5 -D unsubscribe user-property k v");
    assert_eq!(args.properties.subscription_identifier.unwrap().get(), 5);
    assert_eq!(args.properties.unsubscribe_user.len(), 1);
}

#[test]
fn every_mistake_is_answered_with_the_option_the_rule_and_the_remedy() {
    for (line, expected) in [
        ("", "a command is missing; 'mqtt --help' lists them"),
        ("publish", "'publish' is not a command"),
        ("pub", "the topic is missing; give it with -t"),
        ("pub -t a", "the message is missing; give it with -m, -f, -l, -n or -s"),
        ("pub -t a -m", "-m needs a value after it"),
        ("pub -t a -m b -n", "only one of -m, -f, -l, -n and -s"),
        ("pub -t a -t b -n", "-t is given twice"),
        ("pub -t a/# -n", "-t takes a topic to publish to, which 'a/#' is not"),
        ("pub -t a -n -q 3", "-q takes 0, 1 or 2, not '3'"),
        ("pub -t a -n --qos high", "--qos takes 0, 1 or 2, not 'high'"),
        ("pub -t a -n -p 99999", "-p takes a port from 1 to 65535, not '99999'"),
        ("pub -t a -n -p 0", "-p takes a port from 1 to 65535, not '0'"),
        ("pub -t a -n -k x", "-k takes seconds from 0 to 65535, not 'x'"),
        ("pub -t a -n -V 4", "-V takes mqttv31, mqttv311 or mqttv5 (or 31, 311, 5), not '4'"),
        ("pub -t a -n -c", "-c needs a client id (-i)"),
        ("sub -t a -D connect authentication-data x", "needs -D connect authentication-method"),
        ("pub -t a -n -c -I b", "-c needs a client id (-i)"),
        ("pub -t a -n -x -1", "needs a client id (-i)"),
        ("pub -t a -n -x soon", "-x takes seconds from 0 to 4294967295, or -1 or ∞ for never, not 'soon'"),
        ("pub -t a -n -i a -I b", "-I cannot be used with its sibling"),
        ("pub -t a -n -P b", "-P needs a user name (-u) before MQTT 5"),
        ("pub -t a -l --repeat 2", "--repeat works with -m, -f, -n and -s"),
        ("pub -t a -n --repeat 0", "--repeat takes a count from 1 to"),
        ("pub -t a -n --repeat 2 --repeat-delay -1", "--repeat-delay takes seconds such as 2 or 0.5, not '-1'"),
        ("pub -t a -n --will-payload b", "--will-payload needs --will-topic"),
        ("pub -t a -n -D will content-type b", "-D will needs --will-topic"),
        ("pub -t a -n -C 1", "-C is an option of 'mqtt sub'"),
        ("pub -t a -n b", "'b' stands alone"),
        ("pub -t a -n --bogus", "--bogus is not an option of this command; --help lists them"),
        ("pub -t a -n --cafile x", "--cafile: TLS is not supported yet"),
        ("pub -t a -n --proxy x", "--proxy: proxies are not supported yet"),
        ("pub -t a -n --unix x -p 5", "--unix names the broker already; leave out -h, -p and -L"),
        ("pub -t a -n --unix x -A 127.0.0.1", "--unix names a socket on this machine"),
        ("pub -t a -n -A eth0", "-A takes an IP address of this machine to connect from, not 'eth0'"),
        ("pub -t a -n -M 0", "-M takes a count of messages from 1 to 65535, not '0'"),
        ("pub -t a -n -p 8883", "port 8883 stands for TLS, which is not supported yet"),
        ("pub -t a -n -L mqtts://h/t", "-L mqtts://: TLS is not supported yet"),
        ("pub -t a -n -L wss://h/t", "-L ws://: WebSocket is not supported yet"),
        ("pub -t a -n -L h/t", "-L takes a URL such as mqtt://localhost:1883/topic"),
        ("pub -t a -n -L mqtt://h/t", "-t and the URL of -L both name a topic"),
        ("pub -t a -n -L mqtt://h -p 5", "-L names host and port already"),
        ("pub -n -L mqtt://h/t/#", "-L has the topic 't/#', to which nothing can be sent"),
        ("sub", "there is nothing to subscribe to; give a topic filter with -t"),
        ("sub -t a/#/b", "-t takes a topic filter, which 'a/#/b' is not"),
        ("sub -V mqttv5 -t $share/g", "-t has '$share/g', which MQTT 5 does not know: it has $share/NAME/FILTER alone"),
        ("sub -t a -x 5 -U $share//a", "-U has '$share//a', which MQTT 5 does not know"),
        ("sub -t a -C 0", "-C takes a count of messages from 1 to"),
        ("sub -t a -W 0", "-W takes seconds from 1 to"),
        ("sub -t a -R --retained-only", "give one of them"),
        ("sub -t a -F %d", "-F '%d': '%d' is not known"),
        ("sub -t a -F %A -D connect topic-alias-maximum 5", "-F %A cannot print aliases"),
        ("sub -t a --retain-handling maybe", "--retain-handling takes always, new or never, not 'maybe'"),
        ("sub -t a -l", "-l is an option of 'mqtt pub'"),
        ("sub -t a -o f", "-o: options files are not read"),
        ("sub -t a -D", "-D needs a value after it"),
        ("sub -t a -D connect", "-D needs a value after it"),
        ("sub -t a -D connect receive-maximum", "-D needs a value after it"),
        ("sub -t a -D subscribe user-property a", "-D needs a value after it"),
        (
            "sub -t a -D foo x y",
            "-D takes connect, publish, subscribe, unsubscribe, disconnect or will first, not 'foo'",
        ),
        ("sub -t a -D puback reason-string x", "-D puback is not supported"),
        ("sub -t a -D suback reason-string x", "-D suback is not possible"),
        ("sub -t a -D connect content-type x", "-D connect has no property 'content-type' to set"),
        ("sub -t a -D connect receive-maximum 0", "-D takes for receive-maximum a number from 1 to 65535, not '0'"),
        ("sub -t a -D connect receive-maximum 1 -D connect receive-maximum 2", "-D sets receive-maximum twice"),
        ("sub -t a -D publish content-type x", "-D publish has no meaning in 'mqtt sub'"),
        ("pub -t a -n -D subscribe user-property a b", "-D subscribe has no meaning in 'mqtt pub'"),
        ("pub -t a -n -D publish topic-alias 1", "-D publish topic-alias is not supported"),
        ("sub -t a -x 1 -i a -D connect session-expiry-interval 2", "-x and -D connect session-expiry-interval"),
    ] {
        let error = run(line).map(|command| format!("{command:?}")).expect_err(line);
        assert!(error.contains(expected), "{line}\n  said: {error}\n  not:  {expected}");
    }
}

#[test]
fn help_and_version_are_shown_wherever_they_stand() {
    for line in ["--help", "help", "--version", "pub --help", "sub -t a --help", "pub --version"] {
        assert!(matches!(run(line), Ok(Command::Show(text)) if !text.is_empty()), "{line}");
    }
}

#[cfg(unix)]
#[test]
fn a_message_may_be_any_bytes_and_a_topic_only_text() {
    use std::os::unix::ffi::OsStringExt;
    let binary = || OsString::from_vec(vec![0xff, 0xfe]);
    let line = |option: &str| parse(["pub", "-t", "a", option].map(OsString::from).into_iter().chain([binary()]));
    let Ok(Command::Publish(args)) = line("-m") else { panic!("refused") };
    assert_eq!(args.source, Source::Argument(vec![0xff, 0xfe].into()));
    let error = line("-u").unwrap_err().to_string();
    assert!(error.starts_with("-u takes UTF-8 text, not"), "{error}");
}
