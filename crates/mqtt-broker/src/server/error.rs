//! What a running server says no with.

use std::convert::Infallible;
use std::fmt;

use mqtt_proto::{FilterError, ReasonCode, TopicError};

/// The server has stopped: it was shut down, or a hook has panicked in its thread, which printed why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has stopped: it was shut down, or one of its hooks panicked (its message is on stderr)")
    }
}

impl std::error::Error for Stopped {}

/// Why a message was not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishError {
    /// The server has stopped.
    Stopped(Stopped),
    /// That is no topic name.
    Topic(TopicError),
    /// It was to be retained, and [there is no room](crate::Config::maximum_retained_messages): the reason code that a client
    /// would find in PUBACK.
    Refused(ReasonCode),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(stopped) => stopped.fmt(f),
            Self::Topic(error) => error.fmt(f),
            Self::Refused(reason) => write!(f, "the broker cannot retain the message: {reason}"),
        }
    }
}

impl std::error::Error for PublishError {}

impl From<Stopped> for PublishError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<TopicError> for PublishError {
    fn from(error: TopicError) -> Self {
        Self::Topic(error)
    }
}

/// A [`TopicName`](mqtt_proto::TopicName) needs no conversion that could fail.
impl From<Infallible> for PublishError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Why there is no subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SubscribeError {
    /// The server has stopped.
    Stopped(Stopped),
    /// That is no topic filter.
    Filter(FilterError),
    /// The reason code that a client would find in SUBACK.
    Refused(ReasonCode),
}

impl fmt::Display for SubscribeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped(stopped) => stopped.fmt(f),
            Self::Filter(error) => error.fmt(f),
            Self::Refused(reason) => write!(f, "the broker's limits do not allow the subscription: {reason}"),
        }
    }
}

impl std::error::Error for SubscribeError {}

impl From<Stopped> for SubscribeError {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl From<FilterError> for SubscribeError {
    fn from(error: FilterError) -> Self {
        Self::Filter(error)
    }
}

/// A [`TopicFilter`](mqtt_proto::TopicFilter) needs no conversion that could fail.
impl From<Infallible> for SubscribeError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}
