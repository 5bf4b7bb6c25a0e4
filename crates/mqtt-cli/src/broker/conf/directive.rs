//! One directive after the other, into a draft that remembers where each value comes from.

use std::path::PathBuf;

use super::refused::{WEBSOCKETS, refuse};
use super::value::{LogType, number};
use super::{ConfError, Domain, ListenerPlace, Place};

/// A line that says something.
pub(super) struct Directive<'a> {
    pub(super) place: Place,
    pub(super) name: &'a str,
    /// Without blanks around it; empty if there is none.
    pub(super) value: &'a str,
}

/// A value and where it stands.
pub(super) type Placed<T> = Option<(T, Place)>;

/// What has been read so far.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) errors: Vec<ConfError>,
    /// Lines so far.
    pub(super) lines: usize,
    /// The index in `listeners` that directives belong to now; `None`: the default listener.
    pub(super) current: Option<usize>,
    pub(super) listeners: Vec<ListenerDraft>,
    pub(super) default_listener: ListenerDraft,
    pub(super) port: Placed<u16>,
    pub(super) bind_address: Placed<String>,
    /// Access for all listeners.
    pub(super) access: AccessDraft,
    pub(super) per_listener_settings: bool,
    pub(super) check_retain_source: Option<bool>,
    pub(super) connection_messages: Option<bool>,
    pub(super) log: LogDraft,
    pub(super) max_inflight_messages: Option<u16>,
    pub(super) max_keepalive: Option<u16>,
    pub(super) max_packet_size: Option<u32>,
    pub(super) max_queued_bytes: Option<u64>,
    pub(super) max_queued_messages: Option<u64>,
    pub(super) message_size_limit: Option<u32>,
    pub(super) persistent_client_expiration: Option<u32>,
    pub(super) pid_file: Placed<PathBuf>,
    pub(super) queue_qos0_messages: Option<bool>,
    pub(super) retain_available: Option<bool>,
    pub(super) sys_interval: Option<u16>,
}

#[derive(Clone, Default)]
pub(super) struct ListenerDraft {
    /// `None` for the default listener, and where the line is wrong.
    pub(super) host: Option<ListenerPlace>,
    /// Where that is said.
    pub(super) stands: Option<Place>,
    pub(super) domain: Placed<Domain>,
    pub(super) interface: Placed<String>,
    pub(super) max_connections: Option<Option<u32>>,
    pub(super) max_qos: Option<u8>,
    pub(super) max_topic_alias: Option<u16>,
    pub(super) access: AccessDraft,
    /// Every directive that belongs to this listener, for when it turns out not to exist.
    pub(super) directives: Vec<(String, Place)>,
}

#[derive(Clone, Default)]
pub(super) struct AccessDraft {
    pub(super) allow_anonymous: Option<bool>,
    pub(super) allow_zero_length_clientid: Option<bool>,
    pub(super) auto_id_prefix: Placed<String>,
    pub(super) password_file: Placed<PathBuf>,
    pub(super) acl_file: Placed<PathBuf>,
    pub(super) is_set: bool,
}

#[derive(Default)]
pub(super) struct LogDraft {
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) topic: bool,
    pub(super) file: Placed<PathBuf>,
    pub(super) dest_is_set: bool,
    pub(super) types: Option<Vec<LogType>>,
    pub(super) timestamp: Option<bool>,
    pub(super) timestamp_format: Placed<String>,
}

impl Draft {
    pub(super) fn error(&mut self, place: Place, text: &str) {
        self.errors.push(ConfError { place: Some(place), text: text.to_owned() });
    }

    /// Takes a directive of any kind but `include_dir`.
    pub(super) fn take(&mut self, line: &Directive<'_>) -> Result<(), String> {
        match line.name {
            "listener" => self.listener(line),
            "port" => {
                self.port = Some((line.number(1..=u16::MAX)?, line.place.clone()));
                Ok(())
            }
            "bind_address" => once(&mut self.bind_address, line.word()?.to_owned(), &line.place),
            "bind_interface" | "socket_domain" | "protocol" | "max_connections" | "max_qos" | "maximum_qos"
            | "max_topic_alias" => self.current().take(line),
            "allow_anonymous" | "allow_zero_length_clientid" | "auto_id_prefix" | "password_file" | "acl_file" => {
                self.access_line(line)
            }
            "per_listener_settings" => {
                self.per_listener_settings = line.flag()?;
                if self.per_listener_settings && self.access.is_set {
                    return Err("must stand before every directive about access; move it to the top".into());
                }
                Ok(())
            }
            "log_dest" | "log_type" | "log_timestamp" | "log_timestamp_format" => self.log.take(line),
            _ => self.global(line),
        }
    }

    /// The listener that directives belong to now.
    fn current(&mut self) -> &mut ListenerDraft {
        match self.current {
            Some(index) => &mut self.listeners[index],
            None => &mut self.default_listener,
        }
    }

    fn access_line(&mut self, line: &Directive<'_>) -> Result<(), String> {
        if self.per_listener_settings {
            let current = self.current();
            current.directives.push((line.name.to_owned(), line.place.clone()));
            current.access.take(line)
        } else {
            self.access.take(line)
        }
    }

    fn listener(&mut self, line: &Directive<'_>) -> Result<(), String> {
        let words = line.words()?;
        let port: u16 = number(words[0], 0..=u16::MAX)?;
        // What follows belongs to this listener, whatever else is wrong with it.
        self.current = Some(self.listeners.len());
        self.listeners.push(ListenerDraft::default());
        let place = match (port, &words[1..]) {
            (0, []) => {
                return Err("port 0 is for Unix sockets; write 'listener 0 /path/of/socket', or another port".into());
            }
            (0, _) => ListenerPlace::Unix(unix_path(line)?),
            (port, []) => ListenerPlace::Port(port),
            (port, [host]) => ListenerPlace::Host((*host).to_owned(), port),
            (_, [..]) => return Err(format!("takes a port and an address, not '{}'", line.value)),
        };
        let current = self.current();
        (current.host, current.stands) = (Some(place), Some(line.place.clone()));
        Ok(())
    }

    /// What concerns the whole broker, and what is not supported.
    fn global(&mut self, line: &Directive<'_>) -> Result<(), String> {
        match line.name {
            "check_retain_source" => self.check_retain_source = Some(line.flag()?),
            "connection_messages" => self.connection_messages = Some(line.flag()?),
            "max_inflight_messages" => {
                let limit = line.limit(u16::MAX.into())?;
                self.max_inflight_messages = Some(u16::try_from(limit).unwrap_or(0));
            }
            "max_keepalive" => self.max_keepalive = Some(line.number(10..=u16::MAX)?),
            "max_packet_size" => self.max_packet_size = Some(line.number(20..=LARGEST_PACKET)?),
            "max_queued_bytes" => self.max_queued_bytes = Some(line.limit(u64::MAX)?),
            "max_queued_messages" => self.max_queued_messages = Some(line.limit(u64::MAX)?),
            "message_size_limit" => self.message_size_limit = Some(line.number(0..=LARGEST_PAYLOAD)?),
            "persistent_client_expiration" => self.persistent_client_expiration = Some(line.duration()?),
            "pid_file" => return once(&mut self.pid_file, line.text()?.into(), &line.place),
            "queue_qos0_messages" => self.queue_qos0_messages = Some(line.flag()?),
            "retain_available" => self.retain_available = Some(line.flag()?),
            "sys_interval" => self.sys_interval = Some(line.number(0..=u16::MAX)?),
            _ => return refuse(line).and_then(|why| why.map_or(Ok(()), |why| Err(why.to_owned()))),
        }
        Ok(())
    }
}

impl ListenerDraft {
    fn take(&mut self, line: &Directive<'_>) -> Result<(), String> {
        self.directives.push((line.name.to_owned(), line.place.clone()));
        match line.name {
            "bind_interface" => return once(&mut self.interface, line.text()?.to_owned(), &line.place),
            "socket_domain" => {
                let domain = match line.word()? {
                    "ipv4" => Domain::Ipv4,
                    "ipv6" => Domain::Ipv6,
                    other => return Err(format!("takes ipv4 or ipv6, not '{other}'; leave it out for both")),
                };
                self.domain = Some((domain, line.place.clone()));
            }
            "protocol" => match line.word()? {
                "mqtt" => {}
                "websockets" => return Err(format!("websockets: {WEBSOCKETS}")),
                other => return Err(format!("takes mqtt, not '{other}'")),
            },
            "max_connections" => {
                let limit: i64 = line.number(i64::from(i32::MIN)..=i32::MAX.into())?;
                // Negative: no limit.
                self.max_connections = Some(u32::try_from(limit).ok());
            }
            "max_topic_alias" => self.max_topic_alias = Some(line.number(0..=u16::MAX)?),
            // max_qos, and its older name.
            _ => self.max_qos = Some(line.number(0..=2)?),
        }
        Ok(())
    }
}

impl AccessDraft {
    fn take(&mut self, line: &Directive<'_>) -> Result<(), String> {
        self.is_set = true;
        match line.name {
            "allow_anonymous" => self.allow_anonymous = Some(line.flag()?),
            "allow_zero_length_clientid" => self.allow_zero_length_clientid = Some(line.flag()?),
            "auto_id_prefix" => return once(&mut self.auto_id_prefix, line.text()?.to_owned(), &line.place),
            "password_file" => return once(&mut self.password_file, line.text()?.into(), &line.place),
            _ => return once(&mut self.acl_file, line.text()?.into(), &line.place),
        }
        Ok(())
    }
}

impl LogDraft {
    fn take(&mut self, line: &Directive<'_>) -> Result<(), String> {
        match line.name {
            "log_dest" => self.dest(line),
            "log_type" => self.log_type(line.word()?),
            "log_timestamp" => {
                self.timestamp = Some(line.flag()?);
                Ok(())
            }
            _ => once(&mut self.timestamp_format, line.text()?.to_owned(), &line.place),
        }
    }

    fn dest(&mut self, line: &Directive<'_>) -> Result<(), String> {
        let (dest, rest) = line.text()?.split_once([' ', '\t']).unwrap_or((line.value, ""));
        match dest {
            "stdout" => self.stdout = true,
            "stderr" => self.stderr = true,
            "topic" => self.topic = true,
            // As Mosquitto: it takes back what was said before.
            "none" => (self.stdout, self.stderr, self.topic, self.file) = (false, false, false, None),
            "file" if rest.trim().is_empty() => return Err("file: the path is missing; write it behind 'file'".into()),
            "file" => once(&mut self.file, rest.trim().into(), &line.place)?,
            "syslog" => return Err("syslog is not supported; log to stderr (systemd keeps it) or to a file".into()),
            "dlt" => return Err("dlt is not supported; log to stderr or to a file".into()),
            other => return Err(format!("takes stdout, stderr, file PATH, topic or none, not '{other}'")),
        }
        self.dest_is_set = true;
        Ok(())
    }

    fn log_type(&mut self, word: &str) -> Result<(), String> {
        let types = self.types.get_or_insert_default();
        match word {
            "all" => *types = LogType::ALL.to_vec(),
            "none" => types.clear(),
            "error" => types.push(LogType::Error),
            "warning" => types.push(LogType::Warning),
            "notice" => types.push(LogType::Notice),
            "information" => types.push(LogType::Information),
            "debug" => types.push(LogType::Debug),
            "subscribe" => types.push(LogType::Subscribe),
            "unsubscribe" => types.push(LogType::Unsubscribe),
            "websockets" => return Err(format!("websockets: {WEBSOCKETS}")),
            other => {
                return Err(format!(
                    "takes error, warning, notice, information, debug, subscribe, unsubscribe, all or none, not '{other}'"
                ));
            }
        }
        Ok(())
    }
}

/// Sets what may be given once.
fn once<T>(slot: &mut Placed<T>, value: T, place: &Place) -> Result<(), String> {
    if let Some((_, first)) = slot {
        return Err(format!("given in {first} already; delete one of the two"));
    }
    *slot = Some((value, place.clone()));
    Ok(())
}

/// What stands behind the `0` of a `listener`.
fn unix_path(line: &Directive<'_>) -> Result<PathBuf, String> {
    if cfg!(not(unix)) {
        return Err("Unix sockets do not exist on this system; give a port".into());
    }
    let path = line.value.trim_start_matches('0').trim();
    if path.starts_with('#') {
        return Err("port 0 is for Unix sockets; write 'listener 0 /path/of/socket', or another port".into());
    }
    Ok(path.into())
}

/// Bytes of the largest packet of MQTT with its fixed header.
pub(in crate::broker) const LARGEST_PACKET: u32 = LARGEST_PAYLOAD + 5;
const LARGEST_PAYLOAD: u32 = 268_435_455;
