//! Every test, and the benchmarks.

use std::process::Command;

use crate::{
    fuzz,
    run::{cargo, root, step},
};

/// The end-to-end tests that choose their form themselves, drive no Podling, or ask what is answered alike in each: once is
/// enough for those.
const OF_ONE_FORM: [&str; 11] = [
    "api::",
    "authorization::",
    "chaos::",
    "creates::",
    "documents::",
    "firebase::",
    "handover::",
    "help::",
    "readme::",
    "replicas::",
    "schema::",
];

pub(crate) fn run() -> anyhow::Result<()> {
    let mut web = Command::new("npm");
    web.args(["test", "--silent"]).current_dir(root().join("web"));
    step(web)?;
    // The end-to-end tests drive the built binaries, which `--workspace` puts beside them.
    step(cargo(["build", "--workspace", "--bins"]))?;
    step(cargo(["test", "--workspace", "--exclude", "podling-e2e", "--no-fail-fast"]))?;
    fuzz::run(None)?;
    // One at a time: each starts a Podling of its own, browsers among them, on what may be two processors.
    let end_to_end = ["test", "--package", "podling-e2e", "--no-fail-fast"];
    step(cargo(end_to_end.into_iter().chain(["--", "--test-threads=1"])))?;
    let again = end_to_end.into_iter().chain(["--test", "it", "--", "--test-threads=1"]);
    let mut replicated = cargo(again.chain(OF_ONE_FORM.into_iter().flat_map(|module| ["--skip", module])));
    // The steps of a start are those of the embedded form, which has gone through a hundred of them.
    replicated.envs([("PODLING_E2E_FORM", "replicated"), ("PODLING_ROUNDS", "40")]);
    step(replicated)?;
    bench(&["--ci".to_owned()])?;
    replicas(&["--ci".to_owned()])
}

pub(crate) fn steps() -> anyhow::Result<()> {
    step(cargo(["build", "--workspace", "--bins"]))?;
    let mut tests =
        cargo(["test", "--package", "podling-e2e", "--", "--test-threads=1", "--nocapture", "starts::", "handover::"]);
    tests.env("PODLING_STEPS", "every");
    step(tests)
}

/// Builds the services, and breaks them.
pub(crate) fn chaos(arguments: &[String]) -> anyhow::Result<()> {
    let packages = ["podling-controller", "podling-gateway", "podling-runner", "podling-e2e"];
    let packages = packages.into_iter().flat_map(|package| ["--package", package]);
    step(cargo(["build", "--profile", "ci", "--bins"].into_iter().chain(packages)))?;
    let run = ["run", "--quiet", "--profile", "ci", "--package", "podling-e2e", "--bin", "podling-chaos", "--"];
    step(cargo(run.into_iter().chain(arguments.iter().map(String::as_str))))
}

/// Builds and runs the benchmark of the terminal.
pub(crate) fn bench(arguments: &[String]) -> anyhow::Result<()> {
    measure(&[], arguments)
}

/// Builds and runs the benchmark of replicas.
pub(crate) fn replicas(arguments: &[String]) -> anyhow::Result<()> {
    measure(&["replicas"], arguments)
}

/// What is measured: built together, so that the second of two benchmarks has nothing left to build.
const MEASURED: [&str; 4] = ["podling-cli", "podling-controller", "podling-gateway", "podling-runner"];

fn measure(words: &[&str], arguments: &[String]) -> anyhow::Result<()> {
    let profile = if arguments.iter().any(|argument| argument == "--ci") { "ci" } else { "release" };
    let bench = ["--profile", profile, "--package", "podling-bench"];
    let measured = MEASURED.into_iter().flat_map(|package| ["--package", package]);
    step(cargo(["build", "--bins"].into_iter().chain(bench).chain(measured)))?;
    let run = ["run", "--quiet"].into_iter().chain(bench).chain(["--"]).chain(words.iter().copied());
    step(cargo(run.chain(arguments.iter().map(String::as_str))))
}
