//! The command line.

use std::{ffi::OsString, time::Duration};

use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    error::ErrorKind,
    parser::{ArgMatches, ValueSource},
};
use secrecy::SecretString;
use url::Url;

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

    /// How long each step takes, in milliseconds
    #[arg(long, env = "SAMPLE_STEP_MILLIS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    step_millis: u64,

    #[command(flatten)]
    pub(crate) audit: AuditArgs,

    /// With any value, no colours and no redrawing (no-color.org)
    #[arg(long, env = "NO_COLOR", hide = true, num_args = 0..=1, default_missing_value = "1")]
    no_color: Option<String>,

    /// A terminal that is `dumb` cannot be redrawn
    #[arg(long, env = "TERM", hide = true)]
    term: Option<String>,
}

/// Whom the security audit asks, and how long it waits.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct AuditArgs {
    /// What the security audit is to look at
    #[arg(long, env = "CLAUDE_PROMPT", default_value = "Audit this repository for security problems.")]
    pub(crate) prompt: String,

    /// Claude Code. Default: `claude` on the search path
    #[arg(long, env = "CLAUDE_BIN", value_name = "PROGRAM")]
    pub(crate) claude_bin: Option<OsString>,

    /// Key for the Messages API, which is asked where there is no Claude Code. Taken from ANTHROPIC_API_KEY alone
    #[arg(long, env = "ANTHROPIC_API_KEY", hide = true, hide_env_values = true)]
    pub(crate) api_key: Option<SecretString>,

    /// Where the Messages API is. Default: the API of Anthropic itself
    #[arg(long, env = "ANTHROPIC_BASE_URL", value_name = "URL", default_value = "", hide_default_value = true, value_parser = base_url)]
    pub(crate) base_url: Url,

    /// The model that the Messages API is asked for
    #[arg(long, env = "ANTHROPIC_MODEL", default_value = "claude-sonnet-5-5")]
    pub(crate) model: String,

    /// The longest answer of the Messages API, in tokens
    #[arg(long, env = "SAMPLE_MAX_TOKENS", default_value_t = 2048, value_parser = clap::value_parser!(u32).range(1..=128_000))]
    pub(crate) max_tokens: u32,

    /// How long the model may say nothing
    #[arg(long, env = "SAMPLE_SILENCE", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) silence: Duration,

    /// How long the audit may take
    #[arg(long, env = "SAMPLE_DEADLINE", default_value = "30m", value_parser = humantime::parse_duration)]
    pub(crate) deadline: Duration,
}

/// Parses the command line, whose first word is the program's name.
///
/// # Errors
/// What to print, with its exit code; also when there is a key in the arguments, which are everybody's to read.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Args, clap::Error> {
    let mut command = Args::command();
    let matches = command.try_get_matches_from_mut(words)?;
    let run = matches.subcommand_matches("run");
    if run.and_then(|run: &ArgMatches| run.value_source("api_key")) == Some(ValueSource::CommandLine) {
        let why = "arguments are everybody's to read: give the key as the variable ANTHROPIC_API_KEY";
        return Err(command.error(ErrorKind::ArgumentConflict, why));
    }
    Args::from_arg_matches(&matches)
}

fn base_url(text: &str) -> Result<Url, String> {
    let text = if text.is_empty() { "https://api.anthropic.com" } else { text };
    let url: Url = text.parse().map_err(|error| format!("{error}"))?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err("only http and https".to_owned()) }
}

impl RunArgs {
    pub(crate) fn step(&self) -> Duration {
        Duration::from_millis(self.step_millis)
    }

    /// Whether to redraw in place, with colours.
    pub(crate) fn is_live(&self) -> bool {
        let no_color = self.no_color.as_ref().is_some_and(|value| !value.is_empty());
        !self.plain && !no_color && self.term.as_deref() != Some("dumb") && terminal::is_terminal()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words<'a>(words: &'a [&'a str]) -> impl Iterator<Item = OsString> + 'a {
        ["sample-cli", "run"].iter().chain(words).map(OsString::from)
    }

    #[test]
    fn a_key_among_the_arguments_is_refused_and_not_repeated() {
        let refused = parse(words(&["--api-key", "planted"])).expect_err("a key").to_string();
        assert!(refused.contains("ANTHROPIC_API_KEY") && !refused.contains("planted"), "{refused}");
        let Args { command: Command::Run(mut args) } = parse(words(&[])).expect("enough");
        args.audit.api_key = Some("planted".into());
        assert!(!format!("{args:?}").contains("planted"));
    }

    #[test]
    fn the_api_is_at_anthropic_unless_told_otherwise() {
        assert_eq!(base_url("").expect("the default").as_str(), "https://api.anthropic.com/");
        assert_eq!(base_url("http://127.0.0.1:1/x").expect("a URL").as_str(), "http://127.0.0.1:1/x");
        for bad in ["file:///etc/passwd", "x", "http://"] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
