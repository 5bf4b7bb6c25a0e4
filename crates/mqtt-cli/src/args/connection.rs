//! The options that both commands have: where to connect, as whom, and in which version.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::path::PathBuf;

use bytes::Bytes;
use mqtt_tokio::{Message, QoS, Text, TopicName, Version, Will};

use super::{Reader, UsageError};
use crate::properties::PropertyArgs;

/// Checked options of a connection.
#[derive(Debug)]
pub(crate) struct ConnectionArgs {
    pub(crate) target: Target,
    /// The address of this machine to connect from.
    pub(crate) bind: Option<IpAddr>,
    pub(crate) version: Version,
    pub(crate) client_id: ClientId,
    pub(crate) username: Option<Text>,
    pub(crate) password: Option<Bytes>,
    /// Seconds; 0 is none.
    pub(crate) keep_alive: u16,
    /// Messages of ours that are unacknowledged at a time; `None` leaves it to the client.
    pub(crate) send_maximum: Option<NonZeroU16>,
    pub(crate) clean: bool,
    /// Seconds; `u32::MAX` is for ever. `None`: the session ends with this program (or, in MQTT 3.x, is not timed).
    pub(crate) session_expiry: Option<u32>,
    pub(crate) will: Option<Will>,
    pub(crate) debug: bool,
    pub(crate) quiet: bool,
}

/// Where to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    Host {
        host: String,
        port: u16,
    },
    /// `mqtt://user:password@host:port`, without a topic.
    Url(String),
    /// A Unix socket.
    Unix(PathBuf),
}

/// Who we are to the broker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ClientId {
    /// Chosen for us.
    Any,
    Given(Text),
    /// Followed by the process id.
    Prefix(Text),
}

/// The options of the will while they are being read.
#[derive(Debug, Default)]
struct WillDraft {
    topic: Option<TopicName>,
    payload: Option<Bytes>,
    qos: Option<QoS>,
    retain: bool,
}

/// The same options while they are being read.
#[derive(Debug, Default)]
pub(super) struct Draft {
    host: Option<String>,
    port: Option<u16>,
    url: Option<String>,
    unix: Option<PathBuf>,
    /// The topic of `-L`, as it stands in the URL.
    pub(super) url_topic: Option<String>,
    bind: Option<IpAddr>,
    no_tls: bool,
    version: Option<Version>,
    /// The first option seen that exists in MQTT 5 alone.
    version_5_option: Option<String>,
    client_id: Option<ClientId>,
    username: Option<Text>,
    password: Option<Bytes>,
    keep_alive: Option<u16>,
    send_maximum: Option<NonZeroU16>,
    persistent: bool,
    session_expiry: Option<u32>,
    will: WillDraft,
    debug: bool,
    quiet: bool,
    pub(super) properties: PropertyArgs,
}

impl Draft {
    /// Takes `option` if it is one of these. `false`: it is not, and no value has been read.
    pub(super) fn take(&mut self, option: &str, reader: &mut Reader) -> Result<bool, UsageError> {
        match option {
            "-h" | "--host" => self.host = Some(reader.string()?),
            "-p" | "--port" => self.port = Some(reader.number("a port", 1..=65535)?),
            "-L" | "--url" => self.take_url(reader)?,
            "--unix" if cfg!(unix) => self.unix = Some(reader.path()?),
            "-A" => {
                let value = reader.string()?;
                let address = value.parse().map_err(|_| {
                    reader.error(format_args!("takes an IP address of this machine to connect from, not '{value}'"))
                })?;
                self.bind = Some(address);
            }
            "--no-tls" => self.no_tls = true,
            // The adapter always sets TCP_NODELAY: there is nothing to turn on.
            "--nodelay" => {}
            "-u" | "--username" => self.username = Some(reader.text()?),
            "-P" | "--pw" => self.password = Some(reader.bytes()?),
            "-i" | "--id" => {
                let id = ClientId::Given(reader.text()?);
                self.set_client_id(id, reader)?;
            }
            "-I" | "--id-prefix" => {
                let id = ClientId::Prefix(reader.text()?);
                self.set_client_id(id, reader)?;
            }
            "-k" | "--keepalive" => self.keep_alive = Some(reader.number("seconds", 0..=65535)?),
            "-M" => self.send_maximum = Some(reader.number("a count of messages", NonZeroU16::MIN..=NonZeroU16::MAX)?),
            "-c" | "--disable-clean-session" => self.persistent = true,
            "-x" => {
                self.session_expiry = Some(session_expiry(reader)?);
                self.require_version_5(option);
            }
            "-V" | "--protocol-version" => self.version = Some(version(reader)?),
            "-D" | "--property" => {
                self.properties.take(reader)?;
                self.require_version_5(option);
            }
            "-d" | "--debug" => self.debug = true,
            "--quiet" => self.quiet = true,
            "--will-topic" => self.will.topic = Some(reader.topic()?),
            "--will-payload" => self.will.payload = Some(reader.bytes()?),
            "--will-qos" => self.will.qos = Some(reader.qos()?),
            "--will-retain" => self.will.retain = true,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Notes that `option` has no meaning before MQTT 5.
    pub(super) fn require_version_5(&mut self, option: &str) {
        self.version_5_option.get_or_insert_with(|| option.into());
    }

    fn set_client_id(&mut self, id: ClientId, reader: &Reader) -> Result<(), UsageError> {
        match (&self.client_id, &id) {
            (Some(ClientId::Given(_)), ClientId::Prefix(_)) | (Some(ClientId::Prefix(_)), ClientId::Given(_)) => {
                Err(reader.error("cannot be used with its sibling: -i is the whole client id, -I the start of one"))
            }
            _ => {
                self.client_id = Some(id);
                Ok(())
            }
        }
    }

    /// `mqtt://[user[:password]@]host[:port][/topic]`. The topic stands in it as it is, without percent-decoding, so
    /// that `#` and `+` need none.
    fn take_url(&mut self, reader: &mut Reader) -> Result<(), UsageError> {
        let url = reader.string()?;
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| reader.error("takes a URL such as mqtt://localhost:1883/topic, with its mqtt://"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => {}
            "mqtts" => return Err(reader.error("mqtts://: TLS is not supported yet; this version speaks mqtt://")),
            "ws" | "wss" => {
                return Err(reader.error("ws://: WebSocket is not supported yet; this version speaks mqtt://"));
            }
            _ => return Err(reader.error(format_args!("takes an mqtt:// URL, not {scheme}://"))),
        }
        if rest.split('/').next().is_some_and(|authority| authority.contains('?')) {
            return Err(reader.error("takes a URL without '?': what would be a parameter is an option of this command"));
        }
        let (authority, topic) = match rest.split_once('/') {
            Some((authority, topic)) => (authority, Some(topic).filter(|topic| !topic.is_empty())),
            None => (rest, None),
        };
        self.url = Some(format!("mqtt://{authority}"));
        self.url_topic = topic.map(Into::into);
        Ok(())
    }

    /// Checks the options against each other.
    pub(super) fn finish(self) -> Result<(ConnectionArgs, PropertyArgs), UsageError> {
        let mut properties = self.properties;
        let version = match (self.version, &self.version_5_option) {
            (Some(version @ (Version::V31 | Version::V311)), Some(option)) => {
                return Err(UsageError(format!("{option} needs MQTT 5, but -V asks for {version}; use -V mqttv5")));
            }
            (Some(version), _) => version,
            (None, Some(_)) => Version::V5,
            (None, None) => Version::V311,
        };
        if self.unix.is_some() && self.bind.is_some() {
            return Err(UsageError::new(
                "--unix names a socket on this machine, which has no address to connect from (-A)",
            ));
        }
        let target = target(self.url, self.host, self.port, self.unix, self.no_tls)?;
        if self.password.is_some() && self.username.is_none() && version != Version::V5 && !has_user(&target) {
            return Err(UsageError::new("-P needs a user name (-u) before MQTT 5 (-V mqttv5)"));
        }
        if self.session_expiry.is_some() && properties.connect.session_expiry_interval.is_some() {
            return Err(UsageError::new("-x and -D connect session-expiry-interval say the same; give one of them"));
        }
        let session_expiry = match (version, self.session_expiry.or(properties.connect.session_expiry_interval)) {
            (Version::V31 | Version::V311, _) => None,
            (Version::V5, None) if self.persistent => Some(u32::MAX),
            (Version::V5, seconds) => seconds,
        };
        let client_id = self.client_id.unwrap_or(ClientId::Any);
        check_session(&client_id, self.persistent, session_expiry)?;
        if properties.connect.authentication_data.is_some() && properties.connect.authentication_method.is_none() {
            return Err(UsageError::new("-D connect authentication-data needs -D connect authentication-method"));
        }
        let will = self.will.finish(&mut properties)?;
        let connection = ConnectionArgs {
            target,
            bind: self.bind,
            version,
            client_id,
            username: self.username,
            password: self.password,
            keep_alive: self.keep_alive.unwrap_or(60),
            send_maximum: self.send_maximum,
            clean: !self.persistent,
            session_expiry,
            will,
            debug: self.debug,
            quiet: self.quiet,
        };
        Ok((connection, properties))
    }
}

impl WillDraft {
    fn finish(self, properties: &mut PropertyArgs) -> Result<Option<Will>, UsageError> {
        let Some(topic) = self.topic else {
            let given = [
                ("--will-payload", self.payload.is_some()),
                ("--will-qos", self.qos.is_some()),
                ("--will-retain", self.retain),
                ("-D will", properties.will_delay_interval.is_some() || !properties.will.is_empty()),
            ];
            return match given.iter().find(|(_, given)| *given) {
                Some((option, _)) => Err(UsageError(format!("{option} needs --will-topic, the topic of the will"))),
                None => Ok(None),
            };
        };
        let message = Message::new(topic, self.payload.unwrap_or_default())
            .with_qos(self.qos.unwrap_or(QoS::AtMostOnce))
            .with_retain(self.retain);
        let message = std::mem::take(&mut properties.will).apply(message);
        Ok(Some(Will { message, delay_interval: properties.will_delay_interval.unwrap_or(0) }))
    }
}

/// A session that outlives the program must be found again by a client id.
fn check_session(client_id: &ClientId, is_persistent: bool, expiry: Option<u32>) -> Result<(), UsageError> {
    let is_known = matches!(client_id, ClientId::Given(id) if !id.is_empty());
    if is_persistent && !is_known {
        return Err(UsageError::new("-c needs a client id (-i): the broker keeps the session under that name"));
    }
    if expiry == Some(u32::MAX) && !is_known {
        return Err(UsageError::new("a session that never expires needs a client id (-i) to be found again"));
    }
    Ok(())
}

fn target(
    url: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    unix: Option<PathBuf>,
    no_tls: bool,
) -> Result<Target, UsageError> {
    let target = match (unix, url, host, port) {
        (Some(path), None, None, None) => Target::Unix(path),
        (Some(_), _, _, _) => return Err(UsageError::new("--unix names the broker already; leave out -h, -p and -L")),
        (None, Some(url), None, None) => Target::Url(url),
        (None, Some(_), _, _) => {
            return Err(UsageError::new("-L names host and port already; leave out -h and -p, or -L"));
        }
        (None, None, host, port) => {
            Target::Host { host: host.unwrap_or_else(|| "localhost".into()), port: port.unwrap_or(1883) }
        }
    };
    let tls_port = match &target {
        Target::Host { port, .. } => *port == 8883,
        Target::Url(url) => url.ends_with(":8883"),
        Target::Unix(_) => false,
    };
    if tls_port && !no_tls {
        return Err(UsageError::new(
            "port 8883 stands for TLS, which is not supported yet; --no-tls insists on speaking plain MQTT to it",
        ));
    }
    Ok(target)
}

/// Whether the URL brings a user name.
fn has_user(target: &Target) -> bool {
    matches!(target, Target::Url(url) if url.contains('@'))
}

fn version(reader: &mut Reader) -> Result<Version, UsageError> {
    let value = reader.string()?;
    match value.as_str() {
        "mqttv31" | "31" => Ok(Version::V31),
        "mqttv311" | "311" => Ok(Version::V311),
        "mqttv5" | "5" => Ok(Version::V5),
        _ => Err(reader.error(format_args!("takes mqttv31, mqttv311 or mqttv5 (or 31, 311, 5), not '{value}'"))),
    }
}

fn session_expiry(reader: &mut Reader) -> Result<u32, UsageError> {
    let value = reader.string()?;
    match value.as_str() {
        "-1" | "∞" => Ok(u32::MAX),
        _ => value.parse().map_err(|_| {
            reader.error(format_args!("takes seconds from 0 to 4294967295, or -1 or ∞ for never, not '{value}'"))
        }),
    }
}
