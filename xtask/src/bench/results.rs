//! One format for all that is measured: a line of JSON for each figure.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// One figure.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Figure {
    /// `codec`, `rows`, `client` or `broker`.
    pub(super) area: String,
    /// What was done.
    pub(super) row: String,
    /// Whose code did it.
    pub(super) who: String,
    /// What was measured: `instructions`, `allocations`, `cpu_ns` ...
    pub(super) metric: String,
    pub(super) value: f64,
}

impl Figure {
    pub(super) fn new(area: &str, row: &str, who: &str, metric: &str, value: f64) -> Self {
        let [area, row, who, metric] = [area, row, who, metric].map(str::to_owned);
        Self { area, row, who, metric, value }
    }

    pub(super) fn from_json(line: &str) -> Result<Self, String> {
        let json: Value = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let text = |field: &str| json[field].as_str().ok_or_else(|| format!("no {field}: {line}"));
        let value = json["value"].as_f64().ok_or_else(|| format!("no value: {line}"))?;
        Ok(Self::new(text("area")?, text("row")?, text("who")?, text("metric")?, value))
    }
}

/// Figures, those of the same thing together.
pub(super) fn read(path: &Path) -> Result<Vec<Figure>, String> {
    match fs::read_to_string(path) {
        Ok(text) => text.lines().map(Figure::from_json).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

pub(super) fn write(path: &Path, figures: &[Figure]) -> Result<(), String> {
    let lines = figures.iter().map(|Figure { area, row, who, metric, value }| {
        format!("{}\n", json!({ "area": area, "row": row, "who": who, "metric": metric, "value": value }))
    });
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    fs::write(path, lines.collect::<String>()).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

/// The median of each figure's values, in the order in which they first came.
pub(super) fn medians(figures: &[Figure]) -> Vec<Figure> {
    let mut values: BTreeMap<[&str; 4], Vec<f64>> = BTreeMap::new();
    let mut medians: Vec<Figure> = Vec::new();
    for figure in figures {
        let key = [&*figure.area, &*figure.row, &*figure.who, &*figure.metric];
        let same = values.entry(key).or_default();
        if same.is_empty() {
            medians.push(figure.clone());
        }
        same.push(figure.value);
    }
    for median in &mut medians {
        let same = values.get_mut(&[&*median.area, &*median.row, &*median.who, &*median.metric]).expect("it is there");
        same.sort_by(f64::total_cmp);
        median.value = (same[(same.len() - 1) / 2] + same[same.len() / 2]) / 2.0;
    }
    medians
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_each_figure_stands_where_its_first_value_came() {
        let figure = |who, value| Figure::new("client", "latency", who, "cpu_ns", value);
        let all = [figure("b", 3.0), figure("a", 9.0), figure("b", 1.0), figure("b", 100.0), figure("a", 7.0)];
        assert_eq!(medians(&all), [figure("b", 3.0), figure("a", 8.0)]);
    }
}
