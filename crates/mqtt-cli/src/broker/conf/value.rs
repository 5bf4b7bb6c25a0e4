//! Values of directives; errors say what is taken.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::directive::Directive;

/// `log_type`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::broker) enum LogType {
    Error,
    Warning,
    Notice,
    Information,
    Debug,
    Subscribe,
    Unsubscribe,
}

impl LogType {
    pub(in crate::broker) const ALL: [Self; 7] =
        [Self::Error, Self::Warning, Self::Notice, Self::Information, Self::Debug, Self::Subscribe, Self::Unsubscribe];
    pub(super) const DEFAULT: [Self; 4] = [Self::Error, Self::Warning, Self::Notice, Self::Information];
}

impl<'a> Directive<'a> {
    /// The whole value.
    pub(super) fn text(&self) -> Result<&'a str, String> {
        if self.value.is_empty() { Err("the value is missing; write it after a blank".into()) } else { Ok(self.value) }
    }

    /// The only word of the value. What stands behind a `#` is a comment.
    pub(super) fn word(&self) -> Result<&'a str, String> {
        match self.words()?[..] {
            [word] => Ok(word),
            _ => Err(format!("takes one value, not '{}'", self.value)),
        }
    }

    /// At least one word.
    pub(super) fn words(&self) -> Result<Vec<&'a str>, String> {
        let words: Vec<_> = self.text()?.split_whitespace().take_while(|word| !word.starts_with('#')).collect();
        if words.is_empty() { Err("the value is missing; write it before the '#'".into()) } else { Ok(words) }
    }

    pub(super) fn flag(&self) -> Result<bool, String> {
        match self.word()? {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(format!("takes true or false, not '{other}'")),
        }
    }

    pub(super) fn number<N>(&self, range: RangeInclusive<N>) -> Result<N, String>
    where
        N: FromStr + PartialOrd + Display,
    {
        number(self.word()?, range)
    }

    /// A limit, which Mosquitto lets be negative and then takes for 0.
    pub(super) fn limit(&self, most: u64) -> Result<u64, String> {
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.number(-1..=most).map(|limit| u64::try_from(limit).unwrap_or(0))
    }

    /// Seconds from `14d` and the like.
    pub(super) fn duration(&self) -> Result<u32, String> {
        const DAY: u32 = 24 * 60 * 60;
        let word = self.word()?;
        let wrong = || format!("takes a number and h, d, w, m or y, for example 14d, not '{word}'");
        let unit = match word.chars().last() {
            Some('h') => 60 * 60,
            Some('d') => DAY,
            Some('w') => 7 * DAY,
            Some('m') => 30 * DAY,
            Some('y') => 365 * DAY,
            _ => return Err(wrong()),
        };
        let count = word[..word.len() - 1].parse::<u32>().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        // The longest that the protocol can say is for ever.
        Ok(count.saturating_mul(unit))
    }
}

pub(super) fn number<N>(word: &str, range: RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    let number = word.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("takes a number from {} to {}, not '{word}'", range.start(), range.end()))
}
