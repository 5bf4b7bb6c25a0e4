//! Which message each token stands for.
//!
//! Tokens rise, and acknowledgements mostly come in the order of the messages: a ring, in which what is finished early leaves
//! a gap until it is at the front. Nothing is allocated per message.

use std::collections::VecDeque;

use mqtt_proto::Instant;

use super::event::MessageId;

/// Messages in flight, in the order of their tokens. On the heap while there are any.
#[derive(Debug, Default)]
pub(crate) struct Flights(Option<Box<Ring>>);

#[derive(Debug)]
struct Ring {
    ring: VecDeque<Flight>,
    /// Those that are no gaps.
    live: usize,
    /// The ids rise as the tokens do. Messages that a store brought back break that.
    rises: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    token: u64,
    id: MessageId,
    fate: Fate,
}

/// What is to be known of a message besides its names, in eight bytes: whether it is over, or else the end of its Message Expiry
/// Interval, for the case that it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fate(u64);

impl Fate {
    const OVER: Self = Self(u64::MAX);
    const LASTING: Self = Self(u64::MAX - 1);

    fn new(expires: Option<Instant>) -> Self {
        expires.map_or(Self::LASTING, |at| Self(at.as_millis().min(u64::MAX - 2)))
    }

    fn expires(self) -> Option<Instant> {
        (self.0 < Self::LASTING.0).then(|| Instant::from_millis(self.0))
    }
}

impl Flight {
    fn is_over(&self) -> bool {
        self.fate == Fate::OVER
    }
}

impl Flights {
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |flights| flights.live)
    }

    /// Adds a message whose token is above all others.
    #[inline]
    pub(crate) fn push(&mut self, token: u64, id: MessageId, expires: Option<Instant>) {
        self.0.get_or_insert_default().push(token, id, expires);
    }

    #[inline]
    pub(crate) fn remove(&mut self, token: u64) -> Option<(MessageId, Option<Instant>)> {
        self.0.as_mut()?.remove(token)
    }

    /// Whether the message is among them.
    #[inline]
    pub(crate) fn contains(&self, id: MessageId) -> bool {
        self.0.as_ref().is_some_and(|flights| flights.contains(id))
    }

    /// Gives back room that is not needed.
    pub(crate) fn shrink(&mut self) {
        match &mut self.0 {
            Some(flights) if flights.live > 0 => flights.ring.shrink_to_fit(),
            flights => *flights = None,
        }
    }

    /// Empties it, in the order of the tokens.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = MessageId> {
        let flights = self.0.take().into_iter().flat_map(|flights| flights.ring);
        flights.filter(|flight| !flight.is_over()).map(|flight| flight.id)
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self { ring: VecDeque::new(), live: 0, rises: true }
    }
}

impl Ring {
    #[inline]
    fn push(&mut self, token: u64, id: MessageId, expires: Option<Instant>) {
        if let Some(last) = self.ring.back() {
            debug_assert!(last.token < token, "tokens rise");
            self.rises &= last.id < id;
        } else {
            self.rises = true;
        }
        self.ring.push_back(Flight { token, id, fate: Fate::new(expires) });
        self.live += 1;
    }

    #[inline]
    fn remove(&mut self, token: u64) -> Option<(MessageId, Option<Instant>)> {
        let index = match self.ring.front() {
            Some(first) if first.token == token => 0,
            Some(_) => self.ring.binary_search_by_key(&token, |flight| flight.token).ok()?,
            None => return None,
        };
        let flight = self.ring.get_mut(index).filter(|flight| !flight.is_over())?;
        let fate = core::mem::replace(&mut flight.fate, Fate::OVER);
        let found = (flight.id, fate.expires());
        self.live -= 1;
        while self.ring.front().is_some_and(|first| first.is_over()) {
            self.ring.pop_front();
        }
        // A peer that never acknowledges the first must not make us keep the others: this is seldom, and halves the ring.
        if self.ring.len() > 2 * self.live + FEW {
            self.ring.retain(|flight| !flight.is_over());
        }
        Some(found)
    }

    fn contains(&self, id: MessageId) -> bool {
        if !self.rises {
            return self.ring.iter().any(|flight| flight.id == id && !flight.is_over());
        }
        let found = self.ring.binary_search_by_key(&id, |flight| flight.id);
        found.is_ok_and(|index| self.ring.get(index).is_some_and(|flight| !flight.is_over()))
    }
}

/// Gaps that are not worth the trouble.
const FEW: usize = 64;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn flights(messages: u64) -> Ring {
        let mut flights = Ring::default();
        (1..=messages).for_each(|token| flights.push(token, MessageId(token), None));
        flights
    }

    #[test]
    fn a_gap_costs_nothing_until_there_are_more_gaps_than_messages() {
        let mut flights = flights(1_000);
        assert!((2..=501).all(|token| flights.remove(token).is_some()));
        assert_eq!((flights.live, flights.ring.len()), (500, 1_000));
        assert!((502..=600).all(|token| flights.remove(token).is_some()));
        assert!(flights.ring.len() <= 2 * flights.live + FEW);
    }

    #[test]
    fn few_gaps_are_left_alone_but_not_more() {
        let mut flights = flights(67);
        assert!((2..=66).all(|token| flights.remove(token).is_some()));
        assert_eq!((flights.live, flights.ring.len()), (2, 67));
        assert!(flights.remove(67).is_some());
        assert_eq!((flights.live, flights.ring.len()), (1, 1));
    }

    #[test]
    fn it_behaves_like_an_ordered_map_and_keeps_few_gaps() {
        for (ids_rise, keep_first) in [(true, false), (true, true), (false, false)] {
            let (mut flights, mut model) = (Flights::default(), BTreeMap::new());
            let mut seed = 1_u32;
            for token in 1..20_000_u64 {
                let id = MessageId(if ids_rise { token } else { token ^ 1 });
                flights.push(token, id, None);
                model.insert(token, id);
                while model.len() > 40 {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    let nth = seed as usize >> 16 & 31;
                    let Some(chosen) = model.keys().nth(nth + usize::from(keep_first)).copied() else { break };
                    let id = model.remove(&chosen);
                    assert_eq!(flights.remove(chosen).map(|(id, _)| id), id);
                    assert_eq!(flights.remove(chosen), None, "it is over");
                    assert!(id.is_some_and(|id| !flights.contains(id)));
                }
                assert!(model.values().all(|id| flights.contains(*id)));
                assert_eq!(flights.len(), model.len());
                assert!(flights.0.as_ref().is_none_or(|flights| flights.ring.len() <= 2 * model.len() + FEW));
            }
            assert!(flights.drain().eq(model.into_values()));
            assert_eq!(flights.len(), 0);
        }
    }
}
