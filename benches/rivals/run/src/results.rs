//! Collects figures, takes medians, prints lines.

use serde_json::json;

/// The figures of one row.
#[derive(Default)]
pub(crate) struct Results(Vec<Figure>);

struct Figure {
    who: String,
    metric: String,
    values: Vec<f64>,
}

impl Results {
    pub(crate) fn add(&mut self, who: &str, metric: &str, value: f64) {
        match self.0.iter_mut().find(|figure| figure.who == who && figure.metric == metric) {
            Some(figure) => figure.values.push(value),
            None => self.0.push(Figure { who: who.into(), metric: metric.into(), values: vec![value] }),
        }
    }

    /// Prints the medians.
    pub(crate) fn print(self, area: &str, row: &str) {
        for Figure { who, metric, mut values } in self.0 {
            values.sort_by(f64::total_cmp);
            let value = values[values.len() / 2];
            println!("{}", json!({"area": area, "row": row, "who": who, "metric": metric, "value": value}));
        }
    }
}

/// A name with the version that was built, as the lock file says. Names that are not a package stay as they are.
pub(crate) fn with_version(name: &str, package: &str) -> String {
    const LOCK: &str = include_str!("../../Cargo.lock");
    let entry = format!("name = \"{package}\"\nversion = \"");
    let version = LOCK.split(&entry).nth(1).and_then(|rest| rest.split('"').next());
    version.map_or_else(|| name.into(), |version| format!("{name} {version}"))
}
