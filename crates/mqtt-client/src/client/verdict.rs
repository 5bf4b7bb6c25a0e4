//! What the end of a connection means for the next one. All of it on one screen.

use mqtt_proto::{Closed, Properties, ReasonCode};

use crate::{Error, Options};

/// What to do after a connection has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Try again after the backoff.
    Retry,
    /// Try again, there.
    Redirect(String),
    /// Waiting cannot cure it.
    Stop,
}

/// Why it ended, in the client's words, and what follows.
pub(crate) fn judge(closed: Closed, options: &Options) -> (Error, Verdict) {
    match closed {
        Closed::Local => (Error::Stopped, Verdict::Stop),
        Closed::Refused(connack) => {
            let verdict = elsewhere(connack.reason, connack.properties(), options)
                .unwrap_or(if is_fatal_refusal(connack.reason) { Verdict::Stop } else { Verdict::Retry });
            (Error::Refused { reason: connack.reason, text: text(connack.properties()) }, verdict)
        }
        Closed::Remote(disconnect) => {
            let verdict =
                elsewhere(disconnect.reason, disconnect.properties(), options).unwrap_or(match disconnect.reason {
                    // Another client has our id. Coming back would throw it out, and it us.
                    ReasonCode::SESSION_TAKEN_OVER if !options.reconnect_when_taken_over => Verdict::Stop,
                    // For good, the server says: it will not be there again, and we may not, or cannot, go elsewhere.
                    ReasonCode::SERVER_MOVED => Verdict::Stop,
                    _ => Verdict::Retry,
                });
            (Error::DisconnectedByServer { reason: disconnect.reason, text: text(disconnect.properties()) }, verdict)
        }
        Closed::ProtocolError(error) => (Error::ServerFault(error), Verdict::Retry),
        Closed::TimedOut(timer) => (Error::TimedOut(timer), Verdict::Retry),
        Closed::Eof => (Error::ConnectionLost { cause: "the server closed it without a word".into() }, Verdict::Retry),
    }
}

/// Refusals of CONNECT that the same CONNECT would meet again. The rest (server unavailable, busy, quota, rate, use another
/// server for now, unspecified) pass with time.
fn is_fatal_refusal(reason: ReasonCode) -> bool {
    matches!(
        reason,
        ReasonCode::MALFORMED_PACKET
            | ReasonCode::PROTOCOL_ERROR
            | ReasonCode::UNSUPPORTED_PROTOCOL_VERSION
            | ReasonCode::CLIENT_IDENTIFIER_NOT_VALID
            | ReasonCode::BAD_USER_NAME_OR_PASSWORD
            | ReasonCode::NOT_AUTHORIZED
            | ReasonCode::BANNED
            | ReasonCode::BAD_AUTHENTICATION_METHOD
            | ReasonCode::TOPIC_NAME_INVALID
            | ReasonCode::PACKET_TOO_LARGE
            | ReasonCode::PAYLOAD_FORMAT_INVALID
            | ReasonCode::RETAIN_NOT_SUPPORTED
            | ReasonCode::QOS_NOT_SUPPORTED
            | ReasonCode::SERVER_MOVED
    )
}

fn elsewhere(reason: ReasonCode, properties: &Properties, options: &Options) -> Option<Verdict> {
    let moved = matches!(reason, ReasonCode::USE_ANOTHER_SERVER | ReasonCode::SERVER_MOVED);
    let reference = properties.server_reference().filter(|_| moved && options.follow_redirects)?;
    // Several may be named, with spaces between (5.0 section 4.11); the first is the server's first choice.
    Some(Verdict::Redirect(reference.split(' ').find(|name| !name.is_empty())?.into()))
}

fn text(properties: &Properties) -> Option<String> {
    properties.reason_string().map(Into::into)
}
