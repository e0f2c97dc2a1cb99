//! What gateways say of themselves, and what is wanted of them.

use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt};
use podling_proto::control::{GatewayOrder, GatewayReport};
use podling_session::operator;
use tokio::time::timeout;
use tonic::{Status, Streaming};

use super::error::Error;
use crate::core::Core;

/// A gateway reports every second. One that says nothing for so long comes back on another stream.
const SILENCE: Duration = Duration::from_secs(30);

/// An order for each report.
pub(super) fn answer(
    core: Core,
    reports: Streaming<GatewayReport>,
) -> BoxStream<'static, Result<GatewayOrder, Status>> {
    stream::unfold(Some((core, reports)), |state| async move {
        let (core, mut reports) = state?;
        let Ok(Ok(Some(report))) = timeout(SILENCE, reports.message()).await else { return None };
        match order(&core, report).await {
            Ok(order) => Some((Ok(order), Some((core, reports)))),
            Err(error) => Some((Err(error.into()), None)),
        }
    })
    .boxed()
}

async fn order(core: &Core, report: GatewayReport) -> Result<GatewayOrder, Error> {
    let report = checked(report).ok_or(Error::Report)?;
    Ok(GatewayOrder { drain: core.operator.gateway_reports(&report).await? })
}

fn checked(report: GatewayReport) -> Option<operator::GatewayReport> {
    let GatewayReport { id, address, viewers, draining, embedded, version } = report;
    let named =
        (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    let sound = named && address.len() <= 128 && version.len() <= 64;
    sound.then_some(operator::GatewayReport { id, address, viewers, draining, embedded, version })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_names_its_gateway_in_short_words() {
        let check = |id: &str, address: &str, sound: bool| {
            let report = GatewayReport { id: id.into(), address: address.into(), ..GatewayReport::default() };
            assert_eq!(checked(report).is_some(), sound, "{id} {address}");
        };
        check("0190-a_B", "127.0.0.1:80", true);
        check("", "a", false);
        check("a b", "a", false);
        check(&"x".repeat(65), "a", false);
        check("a", &"x".repeat(129), false);
    }
}
