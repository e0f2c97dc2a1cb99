//! Liveness, readiness and whether to be sent traffic.
//!
//! `/healthz` says by any answer that the process lives (a controller's answer is 503 while its database is down),
//! `/readyz` the truth about each dependency, and `/servez`, which balancers and supervisors probe, is false only before
//! start-up is complete and while draining: a dependency that all replicas share must not take them all out, nor have
//! them restarted.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

/// Where a server is in its own life. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Serving(Arc<AtomicU8>);

const STARTING: u8 = 0;
const SERVING: u8 = 1;
const DRAINING: u8 = 2;

impl Serving {
    pub fn started(&self) {
        let _ = self.0.compare_exchange(STARTING, SERVING, Ordering::Release, Ordering::Relaxed); // Draining stays.
    }

    pub fn drain(&self) {
        self.0.store(DRAINING, Ordering::Release);
    }

    pub fn is_serving(&self) -> bool {
        self.0.load(Ordering::Acquire) == SERVING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_serves_between_start_up_and_drain() {
        let serving = Serving::default();
        assert!(!serving.is_serving());
        serving.started();
        assert!(serving.is_serving());
        serving.drain();
        serving.started();
        assert!(!serving.is_serving());
    }
}
