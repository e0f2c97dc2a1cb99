//! What this gateway says of itself to a controller, every second, and the order to drain, which comes back with the answer.

use std::{sync::Arc, time::Duration};

use podling_proto::control::{GatewayOrder, GatewayReport, gateways_client::GatewaysClient};
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval, sleep, timeout},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tracing::{debug, info};
use uuid::Uuid;

use crate::{Inner, controller::ANSWER_TIMEOUT};

const EVERY: Duration = Duration::from_secs(1);
/// After a stream that broke; another controller may be there already.
const PAUSE: Duration = Duration::from_millis(500);

/// How a gateway is told from others.
#[derive(Clone, Debug)]
pub struct Name {
    id: String,
    address: String,
    embedded: bool,
}

impl Name {
    /// A process of its own.
    pub fn at(address: impl ToString) -> Name {
        Name { id: Uuid::now_v7().to_string(), address: address.to_string(), embedded: false }
    }

    /// One that is in the controller's process, and ends with it.
    pub fn embedded(address: impl ToString) -> Name {
        Name { embedded: true, ..Name::at(address) }
    }
}

/// Reports until a controller says that the gateway is to drain.
pub(crate) async fn until_drained(gateway: &Arc<Inner>, name: &Name) {
    loop {
        match report(gateway, name).await {
            Ok(()) => {
                info!("an operator has this gateway drain");
                return;
            }
            Err(status) => debug!(code = ?status.code(), "the controller does not hear of this gateway"),
        }
        sleep(PAUSE).await;
    }
}

async fn report(gateway: &Arc<Inner>, name: &Name) -> Result<(), Status> {
    // One report is under way at a time.
    let (reports, sent) = mpsc::channel(1);
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut orders: Option<Streaming<GatewayOrder>> = None;
    let mut sent = Some(sent);
    loop {
        ticks.tick().await;
        if reports.send(now(gateway, name)).await.is_err() {
            return Err(Status::unavailable("the stream has ended"));
        }
        let answered = async {
            if let Some(sent) = sent.take() {
                let mut client = GatewaysClient::new(gateway.controller.channel());
                let call = gateway.controller.authorized(ReceiverStream::new(sent));
                orders = Some(client.watch(call).await?.into_inner());
            }
            match &mut orders {
                Some(orders) => orders.message().await,
                None => Ok(None),
            }
        };
        let late = |_| Status::unavailable("no answer in time");
        match timeout(ANSWER_TIMEOUT, answered).await.map_err(late)?? {
            Some(GatewayOrder { drain: true }) => return Ok(()),
            Some(GatewayOrder { drain: false }) => {}
            None => return Err(Status::unavailable("the stream has ended")),
        }
    }
}

fn now(gateway: &Inner, name: &Name) -> GatewayReport {
    GatewayReport {
        id: name.id.clone(),
        address: name.address.clone(),
        viewers: u32::try_from(gateway.sockets.len()).unwrap_or(u32::MAX),
        draining: gateway.draining.is_cancelled(),
        embedded: name.embedded,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
