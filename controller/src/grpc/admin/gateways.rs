//! Gateways that report, and the order to drain, which reaches a gateway through whichever controller it reports to.

use std::time::Duration;

use podling_proto::admin::{self, ListGatewaysResponse};
use podling_session::{
    audit::{Action, Entry},
    operator::GatewayRow,
};
use tracing::info;

use super::{error::Error, view};
use crate::core::Core;

/// A gateway reports every second; one that was silent for longer is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(10);

pub(super) async fn list(core: &Core) -> Result<ListGatewaysResponse, Error> {
    let gateways = core.operator.gateways(SILENCE).await?;
    Ok(ListGatewaysResponse { gateways: gateways.into_iter().map(view::gateway).collect() })
}

pub(super) async fn drain(core: &Core, id: &str) -> Result<admin::Gateway, Error> {
    let Some(gateway) = core.operator.drain_gateway(id, SILENCE).await? else {
        return Err(why_not(id, &core.operator.gateways(SILENCE).await?));
    };
    info!("gateway {} is told to drain", gateway.report.id);
    core.audit.record(Entry::done(Action::GatewayDrain).detail(id));
    Ok(view::gateway(gateway))
}

fn why_not(id: &str, gateways: &[GatewayRow]) -> Error {
    match gateways.iter().any(|gateway| gateway.report.id == id) {
        true => Error::Precondition("the gateway is one process with its controller: end that in place of it"),
        false => Error::NotFound("gateway"),
    }
}
