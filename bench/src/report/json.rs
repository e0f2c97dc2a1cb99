//! The same as JSON, every single value included.

use serde_json::{Value, json};

use crate::{
    results::{Results, Series},
    stats::Spread,
};

/// `{"measures":[{"name","unit","beside","ours":{…},…}]}`.
pub(crate) fn json(results: &Results) -> Value {
    json!({ "measures": results.in_order().map(measure).collect::<Vec<_>>() })
}

fn measure(series: &Series) -> Value {
    json!({
        "name": series.name(),
        "title": series.entry.title,
        "unit": series.entry.unit,
        "against": series.entry.beside,
        "figure": series.figure(),
        "goal_met": series.entry.goal.map(|goal| goal.holds(series.figure())),
        "ours": values(&series.ours),
        "beside": values(&series.beside),
        "ratio": series.ratios().map(spread),
    })
}

fn values(values: &[f64]) -> Value {
    match values {
        [] => Value::Null,
        _ => json!({ "spread": spread(Spread::of(values)), "values": values }),
    }
}

fn spread(spread: Spread) -> Value {
    json!({ "min": spread.min, "median": spread.median, "max": spread.max, "n": spread.n })
}
