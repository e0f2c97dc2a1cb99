//! Fuzzes what strangers can send to a decoder, with libFuzzer.

use std::time::Duration;

use crate::run::{cargo, root, step};

/// The targets in `fuzz/targets`, and how many inputs CI tries on each: some seconds' worth.
const TARGETS: [(&str, u32); 3] = [("frames", 1_000_000), ("screen", 50_000), ("token", 40_000)];

/// Each target for so long, or as CI does: inputs that are the same in every run, so that no change fails by chance.
pub(crate) fn run(each: Option<Duration>) -> anyhow::Result<()> {
    for (target, inputs) in TARGETS {
        let corpus = root().join("fuzz/corpus").join(target);
        let seeds = root().join("fuzz/seeds").join(target);
        std::fs::create_dir_all(&corpus)?;
        let bound = match each {
            Some(each) => vec![format!("-max_total_time={}", each.as_secs())],
            None => vec![format!("-runs={inputs}"), "-seed=1".to_owned()],
        };
        // Sanitizers need a nightly compiler, and look for what safe Rust cannot do.
        let mut fuzz = cargo(["fuzz", "run", "--sanitizer", "none", target]);
        fuzz.arg(&corpus).args(seeds.is_dir().then_some(&seeds)).arg("--").args(bound).arg("-verbosity=0");
        fuzz.envs([("CARGO_PROFILE_RELEASE_LTO", "off"), ("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only")]);
        step(fuzz)?;
    }
    Ok(())
}
