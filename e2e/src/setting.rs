//! What a person who repeats a run says by the environment. No product code reads it.

use std::str::FromStr;

/// None when it is unset, or nothing that can be read.
#[expect(clippy::disallowed_methods, reason = "tests have no arguments of their own")]
pub fn setting<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// Whether every step is taken in turn, which takes longer than CI has.
pub fn takes_every_step() -> bool {
    setting::<String>("PODLING_STEPS").is_some_and(|which| which == "every")
}
