//! What operators say.

use std::{path::PathBuf, time::Duration};

use clap::Subcommand;
use humantime::parse_duration;
use podling_proto::channel::Address;
use secrecy::SecretString;

#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) place: Place,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Where the admin service is, and who asks.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Place {
    /// Where the admin service is, as `https://host:port`. Default: told by the data directory of a `podling up` on this
    /// machine
    #[arg(long, env = "PODLING_ADMIN", value_name = "URL", global = true, requires = "admin_ca")]
    pub(super) admin: Option<Address>,

    /// The authority that signed the certificate of the admin service, in PEM
    #[arg(long, env = "PODLING_ADMIN_CA", value_name = "FILE", global = true)]
    pub(super) admin_ca: Option<PathBuf>,

    /// Your own certificate, in PEM, where the admin service asks for one
    #[arg(long, env = "PODLING_ADMIN_CERT", value_name = "FILE", global = true, requires = "admin_key")]
    pub(super) admin_cert: Option<PathBuf>,

    /// The key of your certificate, in PEM
    #[arg(long, env = "PODLING_ADMIN_KEY", value_name = "FILE", global = true, requires = "admin_cert")]
    pub(super) admin_key: Option<PathBuf>,

    /// The data directory of a `podling up` on this machine. Default: `podling` in the user's data directory
    #[arg(long, env = "PODLING_DATA_DIR", value_name = "DIRECTORY", global = true)]
    pub(super) data_dir: Option<PathBuf>,

    /// A file with an operator's API key; the key itself can be in PODLING_API_KEY. Default: `operator.key` in the data
    /// directory
    #[arg(long, env = "PODLING_API_KEY_FILE", value_name = "FILE", global = true)]
    pub(super) api_key_file: Option<PathBuf>,

    /// From the environment alone: arguments are everybody's to read.
    #[arg(long = "admin-api-key", env = "PODLING_API_KEY", hide = true, hide_env_values = true, global = true)]
    pub(super) admin_api_key: Option<SecretString>,

    /// Answer in JSON, for programs: one object a line
    #[arg(long, global = true)]
    pub(super) json: bool,

    #[arg(long, env = "HOME", hide = true)]
    pub(super) home: Option<PathBuf>,
    #[arg(long, env = "XDG_DATA_HOME", hide = true)]
    pub(super) xdg_data_home: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// List sessions of all tenants, the youngest first
    Sessions(SessionsArgs),
    /// Show a session
    Show { uid: String },
    /// End a session
    Kill {
        uid: String,
        /// A sentence for its owner
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Tell what happened to sessions
    Events(EventsArgs),
    /// Make, list, rotate and revoke API keys
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Tell and set what a tenant or an owner may use
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Make the next key that signs session tokens
    RotateKeys,
    /// List gateways
    Gateways,
    /// Have a gateway send its viewers elsewhere and end
    Drain { id: String },
    /// Count everything
    Stats,
    /// Enforce deadlines and prune what is due, now
    Sweep,
    /// Tell who did what, and what was refused; with --json as JSON lines, to be kept elsewhere
    Audit(AuditArgs),
}

#[derive(clap::Args)]
pub(super) struct SessionsArgs {
    #[arg(long)]
    pub(super) tenant: Option<String>,
    #[arg(long)]
    pub(super) subject: Option<String>,
    /// pending, starting, running, asleep or ended
    #[arg(long)]
    pub(super) phase: Option<String>,
    /// KEY=VALUE. May be repeated; all must match
    #[arg(long, value_name = "KEY=VALUE", value_parser = label)]
    pub(super) label: Vec<(String, String)>,
    /// The owner's name for it
    #[arg(long)]
    pub(super) name: Option<String>,
    /// Those that their owners have deleted, too
    #[arg(long)]
    pub(super) deleted: bool,
}

#[derive(clap::Args)]
pub(super) struct EventsArgs {
    /// The cursor of the last event that is known. Default: from the oldest that is kept
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
    /// Of this session alone
    #[arg(long, value_name = "UID")]
    pub(super) session: Option<String>,
    /// Go on with what happens from now on
    #[arg(long, short)]
    pub(super) follow: bool,
}

#[derive(clap::Args)]
pub(super) struct AuditArgs {
    /// Such as session.create
    #[arg(long)]
    pub(super) action: Option<String>,
    /// done or refused
    #[arg(long)]
    pub(super) outcome: Option<String>,
    #[arg(long)]
    pub(super) tenant: Option<String>,
    #[arg(long)]
    pub(super) subject: Option<String>,
    #[arg(long, value_name = "UID")]
    pub(super) session: Option<String>,
    /// Not longer ago than this
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) since: Option<Duration>,
    /// The cursor of the last record that is known
    #[arg(long, value_name = "CURSOR")]
    pub(super) after: Option<String>,
    /// Go on with what comes from now on
    #[arg(long, short)]
    pub(super) follow: bool,
}

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key. Its secret is told once
    Create {
        /// `{issuer}:{claim|user}:{value}`
        tenant: String,
        /// Whose sessions are the key's. Default: the key's own
        #[arg(long)]
        subject: Option<String>,
        /// user, tenant-admin or operator
        #[arg(long, default_value = "user")]
        role: String,
        /// sessions:read, sessions:write or admin. May be repeated. Default: all that the role may do
        #[arg(long)]
        scope: Vec<String>,
        /// What people call it
        #[arg(long, default_value = "")]
        name: String,
        /// Default: for ever
        #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
        life: Option<Duration>,
    },
    /// List keys
    List {
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Give a key another secret
    Rotate {
        id: String,
        /// How long the present secret stays good
        #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
        overlap: Duration,
    },
    /// Have a key open nothing from now on
    Revoke { id: String },
}

#[derive(Subcommand)]
pub(super) enum QuotaCommand {
    /// What is said of a tenant or an owner, and what holds
    Get(QuotaOf),
    /// Say it in place of all that was said before; with nothing said the defaults hold again
    Set(Box<QuotaSet>),
}

#[derive(clap::Args)]
pub(super) struct QuotaOf {
    /// `{issuer}:{claim|user}:{value}`
    pub(super) tenant: String,
    /// One owner in the tenant
    #[arg(long)]
    pub(super) subject: Option<String>,
}

#[derive(clap::Args)]
pub(super) struct QuotaSet {
    #[command(flatten)]
    pub(super) of: QuotaOf,
    /// Sessions that one owner may hold at once
    #[arg(long)]
    pub(super) sessions: Option<u32>,
    /// Sessions that all owners of the tenant may hold together
    #[arg(long)]
    pub(super) tenant_sessions: Option<u32>,
    #[arg(long)]
    pub(super) creates_per_minute: Option<u32>,
    /// Viewers that one session may have at once
    #[arg(long)]
    pub(super) viewers: Option<u32>,
    /// Logs of ended sessions that are kept of one owner
    #[arg(long)]
    pub(super) stored_bytes: Option<u64>,
    #[arg(long)]
    pub(super) tenant_stored_bytes: Option<u64>,
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) max_deadline: Option<Duration>,
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(super) max_idle: Option<Duration>,
    #[arg(long)]
    pub(super) max_cpu_millis: Option<u32>,
    #[arg(long)]
    pub(super) max_memory_bytes: Option<u64>,
    #[arg(long)]
    pub(super) max_disk_bytes: Option<u64>,
    #[arg(long)]
    pub(super) max_pids: Option<u32>,
}

fn label(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a label has the form KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}
