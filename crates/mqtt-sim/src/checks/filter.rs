//! Topic filters against a matcher that is too simple to be wrong.

use mqtt_proto::{TopicFilter, TopicName, Version};

use super::source::Source;

/// Reads a topic filter and a topic name, of few characters or of any bytes. The laws: a naive reading of the standard
/// says the same of what is legal, of the parts of a shared subscription, and of what matches.
pub fn filter(input: &[u8]) {
    let mut source = Source::new(input);
    let is_raw = source.flag();
    let filter_len = usize::from(source.byte());
    let filter = spell(source.bytes(filter_len), is_raw);
    let topic = spell(source.rest(), is_raw);

    let (checked_filter, checked_topic) = (TopicFilter::new(&filter[..]), TopicName::new(&topic[..]));
    let naive_filter = text(&filter).and_then(Naive::new);
    let naive_topic = text(&topic).filter(|topic| !topic.is_empty() && !topic.contains(['+', '#']));
    assert_eq!(checked_filter.is_ok(), naive_filter.is_some(), "{checked_filter:?}");
    assert_eq!(checked_topic.is_ok(), naive_topic.is_some(), "{checked_topic:?}");

    let (Ok(filter), Some(naive)) = (checked_filter, naive_filter) else { return };
    assert_eq!(filter.share_name(), naive.share);
    assert_eq!(filter.is_shared(), naive.share.is_some());
    assert!([Version::V31, Version::V311].into_iter().all(|version| filter.is_legal_in(version)));
    let is_share = naive.share.is_some() || !filter.as_str().starts_with("$share/");
    assert_eq!(filter.is_legal_in(Version::V5), is_share);
    assert_eq!(filter.filter(), naive.filter);
    assert_eq!(filter.has_wildcards(), naive.filter.contains(['+', '#']));
    assert_eq!(filter.to_shared().as_str(), filter.as_str());
    let (Ok(topic), Some(naive_topic)) = (checked_topic, naive_topic) else { return };
    assert_eq!(filter.matches(&topic), naive.matches(naive_topic), "filter {filter}, topic {topic}");
    assert_eq!(filter.matches(&topic.to_shared()), naive.matches(naive_topic), "whatever holds the topic");
}

/// Whether a legal filter that is not shared matches a topic, naively.
#[cfg(feature = "parity")]
pub(crate) fn naively_matches(filter: &str, topic: &str) -> bool {
    Naive::new(filter).is_some_and(|naive| naive.matches(topic))
}

/// Few characters, so that filter and topic meet often; or the bytes as they are.
fn spell(choices: &[u8], is_raw: bool) -> Vec<u8> {
    if is_raw {
        return choices.to_vec();
    }
    let spelled = ["a", "b", "/", "+", "#", "$", "é", "$share/", "\0", "/", "/", "a", "+", "#", "/+/", "$SYS"];
    choices.iter().flat_map(|choice| spelled[usize::from(choice % 16)].bytes()).collect()
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0') && text.len() <= 65_535)
}

struct Naive<'a> {
    share: Option<&'a str>,
    filter: &'a str,
}

impl<'a> Naive<'a> {
    fn new(text: &'a str) -> Option<Self> {
        let share = text.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
        let share = share.filter(|(name, filter)| !name.is_empty() && !name.contains(['+', '#']) && !filter.is_empty());
        let (share, filter) = share.map_or((None, text), |(name, filter)| (Some(name), filter));
        let levels: Vec<&str> = filter.split('/').collect();
        let is_legal = !filter.is_empty()
            && levels.iter().all(|level| level.len() == 1 || !level.contains(['+', '#']))
            && levels[..levels.len() - 1].iter().all(|level| *level != "#");
        is_legal.then_some(Self { share, filter })
    }

    fn matches(&self, topic: &str) -> bool {
        let filter: Vec<&str> = self.filter.split('/').collect();
        let topic: Vec<&str> = topic.split('/').collect();
        let hides = topic[0].starts_with('$') && ["+", "#"].contains(&filter[0]);
        !hides && levels_match(&filter, &topic)
    }
}

/// The standard's words as a table, one row for each shape of what is left of both.
fn levels_match(filter: &[&str], topic: &[&str]) -> bool {
    match (filter, topic) {
        (["#"], _) => true,
        ([], []) => true,
        ([], _) | (_, []) => false,
        (["+", filter @ ..], [_, topic @ ..]) => levels_match(filter, topic),
        ([wanted, filter @ ..], [level, topic @ ..]) => wanted == level && levels_match(filter, topic),
    }
}
