//! Where we stand: each of our figures beside the best rival's, and the aim that `benches/aims.toml` sets for it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;

use toml::{Table, Value};

use super::results::Figure;
use super::table::{grouped, is_ours, is_rival, shortened};
use crate::shell::root;

/// What a figure of ours should be at most.
#[derive(Clone, Debug, PartialEq)]
enum Aim {
    /// In the metric's unit.
    Value(f64),
    /// Of the best rival's figure in the same run.
    Ratio(f64),
    /// Of another of our figures.
    To(String, f64),
}

/// Aims and reasons by area, row, whose and metric.
pub(super) struct Aims(BTreeMap<[String; 4], (Aim, Option<String>)>);

/// A figure of ours, and how it stands.
struct Standing<'a> {
    ours: &'a Figure,
    best: Option<&'a Figure>,
    aim: String,
    is_met: bool,
    is_judged: bool,
    why: Option<&'a str>,
}

impl Aims {
    pub(super) fn read() -> Result<Self, String> {
        let path = root().join("benches/aims.toml");
        let text = fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Self::parse(&text).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let table: Table = text.parse().map_err(|error| format!("{error}"))?;
        let mut aims = BTreeMap::new();
        for (area, rows) in &table {
            let rows = rows.as_table().ok_or_else(|| format!("{area} is no table of rows"))?;
            for (row, of_row) in rows {
                let of_row = of_row.as_array().ok_or_else(|| format!("{row} is no list of aims"))?;
                for aim in of_row {
                    let (whose, metric, aim, why) = parse_one(aim).map_err(|why| format!("{area}, {row}: {why}"))?;
                    let key = [area.clone(), row.clone(), whose, metric];
                    if let Some((twice, _)) = aims.insert(key, (aim, why)) {
                        return Err(format!("{area}, {row}: a second aim beside {twice:?}"));
                    }
                }
            }
        }
        Ok(Self(aims))
    }

    /// The table of all our figures that have an aim or a rival; then what is said of those that miss it.
    pub(super) fn write(&self, text: &mut String, figures: &[Figure]) {
        let standings: Vec<_> = figures.iter().filter_map(|figure| self.standing(figure, figures)).collect();
        let mut line = |words: String| writeln!(text, "{words}").expect("a string takes everything");
        line(
            "| row | figure | ours | best rival | ours / best | aim | |\n| --- | --- | --- | --- | --- | --- | --- |"
                .to_owned(),
        );
        for standing in &standings {
            let Standing { ours, best, aim, .. } = standing;
            let best_words = best.map_or("-".to_owned(), |best| format!("{} {}", best.who, amount(best.value)));
            let ratio = best.map_or("-".to_owned(), |best| ratio(ours.value, best.value));
            let (row, metric, value) = (standing.row(), &ours.metric, amount(ours.value));
            line(format!("| {row} | {metric} | {value} | {best_words} | {ratio} | {aim} | {} |", standing.verdict()));
        }
        let missed: Vec<_> = standings.iter().filter(|standing| standing.verdict() != MET).collect();
        if !missed.is_empty() {
            line("\nWhat is missed, why, and what would be needed:\n".to_owned());
        }
        for standing in missed {
            let why = standing.why.unwrap_or("not looked into yet.");
            line(format!("- {}, {}: {why}", standing.row(), standing.ours.metric));
        }
    }

    /// None for a figure that is not ours, or has nothing to be compared with.
    fn standing<'a>(&'a self, ours: &'a Figure, figures: &'a [Figure]) -> Option<Standing<'a>> {
        if !is_ours(&ours.who) || ours.metric == EXPLANATION {
            return None;
        }
        let best = best(figures, ours);
        let is_judged = is_judged(ours, figures);
        let key = [&ours.area, &ours.row, &ours.who, &ours.metric].map(Clone::clone);
        let Some((aim, why)) = self.0.get(&key) else {
            // Who is not ahead of a rival owes a reason, aim or not.
            let is_met = ours.value <= best?.value;
            // Nothing cannot be undercut.
            let is_nothing = ours.value < NOTHING;
            return (is_judged && !is_nothing).then(|| Standing {
                ours,
                best,
                aim: "ahead".to_owned(),
                is_met,
                is_judged,
                why: None,
            });
        };
        let (most, aim) = match aim {
            Aim::Value(most) => (Some(*most), amount(*most)),
            Aim::Ratio(ratio) => (best.map(|best| ratio * best.value), format!("{ratio:.2} of it")),
            Aim::To(whom, ratio) => {
                let other = figures.iter().find(|other| is_same(other, ours) && other.who == *whom);
                (other.map(|other| ratio * other.value), format!("{ratio:.2} of {whom}"))
            }
        };
        let is_met = most.is_none_or(|most| ours.value <= most);
        Some(Standing { ours, best, aim, is_met, is_judged, why: why.as_deref() })
    }
}

const MET: &str = "met";

/// Waits cost nothing that processor time does not count: they say where it comes from.
pub(super) const EXPLANATION: &str = "switches";

/// What is counted by differences is not exactly 0.
const NOTHING: f64 = 0.0005;

impl Standing<'_> {
    fn row(&self) -> String {
        format!("{}, {}", self.ours.row, self.ours.who)
    }

    fn verdict(&self) -> &'static str {
        match self.best {
            _ if self.is_met => MET,
            Some(best) if self.ours.value > best.value && self.is_judged => "**behind**",
            _ => "aim missed",
        }
    }
}

/// The aims are for the best of what we have: a row's other ways are compared among themselves.
fn is_judged(ours: &Figure, figures: &[Figure]) -> bool {
    let is_alone = || figures.iter().any(|other| is_same(other, ours) && other.who == "ours, alone");
    match &*ours.who {
        "ours/std" | "ours/smol" | "ours/async-std" | "ours/poll" | "ours, shared" => false,
        // It does more than the codec, which is there, too.
        "ours, Connection" => !figures.iter().any(|other| is_same(other, ours) && other.who == "ours, shared"),
        "ours, borrowed" => !is_alone(),
        _ => true,
    }
}

fn parse_one(aim: &Value) -> Result<(String, String, Aim, Option<String>), String> {
    let text = |field: &str| aim.get(field).and_then(Value::as_str).map(str::to_owned);
    let number = |field: &str| {
        let value = aim.get(field)?;
        value.as_float().or_else(|| value.as_integer().map(|whole| whole as f64))
    };
    let whose = text("of").ok_or("`of` says whose figure is meant")?;
    let metric = text("metric").ok_or("`metric` says which figure is meant")?;
    let aim = match (number("value"), number("ratio"), text("to")) {
        (Some(value), None, None) => Aim::Value(value),
        (None, Some(ratio), None) => Aim::Ratio(ratio),
        (None, Some(ratio), Some(to)) => Aim::To(to, ratio),
        (None, None, _) | (Some(_), Some(_), _) | (Some(_), None, Some(_)) => {
            return Err(format!("{metric} of {whose}: one of `value` and `ratio`"));
        }
    };
    Ok((whose, metric, aim, text("why")))
}

/// The best figure that a rival has there.
fn best<'a>(figures: &'a [Figure], ours: &Figure) -> Option<&'a Figure> {
    let rivals = figures.iter().filter(|figure| is_same(figure, ours) && is_rival(&figure.who));
    rivals.min_by(|a, b| a.value.total_cmp(&b.value))
}

/// Whether both are of the same thing, whoever did it.
fn is_same(figure: &Figure, ours: &Figure) -> bool {
    figure.area == ours.area && figure.row == ours.row && figure.metric == ours.metric
}

fn amount(value: f64) -> String {
    if value < 10.0 { shortened(value) } else { grouped(value) }
}

/// Two that are both nothing are even.
fn ratio(ours: f64, best: f64) -> String {
    if best < NOTHING {
        return if ours < NOTHING { "1.00".to_owned() } else { "-".to_owned() };
    }
    format!("{:.2}", ours / best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::table::results_path;

    fn written(aims: &str, figures: &[(&str, f64)]) -> String {
        let figures: Vec<_> =
            figures.iter().map(|(who, value)| Figure::new("client", "publish", who, "cpu_ns", *value)).collect();
        let mut text = String::new();
        Aims::parse(aims).unwrap().write(&mut text, &figures);
        text
    }

    const AIM: &str =
        "[client]\npublish = [{ of = 'ours/tokio', metric = 'cpu_ns', ratio = 0.5, why = 'the kernel.' }]";

    #[test]
    fn an_aim_is_met_or_missed_or_we_are_behind_and_the_reason_is_given() {
        let met = written(AIM, &[("floor", 1.0), ("ours/tokio", 40.0), ("slow", 200.0), ("quick", 100.0)]);
        assert!(
            met.ends_with("| publish, ours/tokio | cpu_ns | 40 | quick 100 | 0.40 | 0.50 of it | met |\n"),
            "{met}"
        );
        let missed = written(AIM, &[("ours/tokio", 60.0), ("quick", 100.0)]);
        assert!(missed.contains("| 0.60 | 0.50 of it | aim missed |"), "{missed}");
        assert!(missed.ends_with("- publish, ours/tokio, cpu_ns: the kernel.\n"), "{missed}");
        assert!(written(AIM, &[("ours/tokio", 110.0), ("quick", 100.0)]).contains("| **behind** |"));
    }

    #[test]
    fn a_figure_without_an_aim_has_to_be_ahead_of_each_rival() {
        let behind = written("", &[("ours/tokio", 110.0), ("quick", 100.0)]);
        assert!(behind.contains("**behind**") && behind.contains("not looked into yet"), "{behind}");
        assert!(!written("", &[("ours/tokio", 110.0)]).contains("publish"), "nothing to compare with");
    }

    #[test]
    fn how_often_a_client_waits_is_no_cost_to_be_ahead_in() {
        let figure =
            |who, metric| Figure::new("client", "publish", who, metric, if who == "quick" { 1.0 } else { 2.0 });
        let mut text = String::new();
        let figures = [figure("ours/tokio", "switches"), figure("quick", "switches"), figure("ours/tokio", "cpu_ns")];
        Aims::parse("").unwrap().write(&mut text, &figures);
        assert!(!text.contains("switches"), "{text}");
    }

    #[test]
    fn an_adapter_is_compared_with_another_of_ours() {
        let aim = "[client]\npublish = [{ of = 'ours/std', metric = 'cpu_ns', ratio = 1.3, to = 'ours/tokio' }]";
        let figures = |std| written(aim, &[("ours/std", std), ("ours/tokio", 10.0)]);
        assert!(figures(13.0).contains("| 1.30 of ours/tokio | met |"), "{}", figures(13.0));
        assert!(figures(14.0).contains("| aim missed |"));
    }

    #[test]
    fn an_aim_is_either_a_value_or_a_ratio() {
        let aim = "[client]\npublish = [{ of = 'ours', metric = 'cpu_ns' }]";
        assert_eq!(Aims::parse(aim).err().unwrap(), "client, publish: cpu_ns of ours: one of `value` and `ratio`");
    }

    #[test]
    fn every_committed_aim_is_of_a_figure_that_is_measured() {
        let figures = super::super::results::read(&results_path()).unwrap();
        for [area, row, whose, metric] in Aims::read().unwrap().0.keys() {
            let of_it = |figure: &Figure| {
                [&figure.area, &figure.row, &figure.who, &figure.metric] == [area, row, whose, metric]
            };
            assert!(figures.iter().any(of_it), "{area}, {row}: nobody measures {metric} of {whose}");
        }
    }
}
