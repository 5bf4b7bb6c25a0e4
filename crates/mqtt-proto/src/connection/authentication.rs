//! Enhanced authentication and re-authentication (5.0 §4.12): whose turn it is.

use alloc::boxed::Box;

use crate::{Auth, PacketType, PropertyId, PropertyValue, ProtocolError, ReasonCode, Text};

use super::{CommandError, Connection, Phase, Role, Timer, rules};

/// Nothing without an Authentication Method, which is rare: hence the box.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Authentication(Option<Box<Exchange>>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Exchange {
    /// The Authentication Method of CONNECT, which every AUTH repeats.
    method: Text,
    turn: Turn,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Turn {
    /// No exchange is under way: with a method, CONNACK has ended the first one.
    #[default]
    Nobodys,
    /// We owe an AUTH (or, as a server, the decision).
    Ours,
    /// The peer does.
    Peers,
}

impl Authentication {
    pub(crate) fn new(method: Option<Text>) -> Self {
        Self(method.map(|method| Box::new(Exchange { method, turn: Turn::Nobodys })))
    }

    pub(crate) fn method(&self) -> Option<&Text> {
        self.0.as_ref().map(|exchange| &exchange.method)
    }

    pub(crate) fn is_peers_turn(&self) -> bool {
        self.turn() == Turn::Peers
    }

    fn turn(&self) -> Turn {
        self.0.as_ref().map_or(Turn::Nobodys, |exchange| exchange.turn)
    }

    fn set_turn(&mut self, turn: Turn) {
        if let Some(exchange) = &mut self.0 {
            exchange.turn = turn;
        }
    }

    /// CONNECT is out (client) or in (server).
    pub(crate) fn begin(&mut self, is_client: bool) {
        self.set_turn(if is_client { Turn::Peers } else { Turn::Ours });
    }

    /// CONNACK ends the first exchange.
    pub(crate) fn finish(&mut self) {
        self.set_turn(Turn::Nobodys);
    }
}

impl<R: Role> Connection<R> {
    /// Sends AUTH; the Authentication Method is filled in.
    ///
    /// A client answers a challenge with 0x18 and starts again on an open connection with 0x19. A server challenges with
    /// 0x18 and ends a re-authentication with 0x00; it ends the first authentication with `accept` or `refuse`.
    ///
    /// # Errors
    ///
    /// [`NotAllowed`](CommandError::NotAllowed) if CONNECT had no Authentication Method, if it is the peer's turn, or if the
    /// reason code is not this role's at this moment. [`TooLarge`](CommandError::TooLarge),
    /// [`Closed`](CommandError::Closed), [`Encode`](CommandError::Encode).
    pub fn auth(&mut self, now: crate::Instant, mut auth: Auth) -> Result<(), CommandError> {
        self.advance_clock(now);
        if self.phase == Phase::Closed {
            return Err(CommandError::Closed);
        }
        let Some(method) = self.authentication.method() else {
            return Err(CommandError::NotAllowed(
                "AUTH needs an Authentication Method in CONNECT (MQTT-4.12.0-6, MQTT-4.12.0-7)",
            ));
        };
        let open = self.phase == Phase::Open;
        let turn = match (R::IS_CLIENT, self.authentication.turn(), auth.reason) {
            (_, Turn::Ours, ReasonCode::CONTINUE_AUTHENTICATION) => Turn::Peers,
            (true, Turn::Nobodys, ReasonCode::REAUTHENTICATE) => Turn::Peers,
            (false, Turn::Ours, ReasonCode::SUCCESS) if open => Turn::Nobodys,
            (_, Turn::Peers | Turn::Nobodys | Turn::Ours, _) => {
                return Err(CommandError::NotAllowed(
                    "AUTH: not this side's turn, or not a reason code it may send now (5.0 section 4.12)",
                ));
            }
        };
        if auth.properties().authentication_method() != Some(method.as_str()) {
            auth.properties.set(PropertyId::AuthenticationMethod, PropertyValue::Text(method));
        }
        self.send_control(auth)?;
        self.authentication.set_turn(turn);
        if !open {
            self.timers.set(Timer::Handshake, self.now + self.config.handshake_timeout);
        }
        Ok(())
    }

    pub(crate) fn receive_auth(&mut self, auth: Auth) -> Result<(), ProtocolError> {
        let Some(method) = self.authentication.method() else {
            return Err(self.broke(PacketType::Auth, "Authentication Method", &rules::AUTH_WITHOUT_METHOD));
        };
        if auth.properties().authentication_method() != Some(method) {
            return Err(self.broke(PacketType::Auth, "Authentication Method", &rules::AUTH_METHOD));
        }
        if !auth.reason.may_stand_in(PacketType::Auth, !R::IS_CLIENT) {
            return Err(self.broke(PacketType::Auth, "reason code", &rules::AUTH_REASON));
        }
        let open = self.phase == Phase::Open;
        let turn = match (R::IS_CLIENT, self.authentication.turn(), auth.reason) {
            (_, Turn::Peers, ReasonCode::CONTINUE_AUTHENTICATION) => Turn::Ours,
            (true, Turn::Peers, ReasonCode::SUCCESS) if open => Turn::Nobodys,
            (false, Turn::Nobodys, ReasonCode::REAUTHENTICATE) => Turn::Ours,
            (_, Turn::Peers | Turn::Nobodys | Turn::Ours, _) => {
                return Err(self.broke(PacketType::Auth, "reason code", &rules::AUTH_OUT_OF_TURN));
            }
        };
        self.authentication.set_turn(turn);
        if !open {
            // The client waits for the server anew; the server's application takes the time it needs.
            if R::IS_CLIENT {
                self.timers.set(Timer::Handshake, self.now + self.config.handshake_timeout);
            } else {
                self.timers.stop(Timer::Handshake);
            }
        }
        self.tell(R::auth(auth));
        Ok(())
    }
}
