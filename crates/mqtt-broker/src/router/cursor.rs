//! Walks through the retained messages that match a filter, one at a time.
//!
//! The messages are ordered by the bytes of their topics, so that all topics below `a/b/` stand together. A topic that does not
//! match says where the next that can match would stand, and the cursor goes there at once: with a literal level to that
//! level, past all that is too deep, past `$SYS` if the filter begins with a wildcard. It keeps a position, not a place in the store:
//! whatever is inserted or removed between two steps does no harm.

use std::ops::Bound;

use mqtt_proto::TopicFilter;

use super::{
    retained::{Retained, Stored},
    tree::first_level,
};

/// Looks for retained messages that match a filter. It holds one topic, never messages.
///
/// Found are those that were there when the cursor was made and still are, in the order of their topics' bytes. What came
/// later reached the subscription as it was published. A shared subscription finds nothing (MQTT-3.3.1-9 speaks of new
/// subscriptions; section 4.8.2 sends a group none).
#[derive(Clone, Debug)]
pub struct Cursor {
    filter: TopicFilter,
    /// Where to go on: at the first topic from here, or only behind it.
    position: Vec<u8>,
    is_behind: bool,
    is_at_end: bool,
    /// Messages with a greater number came later.
    last: u64,
}

/// What a step of a [`Cursor`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step<'a> {
    /// A message.
    Found(&'a Stored),
    /// Nothing yet, and the budget is used up.
    Paused,
    /// There is no other.
    End,
}

/// Where a topic stands to a filter.
enum Verdict {
    Match,
    /// Go to the next topic.
    Next,
    /// Go to the position that was written.
    Seek,
    /// No later topic matches.
    End,
}

impl Cursor {
    pub(super) fn new(filter: &TopicFilter, last: u64) -> Self {
        let is_at_end = filter.is_shared();
        Self { filter: filter.clone(), position: Vec::new(), is_behind: false, is_at_end, last }
    }

    /// The next message. Each topic that is looked at, about a microsecond in a store of a million, takes one from the budget:
    /// `+/+/nothing` looks at many topics and finds none.
    pub fn step<'a>(&mut self, retained: &'a Retained, budget: &mut u32) -> Step<'a> {
        while !self.is_at_end {
            if *budget == 0 {
                return Step::Paused;
            }
            *budget -= 1;
            let position = &*self.position;
            let from = if self.is_behind { Bound::Excluded(position) } else { Bound::Included(position) };
            let Some(stored) = retained.seek(from) else { break };
            let topic = stored.message().topic.as_bytes();
            match judge(self.filter.as_bytes(), topic, &mut self.position) {
                Verdict::Match => {
                    self.go_behind(topic);
                    if stored.number() <= self.last {
                        return Step::Found(stored);
                    }
                }
                Verdict::Next => self.go_behind(topic),
                Verdict::Seek => self.is_behind = false,
                Verdict::End => break,
            }
        }
        self.is_at_end = true;
        Step::End
    }

    fn go_behind(&mut self, topic: &[u8]) {
        self.position.clear();
        self.position.extend_from_slice(topic);
        self.is_behind = true;
    }
}

/// Compares a topic with a filter; if it does not match, writes the least greater topic that might. All topics up to
/// this one have been judged.
fn judge(filter: &[u8], topic: &[u8], position: &mut Vec<u8>) -> Verdict {
    if topic.starts_with(b"$") && matches!(filter, [b'+' | b'#', ..]) {
        return seek(position, &[b"%"]); // MQTT-4.7.2-1: past all that begins with `$`.
    }
    let (mut filter_at, mut at) = (0, 0);
    let mut has_plus = false;
    while let Some(filter_rest) = filter.get(filter_at..) {
        let wanted = first_level(filter_rest);
        if wanted == b"#" {
            return Verdict::Match;
        }
        // Too short. Below it may be matches, but `a!` stands before `a/`.
        let Some(rest) = topic.get(at..) else { return Verdict::Next };
        let level = first_level(rest);
        if wanted == b"+" {
            has_plus = true;
        } else if wanted != level {
            let is_last = wanted.len() == filter_rest.len();
            return apart(wanted, is_last, has_plus, (&topic[..at], rest), position);
        }
        filter_at += wanted.len() + 1;
        at += level.len() + 1;
    }
    match topic.get(..at) {
        None => Verdict::Match,
        Some(_) if !has_plus => Verdict::End, // The one topic that matches stands before what is below it.
        Some(above) => seek_past(position, above),
    }
}

/// Where to go when a literal level differs: `rest` of the topic stands where `wanted` should.
fn apart(
    wanted: &[u8],
    is_last: bool,
    has_plus: bool,
    (above, rest): (&[u8], &[u8]),
    position: &mut Vec<u8>,
) -> Verdict {
    if rest < wanted {
        return seek(position, &[above, wanted]);
    }
    // `wanted` itself stands before this topic, but what is below it may stand behind: `a` < `a!` < `a/b`.
    if !is_last && rest.iter().lt(wanted.iter().chain(b"/")) {
        return seek(position, &[above, wanted, b"/"]);
    }
    if has_plus { seek_past(position, above) } else { Verdict::End }
}

/// Past all topics that begin with `above`, which ends in `/`.
fn seek_past(position: &mut Vec<u8>, above: &[u8]) -> Verdict {
    let name = above.strip_suffix(b"/").unwrap_or(above);
    seek(position, &[name, &[b'/' + 1]])
}

fn seek(position: &mut Vec<u8>, parts: &[&[u8]]) -> Verdict {
    position.clear();
    parts.iter().for_each(|part| position.extend_from_slice(part));
    Verdict::Seek
}
