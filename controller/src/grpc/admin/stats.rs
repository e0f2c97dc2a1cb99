//! How much there is of everything, and the sweep on demand.

use podling_proto::admin::{StatsResponse, SweepResponse};

use super::{error::Error, gateways::SILENCE};
use crate::{core::Core, reaper};

pub(super) async fn stats(core: &Core) -> Result<StatsResponse, Error> {
    let counts = core.operator.counts().await?;
    let gateways = core.operator.gateways(SILENCE).await?.len();
    Ok(StatsResponse {
        sessions: counts.sessions.into_iter().collect(),
        held: counts.held,
        viewers: counts.viewers,
        tenants: counts.tenants,
        warm_runners: counts.warm_runners,
        gateways: gateways.try_into().unwrap_or(u64::MAX),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

pub(super) async fn sweep(core: &Core) -> Result<SweepResponse, Error> {
    let swept = reaper::sweep(core).await?;
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Ok(SweepResponse { ended: count(swept.ended.len()), pruned: count(swept.pruned.len()) })
}
