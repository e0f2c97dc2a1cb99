//! The rotation of signing keys: by order of an operator, by SIGHUP, and by the clock.

use std::{io, time::Duration};

use jiff::Timestamp;
use podling_daemon::shutdown::{Signal, Signals};
use podling_session::{
    audit::{Action, Entry},
    sign::{NextKey, Unavailable},
};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};
use uuid::Uuid;

use crate::core::Core;

/// Of the lead of a key, how much may pass until a controller that is asked for nothing sees it: with the third that others
/// keep its answers, still before the key signs.
const LOOKS_PER_LEAD: u32 = 4;
/// Nobody waits for a look; a Cloud KMS that takes longer is down.
const LOOK: Duration = Duration::from_secs(30);
/// A key at Cloud KMS is made within seconds, but it makes no promise.
const MAKE: Duration = Duration::from_secs(90);
/// The lease under which one controller turns the keys by the clock.
const LEASE: &str = "signing-keys";
const LEASE_SPAN: Duration = Duration::from_secs(120);

/// Makes the next signing key. It is published when this returns, and signs later; see [`NextKey`]. While one waits for
/// its turn, that one is the answer.
///
/// # Errors
/// When the keys cannot be seen or no key can be made. Nothing has changed then, or the next look shows it.
pub async fn rotate(core: &Core) -> Result<NextKey, Unavailable> {
    let made = timeout(MAKE, core.signer.rotate()).await;
    let next = made.unwrap_or_else(|_| Err(Unavailable("the signer does not answer".into())))?;
    core.audit.record(Entry::done(Action::SigningKeysRotate).detail(&next.kid));
    Ok(next)
}

/// Rotates the keys at every SIGHUP, until another signal ends the process.
///
/// # Errors
/// When the process cannot listen for signals at all.
pub async fn until_terminated(core: &Core) -> io::Result<()> {
    let mut signals = Signals::listen()?;
    while signals.next().await == Signal::Hangup {
        if let Err(error) = rotate(core).await {
            error!(error = &error as &dyn std::error::Error, "the signing keys could not be rotated");
        }
    }
    Ok(())
}

/// Looks at the keys, so that those of other controllers are known in time, and makes the next one when it is due, until
/// `stop`.
pub async fn run(core: Core, every: Option<Duration>, lead: Duration, stop: CancellationToken) {
    let mut ticks = interval(lead / LOOKS_PER_LEAD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let holder = Uuid::new_v4().to_string();
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        let turn = async {
            look(&core).await;
            if every.is_some_and(|every| is_due(core.signer.newest_made_at(), every, Timestamp::now())) {
                turn(&core, &holder).await;
            }
        };
        if stop.run_until_cancelled(turn).await.is_none() {
            return;
        }
    }
}

async fn look(core: &Core) {
    match timeout(LOOK, core.signer.refresh()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(error = &error as &dyn std::error::Error, "the signing keys could not be looked at"),
        Err(_) => warn!("the signing keys could not be looked at in time"),
    }
}

async fn turn(core: &Core, holder: &str) {
    let leads = core.system.lead(LEASE, holder, LEASE_SPAN).await;
    let outcome = match leads {
        Ok(true) => rotate(core).await.map(drop),
        Ok(false) => Ok(()),
        Err(error) => Err(Unavailable(error.into())),
    };
    if let Err(error) = outcome {
        warn!(error = &error as &dyn std::error::Error, "the signing keys could not be rotated by the clock");
    }
}

fn is_due(made_at: Timestamp, every: Duration, now: Timestamp) -> bool {
    let age = now.duration_since(made_at);
    u128::try_from(age.as_millis()).is_ok_and(|age| age >= every.as_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_due_when_it_is_old_enough_and_not_when_a_clock_went_back() {
        let at = |second: i64| Timestamp::from_second(second).expect("a small second");
        let hour = Duration::from_secs(3_600);
        assert!(!is_due(at(0), hour, at(3_599)));
        assert!(is_due(at(0), hour, at(3_600)));
        assert!(!is_due(at(5_000), hour, at(0)));
    }
}
