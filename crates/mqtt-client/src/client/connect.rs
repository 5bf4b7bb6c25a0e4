//! The CONNECT packet that the options make.

use core::num::NonZeroU16;

use mqtt_proto::{Config, Connect, PROTOCOL_MAXIMUM_PACKET_SIZE, Text, Version};

use crate::backoff::Random;
use crate::options::Credentials;
use crate::{Options, OptionsError};

/// [`Options::send_maximum`] where the server cannot say its own: what Mosquitto bears.
const SEND_MAXIMUM_3: NonZeroU16 = NonZeroU16::new(20).unwrap();

/// The client id of the first connection, which the options need no longer.
pub(crate) fn client_id(options: &mut Options, random: &mut Random) -> Result<Text, OptionsError> {
    if !options.client_id.is_empty() {
        let client_id = core::mem::take(&mut options.client_id);
        return Text::try_from(client_id).map_err(|error| OptionsError::text("client_id", error));
    }
    match options.version {
        // 1 to 23 bytes, and no server is there to choose (D31-clientid). Letters and digits are what all servers take.
        Version::V31 => text("client_id", &format!("mqtt{:016x}", random.next())),
        Version::V311 if !options.clean_start => Err(OptionsError::Value {
            option: "client_id",
            problem: "MQTT 3.1.1 needs one to find a session again: set client_id, or clean_start(true)".into(),
        }),
        Version::V311 | Version::V5 => Ok(Text::default()),
    }
}

/// CONNECT. `again`: this client had a connection before.
pub(crate) fn packet(
    options: &Options,
    credentials: Option<&Credentials>,
    client_id: Text,
    again: bool,
) -> Result<Connect, OptionsError> {
    let mut connect = Connect::new(options.version, client_id);
    connect.clean_start = clean_start(options, again);
    connect.keep_alive = options.keep_alive;
    if let Some(credentials) = credentials.filter(|credentials| !credentials.is_empty()) {
        connect = identified(connect, credentials)?;
    }
    if options.request_response_information {
        connect = connect.with_request_response_information(true);
    }
    if !options.request_problem_information {
        connect = connect.with_request_problem_information(false);
    }
    match session_expiry(options) {
        Some(seconds) if seconds > 0 => Ok(connect.with_session_expiry_interval(seconds)),
        Some(_) | None => Ok(connect),
    }
}

fn identified(mut connect: Connect, credentials: &Credentials) -> Result<Connect, OptionsError> {
    connect.will = credentials.will.as_deref().cloned();
    connect.username = match &credentials.username {
        Some(username) => Some(text("username", username)?),
        None => None,
    };
    connect.password = credentials.password.clone();
    for (name, value) in &credentials.user_properties {
        connect = connect.with_user_property(text("user_property", name)?, text("user_property", value)?);
    }
    if let Some((method, data)) = &credentials.authentication {
        connect = connect.with_authentication(text("authentication", method)?, data.clone());
    }
    Ok(connect)
}

/// The limits and times of a connection; it announces them in CONNECT by itself.
pub(crate) fn config(options: &Options) -> Config {
    Config {
        handshake_timeout: options.connect_timeout,
        ping_timeout: options.ping_timeout,
        receive_maximum: options.receive_maximum,
        send_maximum: options.send_maximum.unwrap_or(match options.version {
            Version::V31 | Version::V311 => SEND_MAXIMUM_3,
            Version::V5 => NonZeroU16::MAX,
        }),
        maximum_packet_size: options.maximum_packet_size.map_or(PROTOCOL_MAXIMUM_PACKET_SIZE, |bytes| bytes.get()),
        topic_alias_maximum: if options.version == Version::V5 { options.topic_alias_maximum } else { 0 },
        ..Config::default()
    }
}

/// The rule of [`Options::clean_start`].
pub(crate) fn clean_start(options: &Options, again: bool) -> bool {
    match options.version {
        Version::V31 | Version::V311 => options.clean_start,
        Version::V5 if again => session_expiry(options) == Some(0),
        Version::V5 => options.clean_start,
    }
}

/// The rule of [`Options::session_expiry`]: what CONNECT says; `None` in 3.x, unless set there by mistake (the encoder will
/// name it).
fn session_expiry(options: &Options) -> Option<u32> {
    match (options.session_expiry, options.version) {
        (Some(seconds), _) => Some(seconds),
        (None, Version::V31 | Version::V311) => None,
        (None, Version::V5) => Some(if options.clean_start { WHILE_WE_LIVE } else { u32::MAX }),
    }
}

/// Whether the final DISCONNECT takes back the session expiry that we chose by ourselves.
pub(crate) fn leaves_nothing_behind(options: &Options) -> bool {
    options.version == Version::V5 && options.session_expiry.is_none() && options.clean_start
}

pub(crate) fn text(option: &'static str, value: &str) -> Result<Text, OptionsError> {
    Text::try_from(value).map_err(|error| OptionsError::text(option, error))
}

/// Seconds for which a server keeps the session of a client that means to come back at once.
const WHILE_WE_LIVE: u32 = 300;
