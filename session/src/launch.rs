//! The seam of the launcher: starts and stops the runners of incarnations.

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{
    id::{LaunchName, RunnerId},
    phase::EndReason,
    spec::Limits,
};

/// What a launcher is told. Spec, environment and secrets of the session are not in it: a runner gets those in Assign.
#[derive(Clone, Debug)]
pub struct Launch {
    pub name: LaunchName,
    pub runner: RunnerId,
    /// Proves the runner's id to Register. Derived, so that every attempt hands out the same.
    pub secret: SecretString,
    /// Of the session, or of most sessions when the runner is to be warm. What a command may use up comes with Assign.
    pub limits: Limits,
}

#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// Trying again later may help.
    #[error("the launcher is unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It will never start like this; the session ends with this reason and sentence.
    #[error("the launch was refused: {detail}")]
    Refused { reason: EndReason, detail: String },
}

/// What a launcher holds for one launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Launched {
    pub name: LaunchName,
    pub state: LaunchState,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LaunchState {
    /// A process or pod may still act for the incarnation.
    Alive,
    /// Its death is confirmed. What it leaves behind is still there.
    Dead {
        /// The runner process's own exit code, where known.
        exit_code: Option<i32>,
    },
}

#[async_trait]
pub trait Launcher: Send + Sync {
    /// Starts the runner; "already exists" is success. Returns when the runner is certain to be listed.
    async fn launch(&self, launch: &Launch) -> Result<(), LaunchError>;

    /// How long a start is waited for before another begins in its place: none where runners have machines of their own,
    /// a little where many that share processors would all be slow.
    fn startup(&self) -> Duration {
        Duration::ZERO
    }

    /// Asks the runner to end and, after `grace`, makes it. Returns at once; repeated calls shorten the grace at most.
    async fn stop(&self, name: &LaunchName, grace: Duration) -> Result<(), LaunchError>;

    /// Removes what a dead runner left: directories, cgroups, the Job. Success when nothing is left, or never was;
    /// `false` while it is still alive.
    async fn remove(&self, name: &LaunchName) -> Result<bool, LaunchError>;

    /// Everything that `remove` has not removed.
    async fn list(&self) -> Result<Vec<Launched>, LaunchError>;

    /// Whether the runner of a launch has taken its assignment, so that its command may have begun. `true` in doubt.
    async fn was_assigned(&self, name: &LaunchName) -> Result<bool, LaunchError>;

    /// Returns when some runner may have died since the last call. A hint only: `list` is the truth.
    async fn changed(&self);
}
