//! What operators see of a deployment: every session, how many there are of everything, and its gateways.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;

use crate::{
    id::Uid,
    store::{Page, StoreError},
};

/// Which sessions of all tenants; all that is given must match.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub tenant: Option<String>,
    pub subject: Option<String>,
    /// A phase's name.
    pub phase: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// The owner's name for it.
    pub id: Option<String>,
    /// Those that their owners have deleted, too.
    pub deleted: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By the name of the phase; those of no session are not in it.
    pub sessions: BTreeMap<String, u64>,
    pub held: u64,
    /// Of sessions that have not ended.
    pub viewers: u64,
    /// Who have a session that is not pruned.
    pub tenants: u64,
    /// Runners of the pool that nobody has claimed.
    pub warm_runners: u64,
}

/// What a gateway says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayReport {
    /// Made at its start; 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub id: String,
    pub address: String,
    pub viewers: u32,
    pub draining: bool,
    /// It is one process with its controller.
    pub embedded: bool,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayRow {
    pub report: GatewayReport,
    /// The first report.
    pub started_at: Timestamp,
    /// The last one.
    pub seen_at: Timestamp,
    /// When it was told to drain.
    pub drain_ordered_at: Option<Timestamp>,
}

#[async_trait]
pub trait OperatorStore: Send + Sync {
    /// At most `limit` sessions older than `after`, the youngest first.
    async fn all_sessions(&self, wanted: &Wanted, after: Option<Uid>, limit: u32) -> Result<Page, StoreError>;

    async fn counts(&self) -> Result<Counts, StoreError>;

    /// Writes what a gateway says of itself. Whether it is to drain.
    async fn gateway_reports(&self, report: &GatewayReport) -> Result<bool, StoreError>;

    /// Those that reported within that time, in the order of their start.
    async fn gateways(&self, within: Duration) -> Result<Vec<GatewayRow>, StoreError>;

    /// Tells a gateway that reported within that time to drain; told again it stays so. `None` when there is none.
    async fn drain_gateway(&self, id: &str, within: Duration) -> Result<Option<GatewayRow>, StoreError>;
}
