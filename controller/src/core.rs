//! What the controller's doors and verbs share.

use std::{sync::Arc, time::Duration};

use podling_session::{
    code_hosts::CodeHosts,
    launch::Launcher,
    limit::RateLimiter,
    operator::OperatorStore,
    quota::Quota,
    share::ShareStore,
    sign::Signer,
    spec::Policy,
    store::{PrincipalStore, SessionStore, SystemStore},
};
use url::Url;

use crate::{
    audit::Audit,
    beats::Beats,
    bundles::Bundles,
    clock::StoreClock,
    grpc::{orders::Orders, seats::Seats},
    identity::Identity,
    logs::Logs,
    quotas::Quotas,
    seal::Seal,
};

/// The composition of one controller. Cheap to share: clones point to the same.
#[derive(Clone)]
pub struct Core {
    pub sessions: Arc<dyn SessionStore>,
    pub system: Arc<dyn SystemStore>,
    pub principals: Arc<dyn PrincipalStore>,
    pub shares: Arc<dyn ShareStore>,
    pub identity: Arc<Identity>,
    pub quotas: Arc<Quotas>,
    pub operator: Arc<dyn OperatorStore>,
    pub signer: Arc<dyn Signer>,
    pub limiter: Arc<dyn RateLimiter>,
    pub launcher: Arc<dyn Launcher>,
    pub seal: Arc<Seal>,
    pub logs: Arc<Logs>,
    pub bundles: Bundles,
    /// The control streams of runners that are open here.
    pub orders: Arc<Orders>,
    /// Who watches stored logs here.
    pub seats: Arc<Seats>,
    /// The heartbeats that came in here and are to be stored.
    pub beats: Arc<Beats>,
    /// Who did what, and what was refused.
    pub audit: Arc<Audit>,
    /// The time that grants and runners are told.
    pub clock: Arc<StoreClock>,
    pub settings: Arc<Settings>,
}

/// What operators chose and every part reads.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `iss` of session tokens.
    pub issuer: String,
    /// Where browsers reach us; the front of `terminalUrl`. Without a trailing slash.
    pub public_url: Url,
    pub policy: Policy,
    /// The life of a session token.
    pub token_life: Duration,
    /// How long the row, events and log of an ended session are kept.
    pub keep_ended: Duration,
    /// What owners may use of whom operators say nothing else.
    pub quota: Quota,
    /// Runners that are kept ready for sessions to come.
    pub warm_runners: usize,
    /// How long a command has between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// The hosts that sources may come from.
    pub code_hosts: CodeHosts,
    /// Who is served without a key: the local owner, on a loopback-only bind.
    pub local_owner: bool,
    /// Origins that browsers may call from beside our own; `*` for any.
    pub allowed_origins: Vec<String>,
    /// Proxies of the operator's own that every request passes.
    pub trusted_hops: u8,
    /// No other controller has this store: what nobody looks after here, nobody looks after.
    pub alone: bool,
}
