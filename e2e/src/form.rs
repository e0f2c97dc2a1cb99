//! The form of Podling that a test drives: one process, or two of each service with a Postgres and a Redis.
//!
//! Every test runs in both. What speaks of one process alone says so with [`only_embedded`].

use std::io::Write;

use podling_servers::{Postgres, Redis};
use tokio::process::Command;

use crate::setting::setting;

/// What the tests run on, when it is not the embedded form.
const VARIABLE: &str = "PODLING_E2E_FORM";
/// Soon enough for a test to wait for; the replicas' own tests are about more.
const DRAIN_SPREAD: &str = "500ms";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One process, SQLite, and memory.
    Embedded,
    /// Two controllers and two gateways, Postgres, and Redis.
    Replicated,
}

impl Form {
    /// The form of this run.
    pub fn of_this_run() -> Form {
        match setting::<String>(VARIABLE).as_deref() {
            None => Form::Embedded,
            Some("replicated") => Form::Replicated,
            Some(form) => panic!("{VARIABLE} is {form:?}: it may be `replicated`, or unset"),
        }
    }

    /// How many controllers there are, each with a pool of its own.
    pub fn controllers(self) -> usize {
        match self {
            Form::Embedded => 1,
            Form::Replicated => 2,
        }
    }
}

/// Whether a test has nothing to say in the form of this run, and then says why, past the harness that hides the words
/// of tests that pass.
#[must_use]
pub fn only_embedded(why: &str) -> bool {
    let is_other = Form::of_this_run() != Form::Embedded;
    if is_other {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        writeln!(std::io::stderr(), "\nNOT IN THIS FORM: {test}: {why}").expect("standard error takes a line");
    }
    is_other
}

/// What several services share.
pub struct Shared {
    database: String,
    redis: Redis,
}

impl Shared {
    /// A database of its own in a Postgres that others use, too, and a Redis of its own.
    pub async fn start() -> Shared {
        let postgres = Postgres::shared();
        Shared { database: postgres.url(&postgres.database().await), redis: Redis::start() }
    }

    pub fn database(&self) -> &str {
        &self.database
    }

    /// By the environment: URLs may hold passwords, and arguments are everybody's to read.
    pub(crate) fn tell(&self, command: &mut Command) {
        command
            .env("PODLING_CONTROLLERS", "2")
            .env("PODLING_GATEWAYS", "2")
            .env("PODLING_DRAIN_SPREAD", DRAIN_SPREAD)
            .env("PODLING_POSTGRES", &self.database)
            .env("PODLING_REDIS", self.redis.url());
    }
}
