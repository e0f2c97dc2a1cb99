//! What an operator chooses of a controller. Every field is an argument and an environment variable.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use clap::{Args, ValueEnum, value_parser};
use humantime::parse_duration;
use podling_daemon::{client_address::ProxyArgs, source_args::SourceArgs};
use podling_session::{
    forward::Forward,
    quota::Quota,
    session::Isolation,
    spec::{Limits, Policy},
};
use url::Url;

use crate::{bundles::BundleArgs, identity::args::IdentityArgs, sign::args::SigningArgs};

/// Each holds a process, a sandbox and some megabytes.
const MAX_WARM_RUNNERS: i64 = 256;

/// Everything about sessions that is not where to listen and where to keep them.
#[derive(Args, Clone, Debug)]
pub struct ControllerArgs {
    #[command(flatten)]
    pub access: AccessArgs,
    #[command(flatten)]
    pub identity: IdentityArgs,
    #[command(flatten)]
    pub policy: PolicyArgs,
    #[command(flatten)]
    pub quotas: QuotaArgs,
    #[command(flatten)]
    pub signing: SigningArgs,
    #[command(flatten)]
    pub bundles: BundleArgs,
    #[command(flatten)]
    pub runners: RunnerArgs,
    #[command(flatten)]
    pub sources: SourceArgs,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Access")]
pub struct AccessArgs {
    /// Where browsers reach Podling, such as `https://podling.example.org`; the front of every link. Default: the
    /// address that it listens on
    #[arg(long, env = "PODLING_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<Url>,

    /// The issuer that session tokens name
    #[arg(long, env = "PODLING_ISSUER", value_name = "NAME", default_value = "podling")]
    pub issuer: String,

    /// How long a session token opens its session, once; at most one day
    #[arg(long, env = "PODLING_TOKEN_LIFE", value_name = "DURATION", default_value = "10m", value_parser = token_life)]
    pub token_life: Duration,

    /// An origin from which browsers may call the API beside Podling's own; `*` for any. May be repeated. Default: none
    #[arg(long = "allow-origin", env = "PODLING_ALLOW_ORIGIN", value_name = "ORIGIN", value_delimiter = ',')]
    pub allowed_origins: Vec<String>,

    /// Where to write the operator's API key, mode 0600, when the store has no key yet. Default: `operator.key` in
    /// the data directory
    #[arg(long, env = "PODLING_BOOTSTRAP_KEY_FILE", value_name = "FILE")]
    pub bootstrap_key_file: Option<PathBuf>,

    #[command(flatten)]
    pub proxies: ProxyArgs,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sessions")]
pub struct PolicyArgs {
    /// How long a session may take until its command runs
    #[arg(long, env = "PODLING_START_DEADLINE", value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    pub start_deadline: Duration,

    /// How long a command may run when its session does not say
    #[arg(long, env = "PODLING_DEADLINE", value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    pub deadline: Duration,

    /// The longest deadline that a session may ask for
    #[arg(long, env = "PODLING_MAX_DEADLINE", value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub max_deadline: Duration,

    /// How long nothing may happen in a session that does not say
    #[arg(long, env = "PODLING_IDLE", value_name = "DURATION", default_value = "30m", value_parser = parse_duration)]
    pub idle: Duration,

    /// The longest idle time that a session may ask for
    #[arg(long, env = "PODLING_MAX_IDLE", value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub max_idle: Duration,

    /// The most terminal output that is kept of one session, in bytes; the oldest goes first
    #[arg(long, env = "PODLING_LOG_BYTES", value_name = "BYTES", default_value_t = 1 << 30)]
    pub log_bytes: u64,

    /// The most processor time that a session may ask for, in thousandths of a processor
    #[arg(long, env = "PODLING_MAX_CPU_MILLIS", value_name = "MILLIS", default_value_t = 64_000)]
    pub max_cpu_millis: u32,

    /// The most memory that a session may ask for, in bytes
    #[arg(long, env = "PODLING_MAX_MEMORY_BYTES", value_name = "BYTES", default_value_t = 64 << 30)]
    pub max_memory_bytes: u64,

    /// The most disk that a session may ask for, in bytes
    #[arg(long, env = "PODLING_MAX_DISK_BYTES", value_name = "BYTES", default_value_t = 256 << 30)]
    pub max_disk_bytes: u64,

    /// The most processes and threads that a session may ask for
    #[arg(long, env = "PODLING_MAX_PIDS", value_name = "NUMBER", default_value_t = 32_768)]
    pub max_pids: u32,

    /// How long an ended session, its events and its log are kept
    #[arg(long, env = "PODLING_KEEP_ENDED", value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub keep_ended: Duration,

    /// How long the audit remembers
    #[arg(long, env = "PODLING_KEEP_AUDIT", value_name = "DURATION", default_value = "90days", value_parser = parse_duration)]
    pub keep_audit: Duration,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Quotas")]
pub struct QuotaArgs {
    /// Sessions that one caller may create within a minute. Default: 5, and 60 for `podling up`
    #[arg(long, env = "PODLING_CREATES_PER_MINUTE", value_name = "NUMBER")]
    pub creates_per_minute: Option<NonZeroU32>,

    /// Sessions that one owner may hold at once
    #[arg(long, env = "PODLING_MAX_SESSIONS_PER_OWNER", value_name = "NUMBER", default_value_t = 50)]
    pub max_sessions_per_owner: u32,

    /// Sessions that one tenant may hold at once
    #[arg(long, env = "PODLING_MAX_SESSIONS_PER_TENANT", value_name = "NUMBER", default_value_t = 200)]
    pub max_sessions_per_tenant: u32,

    /// Viewers that one session may have at once
    #[arg(long, env = "PODLING_MAX_VIEWERS", value_name = "NUMBER", default_value_t = 1_000)]
    pub max_viewers: u32,

    /// Logs of ended sessions that may be kept of one owner, in bytes; with more, it creates none
    #[arg(long, env = "PODLING_MAX_STORED_BYTES_PER_OWNER", value_name = "BYTES", default_value_t = 64 << 30)]
    pub max_stored_bytes_per_owner: u64,

    /// The same of all owners of one tenant together, in bytes
    #[arg(long, env = "PODLING_MAX_STORED_BYTES_PER_TENANT", value_name = "BYTES", default_value_t = 256 << 30)]
    pub max_stored_bytes_per_tenant: u64,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Runners")]
pub struct RunnerArgs {
    /// How commands are kept away from this machine. With `none` they run as you, with your files and your network,
    /// and nobody is served without a key
    #[arg(long, env = "PODLING_ISOLATION", value_name = "HOW", default_value = "sandbox")]
    pub isolation: IsolationMode,

    /// Refuse to run a command where less isolation than this can be reached: minimal, reduced or full
    #[arg(long, env = "PODLING_MIN_ISOLATION", value_name = "LEVEL", default_value = "reduced")]
    pub min_isolation: Isolation,

    /// A port of the loopback that commands see, and what the runners connect it to, with egress and without. May be
    /// repeated. Default: none
    #[arg(
        long = "sandbox-forward",
        env = "PODLING_SANDBOX_FORWARD",
        value_name = "PORT=HOST:PORT",
        value_delimiter = ','
    )]
    pub forwards: Vec<Forward>,

    /// Copy what commands say to the runners' own logs, beside what the runners have to say. Default: never
    #[arg(long, env = "PODLING_MIRROR_OUTPUT")]
    pub mirror_output: bool,

    /// How many runners each controller keeps ready before there is a session for them, so that a create need not wait
    /// for a launch; 0 for none
    #[arg(long, env = "PODLING_WARM_RUNNERS", value_name = "NUMBER", default_value_t = 2, value_parser = value_parser!(u32).range(..=MAX_WARM_RUNNERS))]
    pub warm_runners: u32,

    /// How long the installation of a session's dependencies may take. More than the start deadline is of no use
    #[arg(long, env = "PODLING_INSTALL_TIMEOUT", value_name = "DURATION", default_value = "240s", value_parser = parse_duration)]
    pub install_timeout: Duration,

    /// How long a command has between SIGTERM and SIGKILL
    #[arg(long, env = "PODLING_GRACE", value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub grace: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum IsolationMode {
    Sandbox,
    None,
}

impl PolicyArgs {
    pub fn policy(&self) -> Policy {
        let max_limits = Limits {
            cpu_millis: self.max_cpu_millis,
            memory_bytes: self.max_memory_bytes,
            disk_bytes: self.max_disk_bytes,
            pids: self.max_pids,
        };
        Policy {
            default_limits: Limits::default(),
            max_limits,
            start_deadline: self.start_deadline,
            default_deadline: self.deadline,
            max_deadline: self.max_deadline,
            default_idle: self.idle,
            max_idle: self.max_idle,
            log_bytes: self.log_bytes,
        }
    }
}

impl QuotaArgs {
    /// What holds where operators say nothing else, with the policy's maxima.
    pub fn quota(&self, default_creates_per_minute: NonZeroU32, policy: &Policy) -> Quota {
        Quota {
            sessions: self.max_sessions_per_owner,
            tenant_sessions: self.max_sessions_per_tenant,
            creates_per_minute: self.creates_per_minute.unwrap_or(default_creates_per_minute),
            viewers: self.max_viewers,
            stored_bytes: self.max_stored_bytes_per_owner,
            tenant_stored_bytes: self.max_stored_bytes_per_tenant,
            max_deadline: policy.max_deadline,
            max_idle: policy.max_idle,
            max_limits: policy.max_limits,
        }
    }
}

impl RunnerArgs {
    /// Without isolation all sessions share the loopback of the machine, so no port of it can be theirs.
    pub fn has_room_for_forwards(&self) -> bool {
        self.forwards.is_empty() || self.isolation == IsolationMode::Sandbox
    }

    /// The level below which no command runs.
    pub fn lowest_level(&self) -> Isolation {
        match self.isolation {
            IsolationMode::Sandbox => self.min_isolation,
            IsolationMode::None => Isolation::None,
        }
    }
}

/// A token that lives longer than a day would be an identity.
fn token_life(text: &str) -> Result<Duration, String> {
    let life = parse_duration(text).map_err(|error| error.to_string())?;
    let range = Duration::from_secs(1)..=Duration::from_secs(24 * 3_600);
    if range.contains(&life) { Ok(life) } else { Err("a token lives from 1s to 24h".to_owned()) }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Whole {
        #[command(flatten)]
        args: ControllerArgs,
    }

    fn parse(words: &[&str]) -> Result<ControllerArgs, clap::Error> {
        Whole::try_parse_from(["podling"].iter().chain(words)).map(|whole| whole.args)
    }

    #[test]
    fn the_defaults_are_those_of_the_domain() {
        let args = parse(&[]).expect("nothing is required");
        assert_eq!(format!("{:?}", args.policy.policy()), format!("{:?}", Policy::default()));
        assert_eq!(format!("{:?}", args.bundles), format!("{:?}", BundleArgs::default()));
        assert_eq!(args.runners.lowest_level(), Isolation::Reduced);
        let five = NonZeroU32::new(5).expect("not zero");
        let quota = args.quotas.quota(five, &Policy::default());
        assert_eq!((quota.creates_per_minute, quota.sessions, quota.max_idle), (five, 50, Policy::default().max_idle));
    }

    #[test]
    fn a_bad_value_is_refused_before_anything_starts() {
        let check = |name: &str, value: &str| {
            assert!(parse(&[name, value]).is_err(), "{name} {value}");
        };
        check("--token-life", "25h");
        check("--deadline", "soon");
        check("--allow-source", "http://x/");
        check("--allowed-code-domains", "a,,b");
        check("--github-archives", "codeload");
        check("--min-isolation", "some");
        check("--creates-per-minute", "0");
        check("--public-url", "podling");
        check("--warm-runners", "257");
    }

    #[test]
    fn without_a_sandbox_no_level_is_asked_of_it() {
        let forward = parse(&["--sandbox-forward", "80=a:1,81=b:2"]).expect("valid").runners;
        assert!(forward.forwards.len() == 2 && forward.has_room_for_forwards());
        let forward = parse(&["--sandbox-forward", "80=a:1", "--isolation", "none"]).expect("valid").runners;
        assert!(!forward.has_room_for_forwards());
        let args = parse(&["--isolation", "none", "--allow-source", "a:1,b"]).expect("valid");
        assert_eq!(args.runners.lowest_level(), Isolation::None);
        assert_eq!(args.sources.hosts().private.len(), 2);
    }
}
