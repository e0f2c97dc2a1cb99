//! How a runner is started: its arguments, and the one line on its standard input that proves who it is.

use std::{
    io::{self, Read},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};

use clap::{Args as ClapArgs, ValueEnum};
use podling_daemon::source_args::SourceArgs;
use podling_proto::channel::Address;
use podling_session::{
    forward::Forward,
    id::{LaunchName, RunnerId},
    session::Isolation,
};
use secrecy::SecretString;
use serde::Deserialize;

use crate::controller::Bootstrap;

/// The longest bootstrap line, in bytes.
const MAX_BOOTSTRAP_BYTES: u64 = 4096;

#[derive(ClapArgs, Clone, Debug)]
pub struct Args {
    /// Directory of this launch, closed to other users: sockets and the places of the command
    #[arg(long)]
    pub dir: PathBuf,

    /// The launch that this runner serves
    #[arg(long)]
    pub name: LaunchName,

    /// Directory of blobs: below it the terminal log is written, where the assignment says
    #[arg(long, required_unless_present = "clean")]
    pub blobs: Option<PathBuf>,

    /// Where a controller serves runners: unix:/path, unix:/directory/ for any socket in it, or https://host:port. May be
    /// repeated; the next takes over from one that is lost
    #[arg(long, required_unless_present = "clean")]
    pub controller: Vec<Address>,

    /// The authority that signed the certificates of controllers at https, in PEM
    #[arg(long, value_name = "FILE")]
    pub controller_ca: Option<PathBuf>,

    /// Where to serve gateways over TCP, with TLS and a certificate of the runner's own; port 0 for any. Default: a socket
    /// in the runner's directory
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,

    /// The host by which gateways reach this runner. Default: the address that it listens on
    #[arg(long, requires = "listen")]
    pub host: Option<String>,

    /// User that the command runs as, when the runner is root
    #[arg(long)]
    pub uid: Option<u32>,

    /// Whether the command runs in a sandbox
    #[arg(long, default_value = "auto")]
    pub isolation: IsolationArg,

    /// Below this level of isolation nothing is run: none, minimal, reduced or full
    #[arg(long, default_value = "none")]
    pub min_isolation: Isolation,

    #[command(flatten)]
    pub sources: SourceArgs,

    /// Directory of archives that were fetched before, for all runners of this user. Default: none is kept
    #[arg(long, value_name = "DIRECTORY")]
    pub source_cache: Option<PathBuf>,

    /// How long the installation of dependencies may take
    #[arg(long, default_value = "240s", value_parser = humantime::parse_duration)]
    pub install_timeout: Duration,

    /// What sandboxes reach by a port of their loopback, as PORT=HOST:PORT; may be repeated
    #[arg(long, value_name = "PORT=HOST:PORT")]
    pub sandbox_forward: Vec<Forward>,

    /// Copy what the command says to standard output, as container logs want it
    #[arg(long)]
    pub mirror_output: bool,

    /// How long the command has between SIGTERM and SIGKILL when the runner itself is told to end
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration)]
    pub grace: Duration,

    /// How long connecting to the controller may be refused before the runner ends itself
    #[arg(long, default_value = "8s", value_parser = humantime::parse_duration)]
    pub controller_refused_timeout: Duration,

    /// How long the controller may be silent before the runner ends itself
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration)]
    pub controller_timeout: Duration,

    /// Remove what a dead runner left outside of its directory, and exit
    #[arg(long, hide = true)]
    pub clean: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IsolationArg {
    /// The strongest sandbox that the machine gives
    Auto,
    /// None at all: the command can do what the user who started Podling can
    None,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    runner_id: RunnerId,
    secret: SecretString,
}

impl Bootstrap {
    /// Reads the line and nothing behind it matters.
    ///
    /// # Errors
    /// When it is not `{"runner_id","secret"}`. The error does not repeat it.
    pub fn read(input: impl Read) -> io::Result<Bootstrap> {
        let mut bytes = Vec::new();
        let mut byte = [0];
        let mut input = input.take(MAX_BOOTSTRAP_BYTES);
        while input.read(&mut byte)? == 1 && byte != *b"\n" {
            bytes.extend(byte);
        }
        let invalid =
            |_| io::Error::new(io::ErrorKind::InvalidData, "the bootstrap line is not a runner's id and secret");
        let Line { runner_id, secret } = serde_json::from_slice(&bytes).map_err(invalid)?;
        Ok(Bootstrap { runner: runner_id, secret })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use secrecy::ExposeSecret;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: Args,
    }

    const NAME: &str = "01970000000070008000000000000000-1";

    #[test]
    fn a_launch_needs_its_places_and_a_clean_up_only_its_directory() {
        let parse = |more: &[&str]| {
            let words = ["runner", "--dir", "/x", "--name", NAME].iter().chain(more);
            Command::try_parse_from(words).map(|command| command.args)
        };
        assert!(parse(&[]).is_err());
        assert!(parse(&["--clean"]).expect("enough").clean);
        let args = parse(&["--blobs", "/l", "--controller", "unix:/c"]).expect("enough");
        assert_eq!((args.isolation, args.controller_refused_timeout.as_secs()), (IsolationArg::Auto, 8));
    }

    #[test]
    fn the_bootstrap_is_one_line_and_an_error_does_not_repeat_it() {
        let id = "0e9fdba4-1f0f-4b7e-8f53-0a4e6a4c6c1d";
        let line = format!("{{\"runner_id\":\"{id}\",\"secret\":\"s3cret\"}}\nrest");
        let bootstrap = Bootstrap::read(line.as_bytes()).expect("a line");
        assert_eq!((bootstrap.runner.to_string().as_str(), bootstrap.secret.expose_secret()), (id, "s3cret"));
        for bad in ["", "{}", "{\"runner_id\":\"s3cret\",\"secret\":\"s3cret\"}"] {
            let error = Bootstrap::read(bad.as_bytes()).expect_err(bad);
            assert!(!error.to_string().contains("s3cret"));
        }
    }
}
