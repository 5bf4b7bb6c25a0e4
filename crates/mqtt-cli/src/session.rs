//! From arguments to a connected client, and what the user is told of its connection.

use std::io;
use std::net::{IpAddr, SocketAddr};

use mqtt_tokio::{
    ConnectionEvent, Disconnect, Driver, Endpoint, Error, Events, Handle, Options, OptionsError, ReasonCode, new,
};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::task::JoinHandle;

use crate::args::{ClientId, ConnectionArgs, Target};
use crate::interrupt::Interrupt;
use crate::properties::{ConnectProperties, DisconnectProperties};
use crate::report::{Outcome, Report};

/// A client and what watches its connection.
pub(crate) struct Session {
    pub(crate) handle: Handle,
    watcher: JoinHandle<()>,
    report: Report,
}

impl Session {
    /// A client that has not dialled yet: what must be there when the first message arrives can be made now.
    pub(crate) fn new(options: Options, report: Report) -> Result<(Self, Driver), Outcome> {
        match new(options) {
            Ok((handle, driver)) => {
                let watcher = tokio::spawn(watch(handle.events(), report));
                Ok((Self { handle, watcher, report }, driver))
            }
            Err(error) => {
                report.error(error);
                Err(Outcome::Usage)
            }
        }
    }

    /// Connects. The first connection is tried once; its failure, or a signal meanwhile, is the outcome of the program.
    pub(crate) async fn connect(&self, driver: Driver, dial: Dial, interrupt: &mut Interrupt) -> Result<(), Outcome> {
        match dial {
            Dial::Tcp => tokio::spawn(mqtt_tokio::drive(driver, mqtt_tokio::dial)),
            Dial::TcpFrom(address) => tokio::spawn(mqtt_tokio::drive(driver, move |server| dial_from(address, server))),
            #[cfg(unix)]
            Dial::Unix(path) => {
                let dial = move |_| tokio::net::UnixStream::connect(path.clone());
                tokio::spawn(mqtt_tokio::drive(driver, dial))
            }
        };
        tokio::select! {
            connected = self.handle.connected() => match connected {
                Ok(_) => Ok(()),
                Err(error) => {
                    self.report.error(error);
                    Err(Outcome::Failed)
                }
            },
            () = interrupt.wait() => {
                self.report.error("interrupted before there was a connection");
                Err(Outcome::Interrupted)
            }
        }
    }

    /// Waits until the client has stopped by itself and the user has been told why.
    pub(crate) async fn stopped(&mut self) {
        let _only_a_panic_fails = (&mut self.watcher).await;
    }

    /// Sends what is queued, says good-bye and waits for the end of the connection.
    pub(crate) async fn disconnect(self, properties: DisconnectProperties) {
        let mut disconnect = Disconnect::new(ReasonCode::SUCCESS);
        if let Some(seconds) = properties.session_expiry_interval {
            disconnect = disconnect.with_session_expiry_interval(seconds);
        }
        for (name, value) in properties.user {
            disconnect = disconnect.with_user_property(name, value);
        }
        if let Err(error) = self.handle.disconnect_with(disconnect).await {
            // A client that has stopped by itself has said so, and every message has its own outcome.
            self.report.debug(error);
        }
    }
}

/// How the broker is reached.
pub(crate) enum Dial {
    Tcp,
    /// From this address of the machine.
    TcpFrom(IpAddr),
    #[cfg(unix)]
    Unix(std::path::PathBuf),
}

impl Dial {
    pub(crate) fn of(args: &ConnectionArgs) -> Self {
        match (&args.target, args.bind) {
            #[cfg(unix)]
            (Target::Unix(path), _) => Self::Unix(path.clone()),
            (_, Some(address)) => Self::TcpFrom(address),
            (_, None) => Self::Tcp,
        }
    }
}

/// The client's options, as the arguments say them.
pub(crate) fn options(args: ConnectionArgs, connect: ConnectProperties) -> Result<Options, OptionsError> {
    let mut options = match args.target {
        Target::Host { host, port } => Options::new(host, port),
        Target::Url(url) => Options::from_url(&url)?,
        // What is said of the broker names the socket.
        Target::Unix(path) => Options::new(path.to_string_lossy(), 0),
    };
    options = options
        .version(args.version)
        .keep_alive(args.keep_alive)
        .clean_start(args.clean)
        .topic_alias_maximum(connect.topic_alias_maximum.unwrap_or(0))
        .manual_acks(true)
        .unsubscribe_on_drop(false)
        .subscription_identifiers(false);
    options = match args.client_id {
        ClientId::Any => options,
        ClientId::Given(id) => options.client_id(id.as_str()),
        ClientId::Prefix(prefix) => options.client_id(format!("{prefix}{}", std::process::id())),
    };
    if let Some(messages) = args.send_maximum {
        options = options.send_maximum(messages);
    }
    if let Some(username) = args.username {
        options = options.username(username.as_str());
    }
    if let Some(password) = args.password {
        options = options.password(password);
    }
    if let Some(seconds) = args.session_expiry {
        options = options.session_expiry(seconds);
    }
    if let Some(will) = args.will {
        options = options.will(will);
    }
    if let Some(messages) = connect.receive_maximum {
        options = options.receive_maximum(messages);
    }
    if let Some(bytes) = connect.maximum_packet_size {
        options = options.maximum_packet_size(bytes);
    }
    if let Some(wanted) = connect.request_response_information {
        options = options.request_response_information(wanted);
    }
    if let Some(wanted) = connect.request_problem_information {
        options = options.request_problem_information(wanted);
    }
    if let Some(method) = connect.authentication_method {
        options = options.authentication(method.as_str(), connect.authentication_data);
    }
    for (name, value) in connect.user {
        options = options.user_property(name.as_str(), value.as_str());
    }
    Ok(options)
}

/// Opens a TCP connection from `local` to the first address of the server that can be reached from there.
async fn dial_from(local: IpAddr, server: Endpoint) -> io::Result<TcpStream> {
    let reachable = async {
        let mut result = Err(io::Error::other(format!("the server has no address of the kind of {local}")));
        for address in lookup_host((server.host.as_str(), server.port)).await? {
            if address.is_ipv4() != local.is_ipv4() {
                continue;
            }
            let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            socket.bind(SocketAddr::new(local, 0))?;
            socket.set_nodelay(true)?;
            result = socket.connect(address).await;
            if result.is_ok() {
                break;
            }
        }
        result
    };
    tokio::time::timeout(server.timeout, reachable).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Tells what happens to the connection. How the first attempt ends is told by [`Session::connect`].
async fn watch(mut events: Events, report: Report) {
    let mut was_connected = false;
    while let Some(event) = events.next().await {
        match event {
            ConnectionEvent::Connected(connack) => {
                was_connected = true;
                let session = if connack.session_present { "the broker has our session" } else { "a new session" };
                match connack.properties().assigned_client_identifier() {
                    Some(id) => report.debug(format_args!("connected: {session}, client id '{id}'")),
                    None => report.debug(format_args!("connected: {session}")),
                }
            }
            ConnectionEvent::Disconnected { reason: Error::Stopped, .. } => report.debug("disconnected"),
            ConnectionEvent::Disconnected { reason, .. } if !was_connected => report.debug(reason),
            ConnectionEvent::Disconnected { reason, retry_in: Some(delay) } => {
                report.warning(format_args!("{reason}; connecting again in {:.1} s", delay.as_secs_f64()));
            }
            ConnectionEvent::Disconnected { reason, retry_in: None } => report.error(reason),
            ConnectionEvent::SubscriptionLost { reason } => {
                report.warning(format_args!("the server no longer grants a subscription: {reason}"));
            }
            ConnectionEvent::Dropped { messages } => {
                report.warning(format_args!(
                    "{messages} messages of QoS 0 came faster than they could be printed: dropped"
                ));
            }
            ConnectionEvent::Auth(_) => {
                report
                    .warning("the server asks for a further step of authentication, which this command cannot answer");
            }
            other => report.debug(format_args!("{other:?}")),
        }
    }
}
