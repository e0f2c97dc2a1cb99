//! How many viewers are being admitted, attached and refused at once: what is more is refused before it costs memory.

use std::sync::Arc;

use podling_daemon::turnstile::{Pass, Turnstile};
use podling_session::refusal::Refusal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{Limits, attach::Capability};

/// Who waits for a turn: as many as connections that have not been upgraded, so the server bounds them already.
const QUEUE: usize = 2_048;

pub(crate) struct Crowd {
    fresh: Turnstile,
    returning: Turnstile,
    refusing: Arc<Semaphore>,
    max_sockets: usize,
}

impl Crowd {
    pub(crate) fn new(limits: &Limits) -> Crowd {
        let turnstile = || Turnstile::new(limits.max_attaching, QUEUE, limits.attach_patience);
        Crowd {
            fresh: turnstile(),
            returning: turnstile(),
            refusing: Arc::new(Semaphore::new(limits.max_refusing)),
            max_sockets: limits.max_sockets,
        }
    }

    /// A turn to be admitted, until it is dropped.
    pub(crate) async fn enter(&self, capability: &Capability, sockets: usize) -> Result<Pass, Refusal> {
        let turnstile = match capability {
            Capability::Session { .. } => &self.fresh,
            Capability::Resume { .. } => &self.returning,
        };
        let pass = match sockets < self.max_sockets {
            true => turnstile.enter().await,
            false => None,
        };
        if pass.is_none() {
            metrics::counter!("podling_shed_total", "what" => "attach").increment(1);
        }
        pass.ok_or(Refusal::Unavailable)
    }

    /// A socket on which to say why, until it is dropped; none when too many others are being told.
    pub(crate) fn may_refuse(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.refusing).try_acquire_owned().ok()
    }
}
