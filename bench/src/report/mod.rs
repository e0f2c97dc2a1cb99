//! What a run leaves: a table on standard output, JSON in a file, and, when told to, docs/performance.md with plots.

mod json;
mod machine;
mod markdown;
mod svg;
mod table;

use std::{fs, path::Path};

use anyhow::Context;

use crate::results::Results;

pub(crate) use json::json;
pub(crate) use table::table;

/// Writes docs/performance.md and its plots below the workspace's root.
pub(crate) fn write(results: &Results, command: &str, root: &Path) -> anyhow::Result<()> {
    let docs = root.join("docs");
    fs::create_dir_all(docs.join("performance"))?;
    let files = [
        ("performance.md", markdown::markdown(results, command)),
        ("performance/bulk.svg", svg::bulk(results)),
        ("performance/latency.svg", svg::latency(results)),
    ];
    for (name, text) in files {
        fs::write(docs.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}
