//! What a run leaves: a table on standard output, JSON in a file, and, when told to, docs/performance.md with plots.

mod json;
mod machine;
mod markdown;
mod svg;
mod table;

use std::{fs, path::Path};

use anyhow::Context;

use crate::results::Results;

pub(crate) use table::table;

/// Writes every value as JSON.
pub(crate) fn write_json(results: &Results, path: &Path) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(&json::json(results))?;
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// Writes docs/replicas.md below the workspace's root.
pub(crate) fn write_replicas(results: &Results, command: &str, root: &Path) -> anyhow::Result<()> {
    let path = root.join("docs/replicas.md");
    fs::write(&path, markdown::replicas(results, command)).with_context(|| format!("cannot write {}", path.display()))
}

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
