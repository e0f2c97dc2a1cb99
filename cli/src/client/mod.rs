//! The user's client of the public API: runs a folder, attaches this terminal to a session, and looks after sessions.
//!
//! ```text
//! run > pack (a folder becomes one file) > upload (what the server lacks of it) > attach
//! attach > seek (where the session is, again and again) > socket > shown (out) and typing (in)
//! ```
//!
//! Nothing here knows a server's insides: HTTP and `podling.v1`, as any other client.

mod api;
mod args;
mod asking;
mod attach;
mod detach;
mod error;
mod listing;
mod logs;
mod modes;
mod pack;
mod progress;
mod queries;
mod run;
mod share;
mod terminal;
mod upload;

use std::{io::IsTerminal, process::ExitCode};

use clap::ArgMatches;
use serde_json::json;

use self::{
    api::Api,
    args::ServerArgs,
    attach::{Begin, Left, Plan, Style},
    error::ClientError,
};
pub(crate) use args::{AttachArgs, LogsArgs, LsArgs, RunArgs, ShareArgs, StopArgs};

/// When Podling failed and not the command, as with Docker.
const FAILED: u8 = 125;
/// A process that a signal ended, as shells tell it.
const BY_SIGNAL: i32 = 128;

#[derive(clap::Subcommand)]
pub(crate) enum Command {
    /// Run a command in this folder, in a session, and attach this terminal to it. Ends with the command's exit code, or
    /// 125 when Podling failed
    Run(Box<RunArgs>),
    /// Attach this terminal to a session
    Attach(AttachArgs),
    /// Print what a session has printed
    Logs(LogsArgs),
    /// List your sessions, the youngest first
    Ls(LsArgs),
    /// Make a link that lets others watch a session, or type in it; list such links, or take one back
    Share(ShareArgs),
    /// End sessions
    Stop(StopArgs),
}

/// `said` is what the command line was read to.
pub(crate) fn main(command: Command, said: &ArgMatches) -> ExitCode {
    let server = command.server().clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime of one thread needs nothing but a few descriptors");
    let outcome = runtime.block_on(perform(command, &server, said));
    runtime.shutdown_background();
    outcome.unwrap_or_else(|error| {
        complain(&error, server.json);
        ExitCode::from(FAILED)
    })
}

async fn perform(command: Command, server: &ServerArgs, said: &ArgMatches) -> Result<ExitCode, ClientError> {
    let api = Api::new(server.server.clone(), server.key(said)?)?;
    match command {
        Command::Run(run) => run::run(api, *run).await,
        Command::Attach(attach) => attach_to(api, attach).await,
        Command::Logs(logs) => logs::print(&api, logs).await,
        Command::Ls(ls) => listing::list(&api, ls).await,
        Command::Share(share) => share::share(&api, share).await,
        Command::Stop(stop) => listing::stop(&api, stop).await,
    }
}

impl Command {
    fn server(&self) -> &ServerArgs {
        match self {
            Command::Run(args) => &args.server,
            Command::Attach(args) => &args.server,
            Command::Logs(args) => &args.server,
            Command::Ls(args) => &args.server,
            Command::Share(args) => &args.server,
            Command::Stop(args) => &args.server,
        }
    }
}

async fn attach_to(api: Api, args: AttachArgs) -> Result<ExitCode, ClientError> {
    let ticket = api.post(&format!("/api/sessions/{}/token", args.id), &json!({})).await?;
    let style = style(args.server.json);
    // A terminal is shown what is on the session's now; whoever reads it as a stream wants all of it.
    let begin = if style == Style::Terminal { Begin::Screen } else { Begin::Log };
    let text = |name: &str| ticket[name].as_str().unwrap_or_default().to_owned();
    let plan = Plan {
        api,
        uid: text("uid"),
        token: text("token"),
        begin,
        style,
        keys: args.terminal.detach_keys,
        reconnect: args.terminal.reconnect,
    };
    Ok(told(attach::run(plan).await?, &args.id, args.server.json))
}

fn style(json: bool) -> Style {
    match json {
        true => Style::Json,
        false if std::io::stdout().is_terminal() => Style::Terminal,
        false => Style::Plain,
    }
}

/// The exit code for what a session came to here, and a word on what its own does not tell.
fn told(left: Left, id: &str, json: bool) -> ExitCode {
    let say = |text: String| {
        if !json {
            eprintln!("[podling] {text}");
        }
    };
    let goes_on = || format!("Session {id} goes on: `podling attach {id}` comes back, `podling stop {id}` ends it.");
    match left {
        Left::Ended(end) => match end["exit_code"].as_i64() {
            Some(code) => ExitCode::from(u8::try_from(code & 0xff).expect("one byte")),
            None => {
                say(end["detail"].as_str().unwrap_or("The session ended.").to_owned());
                ExitCode::from(FAILED)
            }
        },
        Left::Detached => {
            say(goes_on());
            ExitCode::SUCCESS
        }
        Left::Killed(signal) => {
            say(goes_on());
            by_signal(signal)
        }
        Left::Unread => by_signal(SIGPIPE),
    }
}

const SIGPIPE: i32 = 13;

fn by_signal(signal: i32) -> ExitCode {
    ExitCode::from(u8::try_from(BY_SIGNAL + signal).unwrap_or(FAILED))
}

fn complain(error: &ClientError, json: bool) {
    if json {
        return eprintln!("{}", error.json());
    }
    eprintln!("error: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        eprintln!("  because {cause}");
        source = cause.source();
    }
    match error.hint().as_str() {
        "" => {}
        hint => eprintln!("{hint}"),
    }
}
