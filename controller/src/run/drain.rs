//! The end of a controller: of one that is alone it is the end of its sessions, too; of one of several it is not.

use std::time::Duration;

use podling_session::{
    launch::Launcher,
    phase::{End, EndReason},
    store::Held,
};
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use super::Controller;
use crate::work::SETTLE;

/// What the release of the last session may take once its runner has had its grace: cgroups, directories, rows.
const RELEASE: Duration = Duration::from_secs(5);
/// How often the drain looks again when nothing woke it.
const DRAIN_POLL: Duration = Duration::from_millis(100);

impl Controller {
    /// Ends every session as `stopped` when no other controller has them, and waits until nothing is left of their runners
    /// and of those in the pool: at most the grace of commands and a few seconds. Sessions that others have go on, and
    /// their runners connect to those others once the doors are closed.
    pub async fn drain(&self) {
        self.serving.drain();
        if !self.core.settings.alone {
            self.cut.cancel(); // Who follows a session that goes on would hold us up; with the other it goes on.
        }
        let deadline = Instant::now() + self.core.settings.grace + SETTLE + RELEASE;
        let all = async {
            match self.core.settings.alone {
                true => tokio::try_join!(self.release_all(), self.pool.drain()).map(|_| ()),
                false => self.pool.drain().await,
            }
        };
        match timeout_at(deadline, all).await {
            Ok(Ok(())) => info!("every session of this controller alone was ended and released"),
            Ok(Err(error)) => {
                warn!(%error, "the drain could not be finished; the next start goes on with what is left")
            }
            Err(_) => warn!("some runners did not end in time; the next start goes on with them"),
        }
    }

    async fn release_all(&self) -> anyhow::Result<()> {
        let system = self.core.system.as_ref();
        let end = End { detail: "Podling was shut down.".to_owned(), ..End::because(EndReason::Stopped) };
        for Held { life, launch, .. } in system.held().await? {
            // One that had ended before may still serve viewers, for longer than we wait.
            if !system.end(life, &end).await? {
                self.launcher.stop(&launch, self.core.settings.grace + SETTLE).await?;
            }
        }
        loop {
            let changed = system.changed(); // Before the look: a change in between is not lost.
            let held = system.held().await?;
            if held.is_empty() {
                return Ok(());
            }
            for Held { life, .. } in held {
                system.end(life, &end).await?; // Of one that was created since, too.
            }
            tokio::select! {
                () = changed => {}
                () = sleep(DRAIN_POLL) => {}
            }
        }
    }
}
