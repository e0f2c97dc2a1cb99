//! What a runner makes before it knows its session: the sandbox, and in it the last step before the first program, on a
//! terminal of its own. A cold runner makes it while it registers, a warm one while it waits.

use std::{io, os::fd::OwnedFd, sync::Arc, time::Duration};

use podling_session::{forward::Forward, size::WindowSize, spec::Limits};
use tokio::{
    runtime::Handle,
    task::{JoinSet, spawn_blocking},
    time::timeout,
};
use tracing::{error, info, warn};

use crate::{
    forward::Forwards,
    life::Place,
    pty::Pty,
    sandbox::{Sandbox, SandboxError, Settings, Standby},
};

/// How long a runner that is not wanted waits for what it has begun to make.
const DISCARD: Duration = Duration::from_secs(2);

/// The making, under way or done.
pub(crate) struct Early(JoinSet<Result<Ready, SandboxError>>);

/// All of it.
pub(crate) struct Ready {
    pub(crate) sandbox: Arc<Sandbox>,
    /// None when it could not be made: the first program starts like the second.
    pub(crate) first: Option<First>,
    pub(crate) forwards: Forwards,
}

/// What waits for the first program.
pub(crate) struct First {
    pub(crate) pty: Pty,
    /// The program's end, kept open until the program is dead.
    pub(crate) held: OwnedFd,
    pub(crate) standby: Standby,
}

impl Early {
    pub(crate) fn start(place: &Place) -> Early {
        let Place { dir, name, uid, minimum, isolation_none, forwards, .. } = place.clone();
        let settings = Settings { dir, name, uid, minimum, isolation_none, limits: Limits::default() };
        let mut making = JoinSet::new();
        making.spawn_blocking(move || make(settings, &forwards));
        Early(making)
    }

    /// Waits for it.
    ///
    /// # Errors
    /// When there can be no sandbox: nothing may run.
    pub(crate) async fn ready(&mut self) -> Result<Ready, SandboxError> {
        let cut_off = |error| SandboxError::Setup { what: "preparing the sandbox", source: error };
        match self.0.join_next().await {
            Some(Ok(made)) => made,
            Some(Err(error)) => Err(cut_off(io::Error::other(error))),
            None => Err(cut_off(io::Error::other("it was taken before"))),
        }
    }

    /// Removes it, unless it was taken.
    pub(crate) async fn discard(mut self) {
        if self.0.is_empty() {
            return;
        }
        match timeout(DISCARD, self.ready()).await {
            Ok(Ok(Ready { sandbox, first, forwards })) => {
                drop((first, forwards));
                remove(sandbox).await;
            }
            Ok(Err(error)) => warn!(%error, "there was no sandbox"),
            Err(_) => warn!("the sandbox was not made in time; the launcher removes what there is"),
        }
    }
}

/// Makes it on a thread of its own: the runtime's only one registers meanwhile. Blocks.
fn make(settings: Settings, forwards: &[Forward]) -> Result<Ready, SandboxError> {
    let sandbox = Arc::new(Sandbox::prepare(settings)?);
    let making = async {
        // Most sessions want it, and to take it away again is quicker.
        let connecting = sandbox.connect();
        tokio::join!(First::make(&sandbox), connecting, Forwards::start(&sandbox, forwards))
    };
    let (first, connected, forwards) = Handle::current().block_on(making);
    let first = first.inspect_err(|error| warn!(%error, "the first program has to wait for its sandbox")).ok();
    if let Err(error) = connected {
        info!(%error, "sessions cannot have egress: {error}");
    }
    Ok(Ready { sandbox, first, forwards: forwards? })
}

impl First {
    async fn make(sandbox: &Sandbox) -> Result<First, SandboxError> {
        let failed = |error| SandboxError::Setup { what: "opening a terminal", source: error };
        let (pty, tty) = Pty::open(WindowSize::DEFAULT).map_err(failed)?;
        let held = tty.try_clone().map_err(failed)?;
        let standby = sandbox.stand_by(tty).await?;
        Ok(First { pty, held, standby })
    }
}

/// Removes a sandbox that nobody uses any more.
pub(crate) async fn remove(sandbox: Arc<Sandbox>) {
    let Some(sandbox) = Arc::into_inner(sandbox) else { return error!("the sandbox is still in use") };
    let removed = spawn_blocking(move || sandbox.remove()).await;
    if let Err(error) = removed.map_err(io::Error::other).flatten() {
        warn!(%error, "the sandbox could not be removed; the launcher will");
    }
}
