//! What the applications know: every message published, what its receiver got, and how it ended.

use std::collections::BTreeMap;

use mqtt_proto::{Message, QoS, ReasonCode, Token};

use super::{Load, Side, Verdict, broken, ensure, setup::number_of};

/// How a message ended, as its sender knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Fate {
    /// Not yet, or QoS 0.
    Pending,
    /// The server has lost the session; the client must be told.
    Doomed,
    /// Acknowledged.
    Done,
    /// Given back, or lost with its session, as promised.
    Over,
}

/// What the receiving application has said of the last delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Said {
    Nothing,
    Accepted,
    Refused,
}

/// A published message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sent {
    pub(super) load: Load,
    /// What its sender's machine calls it, if that is not the business of a client's policy.
    pub(super) token: Option<Token>,
    /// The connection that accepted it, or (from a client's queue) carried it first.
    pub(super) link: Option<u32>,
    /// The packet id of its first PUBLISH.
    pub(super) id: Option<u16>,
    /// When it was written first, in any session; when it expires: milliseconds of a clock that only policies know.
    pub(super) first_sent: Option<u64>,
    pub(super) deadline: Option<u64>,
    pub(super) fate: Fate,
    /// How often the application got it, and on which connection last.
    pub(super) deliveries: u32,
    pub(super) delivered_on: u32,
    pub(super) said: Said,
    /// PUBREC has been written for it.
    pub(super) answered: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Ledger {
    pub(super) sent: [Vec<Sent>; 2],
    /// The newest message delivered, by sender, topic and QoS: first deliveries only, and all of one connection.
    newest: BTreeMap<(Side, u8, QoS), u32>,
    pub(super) newest_on_link: BTreeMap<(Side, u8, QoS), (u32, u32)>,
}

impl Ledger {
    /// The number that the next message of this side will have.
    pub(super) fn next(&self, side: Side) -> u32 {
        self.sent[side.index()].len() as u32
    }

    pub(super) fn sent(&self, side: Side) -> &[Sent] {
        &self.sent[side.index()]
    }

    pub(super) fn message(&mut self, side: Side, message: &Message) -> Option<(u32, &mut Sent)> {
        let number = number_of(message)?;
        let sent = self.sent[side.index()].get_mut(number as usize)?;
        sent.load.is_of(number, message).then_some((number, sent))
    }

    pub(super) fn content(&self, side: Side, number: u32) -> Message {
        self.sent(side)[number as usize].load.message(number)
    }

    /// QoS 2 messages that have never reached the wire.
    pub(super) fn unwritten(&self, side: Side) -> impl Iterator<Item = u32> {
        let all = self.sent(side).iter().enumerate();
        all.filter(|(_, sent)| sent.is_open() && sent.id.is_none()).map(|(number, _)| number as u32)
    }

    pub(super) fn by_number(&mut self, side: Side, number: u32) -> &mut Sent {
        &mut self.sent[side.index()][number as usize]
    }

    /// How many QoS 1 and 2 messages of this side are not finished.
    pub(super) fn pending(&self, side: Side) -> usize {
        self.sent(side).iter().filter(|sent| sent.is_open() && sent.fate == Fate::Pending).count()
    }

    pub(super) fn published(&mut self, side: Side, load: Load, token: Option<Token>, link: Option<u32>) {
        self.sent[side.index()].push(Sent {
            load,
            token,
            link,
            id: None,
            first_sent: None,
            deadline: None,
            fate: Fate::Pending,
            deliveries: 0,
            delivered_on: 0,
            said: Said::Nothing,
            answered: false,
        });
    }

    /// A message of `side` reached the other application on connection `link`.
    pub(super) fn delivered(&mut self, side: Side, message: &Message, link: u32) -> Result<u32, super::Violation> {
        let Some((number, sent)) = self.message(side, message) else {
            return broken("I6", format!("{side:?} never published what its peer got: {message:?}"));
        };
        let Load { topic, qos, .. } = sent.load;
        let name = format!("message {number} of {side:?} ({qos:?})");
        ensure(sent.fate == Fate::Pending, "I13", || format!("{name} was delivered after its end: {:?}", sent.fate))?;
        let first = sent.deliveries == 0;
        match qos {
            QoS::AtMostOnce => ensure(first, "I8", || format!("{name} was delivered twice"))?,
            QoS::AtLeastOnce => ensure(first || sent.delivered_on < link, "I7", || {
                format!("{name} was delivered twice on connection {link}")
            })?,
            QoS::ExactlyOnce => ensure(first || sent.said == Said::Refused, "I6", || {
                format!("{name} was delivered again on connection {link}")
            })?,
        }
        sent.deliveries += 1;
        sent.delivered_on = link;
        sent.said = Said::Nothing;
        sent.answered = false;
        let key = (side, topic, qos);
        if first {
            let newest = self.newest.insert(key, number);
            ensure(newest < Some(number), "I20", || format!("{name} came after {newest:?}"))?;
        }
        let newest = self.newest_on_link.insert(key, (link, number));
        ensure(newest < Some((link, number)), "I20", || format!("{name} came after {newest:?} on one connection"))?;
        Ok(number)
    }

    /// The application at the other end of `side` acknowledged a delivery. Returns whether that still counts.
    pub(super) fn acked(&mut self, side: Side, number: u32, link: u32, said: Said) {
        let sent = self.by_number(side, number);
        let counts = match sent.load.qos {
            QoS::AtMostOnce => false,
            QoS::AtLeastOnce => sent.delivered_on == link,
            QoS::ExactlyOnce => sent.said == Said::Nothing,
        };
        if counts {
            sent.said = said;
        }
    }

    /// An [`Acknowledged`](mqtt_proto::Acknowledged) event: nothing acknowledged may be lost.
    pub(super) fn acknowledged(&mut self, side: Side, token: Token, reason: ReasonCode) -> Verdict {
        let Some((number, sent)) = self.open(side, token) else {
            return broken("I6", format!("{side:?} heard twice, or without asking, of {token}"));
        };
        let name = format!("message {number} of {side:?}");
        ensure(sent.fate == Fate::Pending, "I14", || format!("{name} was acknowledged by a server that forgot it"))?;
        sent.fate = Fate::Done;
        if reason == ReasonCode::PACKET_TOO_LARGE {
            return Ok(()); // given up on a resumed connection with a smaller Maximum Packet Size
        }
        let expected = if reason.is_failure() { Said::Refused } else { Said::Accepted };
        ensure(sent.said == expected, "I6", || {
            format!("{name} was acknowledged with {reason}, and its receiver said {:?}", sent.said)
        })
    }

    /// An `Unacknowledged` event: the message came back.
    pub(super) fn returned(&mut self, side: Side, token: Token, message: Option<&Message>) -> Verdict {
        let Some((number, sent)) = self.open(side, token) else {
            return broken("I14", format!("{side:?} got back {token}, which is not open"));
        };
        ensure(sent.fate == Fate::Doomed, "I14", || format!("message {number} came back from a session that lives"))?;
        sent.fate = Fate::Over;
        let is_same = message.is_none_or(|message| sent.load.is_of(number as u32, message));
        ensure(is_same, "I14", || format!("message {number} came back changed: {message:?}"))
    }

    /// The server has lost the session: its own messages are gone, the client's must come back.
    pub(super) fn forgotten(&mut self, side: Side) {
        for sent in self.sent[side.index()].iter_mut().filter(|sent| sent.is_open()) {
            sent.fate = if side == Side::Client { Fate::Doomed } else { Fate::Over };
        }
    }

    /// The messages of `side` begin anew in another session.
    pub(super) fn forget_order(&mut self, side: Side) {
        self.newest.retain(|key, _| key.0 != side);
    }

    /// The receiver of `side`'s messages has lost what it had not acknowledged, and may get it again.
    ///
    /// What it had acknowledged is safe if it was stored: under these packet ids, or to the end.
    pub(super) fn receiver_crashed(&mut self, side: Side, kept: &[u16]) {
        for sent in self.sent[side.index()].iter_mut().filter(|sent| sent.is_open()) {
            let is_stored = sent.answered || sent.id.is_some_and(|id| kept.contains(&id));
            if sent.said == Said::Nothing || !is_stored {
                sent.deliveries = 0;
                sent.said = Said::Nothing;
            }
        }
        self.forget_order(side);
    }

    /// Its sender gave a message up for a limit of its peer, and died before the application heard of it.
    pub(super) fn given_up(&mut self, side: Side, token: Token) {
        if let Some((_, sent)) = self.open(side, token).filter(|(_, sent)| sent.fate == Fate::Pending) {
            sent.fate = Fate::Over;
        }
    }

    /// The sender came back from its journal, which still holds these: of the others it will never hear. An end that was not
    /// stored has not happened.
    pub(super) fn sender_crashed(&mut self, side: Side, kept: &[Token], is_stored: impl Fn(Token) -> bool) -> Verdict {
        // A new session counts its tokens anew: the newest message with a token is meant.
        let mut kept = kept.to_vec();
        for (number, sent) in self.sent[side.index()].iter_mut().enumerate().rev() {
            if let Some(at) = kept.iter().position(|token| Some(*token) == sent.token) {
                kept.remove(at);
                sent.fate = if sent.fate == Fate::Doomed { Fate::Doomed } else { Fate::Pending };
            } else if sent.is_open() {
                let lost =
                    sent.token.is_some_and(&is_stored) && sent.fate == Fate::Pending && sent.said == Said::Nothing;
                ensure(!lost, "I24", || {
                    format!("message {number} of {side:?} was stored, and is gone after the crash")
                })?;
                sent.fate = Fate::Over;
            }
        }
        Ok(())
    }

    /// Everything has ended (I11, I23).
    pub(super) fn check_settled(&self) -> Verdict {
        for side in Side::BOTH {
            for (number, sent) in self.sent(side).iter().enumerate() {
                ensure(!sent.is_open(), "I23", || format!("message {number} of {side:?} never ended: {sent:?}"))?;
            }
        }
        Ok(())
    }

    fn open(&mut self, side: Side, token: Token) -> Option<(usize, &mut Sent)> {
        self.sent[side.index()].iter_mut().enumerate().find(|(_, sent)| sent.token == Some(token) && sent.is_open())
    }
}

impl Sent {
    /// A QoS 1 or 2 message of which its sender's application has not heard the end.
    pub(super) fn is_open(&self) -> bool {
        self.load.qos > QoS::AtMostOnce && matches!(self.fate, Fate::Pending | Fate::Doomed)
    }

    /// A QoS 1 or 2 message of which it has.
    pub(super) fn has_ended(&self) -> bool {
        self.load.qos > QoS::AtMostOnce && matches!(self.fate, Fate::Done | Fate::Over)
    }
}
