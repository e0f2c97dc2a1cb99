//! The command line.

use clap::{Parser, Subcommand};

use crate::terminal;

/// A stage-wise demo agent
#[derive(Debug, Parser)]
#[command(name = "sample-cli", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the stages
    Run(RunArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// Ask before the workflows begin
    #[arg(long, env = "SAMPLE_ASK")]
    pub(crate) ask: bool,

    /// Print plain lines even on a terminal
    #[arg(long, env = "SAMPLE_PLAIN")]
    plain: bool,

    /// What the security audit is to look at
    #[arg(long, env = "CLAUDE_PROMPT", default_value = "Audit this repository for security problems.")]
    pub(crate) prompt: String,

    /// How long each step takes, in milliseconds
    #[arg(long, env = "SAMPLE_STEP_MILLIS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) step_millis: u64,

    /// With any value, no colours and no redrawing (no-color.org)
    #[arg(long, env = "NO_COLOR", hide = true, num_args = 0..=1, default_missing_value = "1")]
    no_color: Option<String>,

    /// A terminal that is `dumb` cannot be redrawn
    #[arg(long, env = "TERM", hide = true)]
    term: Option<String>,
}

impl RunArgs {
    /// Whether to redraw in place, with colours.
    pub(crate) fn is_live(&self) -> bool {
        let no_color = self.no_color.as_ref().is_some_and(|value| !value.is_empty());
        !self.plain && !no_color && self.term.as_deref() != Some("dumb") && terminal::is_terminal()
    }
}
