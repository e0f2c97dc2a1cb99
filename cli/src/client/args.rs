//! What users say to the client.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use clap::{ArgMatches, Args, parser::ValueSource};
use secrecy::SecretString;
use url::Url;

use super::{detach::DetachKeys, error::ClientError};

/// Where Podling is, and who asks.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerArgs {
    /// Where Podling is
    #[arg(long, env = "PODLING_URL", value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) server: Url,

    /// A file with the API key; the key itself can be in PODLING_API_KEY. Default: none, which is enough on the machine
    /// that Podling runs on
    #[arg(long, env = "PODLING_API_KEY_FILE", value_name = "FILE")]
    pub(crate) api_key_file: Option<PathBuf>,

    /// From the environment alone: arguments are everybody's to read.
    #[arg(long, env = "PODLING_API_KEY", hide = true, hide_env_values = true)]
    api_key: Option<SecretString>,

    /// Answer in JSON, for programs
    #[arg(long)]
    pub(crate) json: bool,
}

impl ServerArgs {
    /// The API key, if there is one. `said` is what the command line was read to.
    pub(crate) fn key(&self, said: &ArgMatches) -> Result<Option<SecretString>, ClientError> {
        if said.value_source("api_key") == Some(ValueSource::CommandLine) {
            let message = "a key in an argument can be read by everybody on this machine";
            return Err(ClientError::here(message, "Put it into PODLING_API_KEY or a file, and take it for known."));
        }
        let Some(file) = self.api_key_file.as_ref().filter(|_| self.api_key.is_none()) else {
            return Ok(self.api_key.clone());
        };
        let key = std::fs::read_to_string(file).map_err(|error| {
            ClientError::here(format!("no API key in {}: {error}", file.display()), "Check --api-key-file.")
        })?;
        Ok(Some(key.trim().into()))
    }
}

/// How a terminal is attached.
#[derive(Args, Clone, Debug)]
pub(crate) struct TerminalArgs {
    /// The keys that leave the session to itself: characters or ctrl-KEY, with commas between them; empty for none
    #[arg(long, env = "PODLING_DETACH_KEYS", value_name = "KEYS", default_value = "ctrl-p,ctrl-q")]
    pub(crate) detach_keys: DetachKeys,

    /// How long to look for a session whose connection is lost
    #[arg(long, env = "PODLING_RECONNECT", value_name = "DURATION", default_value = "5m", value_parser = humantime::parse_duration)]
    pub(crate) reconnect: Duration,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// The folder that the command runs in, packed and uploaded without what .gitignore and .podlingignore list and
    /// without .git
    #[arg(long, value_name = "DIRECTORY", default_value = ".")]
    pub(crate) dir: PathBuf,

    /// A variable of the command; NAME alone takes its value from here. May be repeated
    #[arg(long, short, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,

    /// A variable of the command that is kept secret; its value is taken from this environment. May be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) secret: Vec<String>,

    /// A name for the session
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// To find the session by. May be repeated
    #[arg(long, short, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,

    /// Run before the command to install what it needs. Default: as the folder's files suggest
    #[arg(long, value_name = "COMMAND")]
    pub(crate) install: Option<String>,

    /// A question or task for the command, which finds it in CLAUDE_PROMPT
    #[arg(long, value_name = "TEXT")]
    pub(crate) prompt: Option<String>,

    /// Keep the command from the internet
    #[arg(long)]
    pub(crate) no_egress: bool,

    /// Print where the session can be seen, and leave it to itself
    #[arg(long, short)]
    pub(crate) detach: bool,

    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,

    #[command(flatten)]
    pub(crate) server: ServerArgs,

    /// The command: one word is a line for the shell, several are a program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    pub(crate) command: Vec<String>,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct AttachArgs {
    /// The session's id or uid
    pub(crate) id: String,

    #[command(flatten)]
    pub(crate) terminal: TerminalArgs,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LogsArgs {
    /// The session's id or uid
    pub(crate) id: String,

    /// Go on until the session ends
    #[arg(long, short)]
    pub(crate) follow: bool,

    /// Begin at this byte of the output
    #[arg(long, value_name = "OFFSET")]
    pub(crate) from: Option<u64>,

    /// Without escape sequences
    #[arg(long)]
    pub(crate) text: bool,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct LsArgs {
    /// Only sessions in this phase: pending, starting, running, asleep or ended
    #[arg(long, value_name = "PHASE")]
    pub(crate) phase: Option<String>,

    /// Only sessions with this label. May be repeated
    #[arg(long, short, value_name = "KEY=VALUE")]
    pub(crate) label: Vec<String>,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ShareArgs {
    /// The session's id or uid
    pub(crate) id: String,

    /// Whoever comes by the link may type. Default: watch alone
    #[arg(long)]
    pub(crate) write: bool,

    /// How many times it may be used, up to 1000
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) uses: u32,

    /// How long it may be used, from a minute to 30 days; whoever has come by it stays
    #[arg(long, value_name = "DURATION", default_value = "1day", value_parser = humantime::parse_duration)]
    pub(crate) expires: Duration,

    /// Who it is for, as the others see it
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,

    /// List the session's links
    #[arg(long, conflicts_with_all = ["write", "uses", "expires", "name", "revoke"])]
    pub(crate) list: bool,

    /// Take this link back: who came by it has to leave
    #[arg(long, value_name = "LINK", conflicts_with_all = ["write", "uses", "expires", "name"])]
    pub(crate) revoke: Option<String>,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct StopArgs {
    /// Ids or uids of sessions
    #[arg(required = true)]
    pub(crate) id: Vec<String>,

    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

impl RunArgs {
    /// `--env`: what is not given a value has it here.
    pub(crate) fn variables(&self) -> Result<BTreeMap<String, String>, ClientError> {
        let variable = |said: &String| match said.split_once('=') {
            Some((name, value)) => Ok((name.to_owned(), value.to_owned())),
            None => Ok((said.clone(), from_here("--env", said)?)),
        };
        self.env.iter().map(variable).collect()
    }

    pub(crate) fn secrets(&self) -> Result<BTreeMap<String, String>, ClientError> {
        let secret = |name: &String| match name.split_once('=') {
            None => Ok((name.clone(), from_here("--secret", name)?)),
            Some((name, _)) => {
                let message = format!("--secret takes a name alone: the value of {name} would be everybody's to read");
                Err(ClientError::here(
                    message,
                    format!("Put it into the environment: `export {name}`, --secret {name}."),
                ))
            }
        };
        self.secret.iter().map(secret).collect()
    }

    pub(crate) fn labels(&self) -> Result<BTreeMap<String, String>, ClientError> {
        let label = |said: &String| {
            let pair = said.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned()));
            pair.ok_or_else(|| ClientError::here(format!("--label {said} has no value"), "Write --label KEY=VALUE."))
        };
        self.label.iter().map(label).collect()
    }

    /// For `bash -lc`.
    pub(crate) fn shell_line(&self) -> String {
        match self.command.as_slice() {
            [line] => line.clone(),
            words => words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
        }
    }
}

fn from_here(option: &str, name: &str) -> Result<String, ClientError> {
    let value = std::env::var_os(name).and_then(|value| value.into_string().ok());
    let hint = format!("`export {name}=…` before, or leave {option} {name} out.");
    value.ok_or_else(|| ClientError::here(format!("{name} is not in the environment"), hint))
}

fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, FromArgMatches, Parser};

    use super::*;

    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parse(words: &[&str]) -> (RunArgs, ArgMatches) {
        let said = Whole::command().get_matches_from([&["run"], words].concat());
        (Whole::from_arg_matches(&said).expect("valid").run, said)
    }

    #[test]
    fn several_words_reach_the_program_as_they_are_and_one_is_a_shell_line() {
        let check = |words: &[&str], line: &str| assert_eq!(parse(words).0.shell_line(), line);
        check(&["--", "echo a; exit 3"], "echo a; exit 3");
        check(&["--", "echo", "a b", "$HOME", "it's", ""], r"echo 'a b' '$HOME' 'it'\''s' ''");
        check(&["--", "npm", "run", "dev", "--", "--port=1"], "npm run dev -- --port=1");
        check(&["ls", "-l"], "ls -l");
    }

    #[test]
    fn a_value_that_is_secret_is_never_an_argument() {
        let (run, _) = parse(&["--secret", "KEY=value", "true"]);
        assert!(run.secrets().expect_err("a value").hint().contains("--secret KEY"));
        let (run, said) = parse(&["--api-key", "podling_x", "true"]);
        assert!(run.server.key(&said).is_err());
        let (run, _) = parse(&["--secret", "PODLING_NOT_SET_HERE", "true"]);
        assert!(run.secrets().expect_err("nothing there").to_string().contains("not in the environment"));
    }

    #[test]
    fn variables_have_their_values_here_or_in_the_environment() {
        let (run, _) = parse(&["-e", "A=1=2", "--env", "PATH", "true"]);
        let variables = run.variables().expect("both");
        assert_eq!(variables["A"], "1=2");
        assert!(!variables["PATH"].is_empty());
    }
}
