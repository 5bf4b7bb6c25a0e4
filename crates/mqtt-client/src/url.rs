//! `mqtt://user:password@host:1883?client_id=sensor-7` to [`Options`].

use iri_string::percent_encode::decode::decode_whatwg_bytes;
use iri_string::types::UriStr;
use mqtt_proto::Version;

use crate::{Options, OptionsError};

pub(crate) fn parse(url: &str) -> Result<Options, OptionsError> {
    let Some((scheme, _)) = url.split_once("://") else {
        return Err(problem(format!("'{url}' has no scheme, write mqtt://{url}")));
    };
    let scheme = scheme.to_ascii_lowercase();
    if scheme != "mqtt" && scheme != "tcp" {
        return Err(OptionsError::Scheme { scheme });
    }
    let uri = UriStr::new(url).map_err(|_| {
        problem(
            "it holds a character that must be percent-encoded (an @ in a password is %40), or a wrong IPv6 address",
        )
    })?;
    let Some(authority) = uri.authority_components() else {
        return Err(problem("it names no host"));
    };
    let mut options = Options::new(host(authority.host())?, port(authority.port())?);
    if let Some(userinfo) = authority.userinfo() {
        options = credentials(options, userinfo)?;
    }
    if !matches!(uri.path_str(), "" | "/") {
        return Err(problem(format!("a path ('{}') means nothing here", uri.path_str())));
    }
    if uri.fragment().is_some() {
        return Err(problem("a fragment (#...) means nothing here"));
    }
    for pair in uri.query_str().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        options = parameter(options, name, &decoded("parameter", value)?)?;
    }
    Ok(options)
}

fn host(host: &str) -> Result<String, OptionsError> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    if host.is_empty() { Err(problem("it names no host")) } else { decoded("host", host) }
}

fn port(port: Option<&str>) -> Result<u16, OptionsError> {
    match port {
        None | Some("") => Ok(DEFAULT_PORT),
        Some(port) => match port.parse() {
            Ok(0) | Err(_) => Err(problem(format!("port {port} is not one of 1 to 65535"))),
            Ok(port) => Ok(port),
        },
    }
}

fn credentials(options: Options, userinfo: &str) -> Result<Options, OptionsError> {
    let (username, password) = match userinfo.split_once(':') {
        Some((username, password)) => (username, Some(password)),
        None => (userinfo, None),
    };
    let options = if username.is_empty() { options } else { options.username(decoded("user name", username)?) };
    Ok(match password {
        // A password is binary data in MQTT: no UTF-8 needed.
        Some(password) => options.password(decode_whatwg_bytes(password.as_bytes()).into_bytes().into_owned()),
        None => options,
    })
}

fn parameter(options: Options, name: &str, value: &str) -> Result<Options, OptionsError> {
    match name {
        "version" => match value {
            "3.1" | "31" | "3" => Ok(options.version(Version::V31)),
            "3.1.1" | "311" | "4" => Ok(options.version(Version::V311)),
            "5" | "5.0" => Ok(options.version(Version::V5)),
            _ => Err(wrong("version", value, "one of 3.1, 3.1.1 and 5")),
        },
        "client_id" => Ok(options.client_id(value)),
        "keep_alive" => match value.parse() {
            Ok(seconds) => Ok(options.keep_alive(seconds)),
            Err(_) => Err(wrong("keep_alive", value, "0 to 65535 seconds")),
        },
        "clean_start" => match value {
            "true" => Ok(options.clean_start(true)),
            "false" => Ok(options.clean_start(false)),
            _ => Err(wrong("clean_start", value, "true or false")),
        },
        "session_expiry" => match value.parse() {
            Ok(seconds) => Ok(options.session_expiry(seconds)),
            Err(_) => Err(wrong("session_expiry", value, "0 to 4294967295 seconds")),
        },
        _ => Err(OptionsError::Parameter { name: name.into() }),
    }
}

fn decoded(what: &str, text: &str) -> Result<String, OptionsError> {
    String::from_utf8(decode_whatwg_bytes(text.as_bytes()).into_bytes().into_owned())
        .map_err(|_| problem(format!("the {what} is not UTF-8 after percent-decoding")))
}

fn wrong(option: &'static str, value: &str, right: &str) -> OptionsError {
    OptionsError::Value { option, problem: format!("'{value}' is not {right}") }
}

fn problem(problem: impl Into<String>) -> OptionsError {
    OptionsError::Url { problem: problem.into() }
}

/// The port registered for MQTT over plain TCP.
const DEFAULT_PORT: u16 = 1883;

#[cfg(test)]
mod tests {
    use super::*;

    fn error(url: &str) -> String {
        parse(url).unwrap_err().to_string()
    }

    #[test]
    fn every_part_of_a_url_is_understood() {
        let options = parse("mqtt://al%40ice:p%3Aw%00@[::1]:2883/?client_id=a%20b&version=3.1.1&keep_alive=5").unwrap();
        assert_eq!((options.host.as_str(), options.port), ("::1", 2883));
        assert_eq!(options.credentials.username.as_deref(), Some("al@ice"));
        assert_eq!(options.credentials.password.as_deref(), Some(&b"p:w\0"[..]));
        assert_eq!((options.client_id.as_str(), options.version, options.keep_alive), ("a b", Version::V311, 5));
    }

    #[test]
    fn every_parameter_takes_each_of_its_values() {
        let plain = || Options::new("h", 1883);
        for (parameter, options) in [
            ("version=3", plain().version(Version::V31)),
            ("version=31", plain().version(Version::V31)),
            ("version=3.1", plain().version(Version::V31)),
            ("version=4", plain().version(Version::V311)),
            ("version=311", plain().version(Version::V311)),
            ("version=3.1.1", plain().version(Version::V311)),
            ("version=5&clean_start=true", plain()),
            ("version=3.1&version=5.0", plain()),
            ("clean_start=false", plain().clean_start(false)),
            ("clean_start=false&clean_start=true", plain()),
            ("client_id=x", plain().client_id("x")),
            ("keep_alive=0", plain().keep_alive(0)),
            ("session_expiry=4294967295", plain().session_expiry(u32::MAX)),
        ] {
            assert_eq!(parse(&format!("mqtt://h?{parameter}")), Ok(options), "{parameter}");
        }
        assert_eq!(error("mqtt://h?version=6"), "version: '6' is not one of 3.1, 3.1.1 and 5");
        assert_eq!(error("mqtt://h?clean_start=1"), "clean_start: '1' is not true or false");
        assert_eq!(error("mqtt://h?session_expiry=-1"), "session_expiry: '-1' is not 0 to 4294967295 seconds");
    }

    #[test]
    fn the_port_defaults_to_1883() {
        for url in ["mqtt://localhost", "mqtt://localhost:", "tcp://localhost/", "MQTT://localhost"] {
            assert_eq!(parse(url).unwrap(), Options::new("localhost", 1883), "{url}");
        }
    }

    #[test]
    fn a_user_name_needs_no_password() {
        assert_eq!(parse("mqtt://bob@h").unwrap(), Options::new("h", 1883).username("bob"));
    }

    #[test]
    fn errors_name_the_remedy() {
        assert_eq!(
            error("localhost:1883"),
            "not a server's URL: 'localhost:1883' has no scheme, write mqtt://localhost:1883"
        );
        assert!(error("mqtts://h").contains("TLS comes with"), "{}", error("mqtts://h"));
        assert!(error("wss://h").contains("WebSocket comes with"));
        assert_eq!(error("http://h"), "http:// is not a scheme of MQTT: write mqtt://");
        assert!(
            error("mqtt://h?klient_id=x").starts_with("unknown parameter 'klient_id' in the URL: known are version")
        );
        assert_eq!(error("mqtt://h:70000"), "not a server's URL: port 70000 is not one of 1 to 65535");
        assert_eq!(error("mqtt://"), "not a server's URL: it names no host");
        assert!(error("mqtt://a b").contains("percent-encoded"));
        assert!(error("mqtt://h:port").contains("percent-encoded") || error("mqtt://h:port").contains("port"));
        assert!(error("mqtt://h/topic").contains("'/topic'"));
        assert_eq!(error("mqtt://h?keep_alive=x"), "keep_alive: 'x' is not 0 to 65535 seconds");
    }
}
