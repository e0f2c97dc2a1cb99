//! Format, lints, documentation, licences and sources, types of the browser's side.

use std::process::Command;

use crate::run::{cargo, root, step};

pub(crate) fn run() -> anyhow::Result<()> {
    step(cargo(["fmt", "--all", "--check"]))?;
    step(cargo(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut doc = cargo(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    // These documents are for those who work on Podling: a link to a private item leads them to it.
    doc.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private-intra-doc-links");
    step(doc)?;
    step(cargo(["fetch", "--locked"]))?;
    step(cargo(["deny", "--offline", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"]))?;
    eprintln!("skipped: cargo deny advisories, because its database is a git repository and in no package registry");
    let mut types = Command::new("npm");
    types.args(["run", "--silent", "check"]).current_dir(root().join("web"));
    step(types)
}
