//! Every test, and the benchmarks.

use std::process::Command;

use crate::run::{cargo, root, step};

pub(crate) fn run() -> anyhow::Result<()> {
    let mut web = Command::new("npm");
    web.args(["test", "--silent"]).current_dir(root().join("web"));
    step(web)?;
    // The end-to-end tests drive the built binaries, which `--workspace` puts beside them.
    step(cargo(["build", "--workspace", "--bins"]))?;
    step(cargo(["test", "--workspace", "--exclude", "podling-e2e", "--no-fail-fast"]))?;
    // One at a time: each starts a Podling of its own, browsers among them, on what may be two processors.
    step(cargo(["test", "--package", "podling-e2e", "--no-fail-fast", "--", "--test-threads=1"]))
}

pub(crate) fn steps() -> anyhow::Result<()> {
    step(cargo(["build", "--workspace", "--bins"]))?;
    let mut tests = cargo(["test", "--package", "podling-e2e", "--", "--test-threads=1", "--nocapture", "starts::"]);
    tests.env("PODLING_STEPS", "every");
    step(tests)
}

pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<()> {
    step(cargo(["build", "--release", "--package", "podling-cli", "--package", "podling-bench", "--bins"]))?;
    let run = ["run", "--release", "--quiet", "--package", "podling-bench", "--"].into_iter();
    step(cargo(run.chain(arguments.iter().map(String::as_str))))
}
