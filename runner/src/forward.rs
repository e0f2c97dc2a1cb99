//! What a deployment lets sandboxes reach by name: listeners on their loopback, from which the runner connects on.

use std::{io, sync::Arc, time::Duration};

use podling_session::forward::Forward;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tracing::{debug, warn};

use crate::{
    pump::pump,
    sandbox::{Sandbox, SandboxError},
};

/// Connections of one session to one target, at once. Who comes beyond waits in the listener's queue.
const CONNECTIONS: usize = 128;
const CONNECT: Duration = Duration::from_secs(10);
/// Longer than models think.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// Before the next try, when the runner has no descriptor left for a connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves forwards as long as it lives.
#[derive(Debug, Default)]
pub(crate) struct Forwards {
    _servers: JoinSet<()>,
}

impl Forwards {
    /// Listens for all of them. Within a runtime that outlives the session.
    pub(crate) async fn start(sandbox: &Sandbox, forwards: &[Forward]) -> Result<Forwards, SandboxError> {
        let mut servers = JoinSet::new();
        for forward in forwards {
            let listener = sandbox.listen(forward.port).await?;
            servers.spawn(serve(listener, forward.clone()));
        }
        Ok(Forwards { _servers: servers })
    }
}

async fn serve(listener: TcpListener, forward: Forward) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((caller, _)) => {
                let forward = forward.clone();
                connections.spawn(async move {
                    if let Err(error) = pass_on(caller, &forward).await {
                        debug!(%error, "a connection by sandbox forward {forward} ended: {error}");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                warn!(%error, "sandbox forward {forward} takes no connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn pass_on(caller: TcpStream, forward: &Forward) -> io::Result<()> {
    let target = (forward.host.to_string(), forward.host_port);
    let connected = timeout(CONNECT, TcpStream::connect((target.0.trim_matches(['[', ']']), target.1))).await;
    let connected = connected.map_err(io::Error::from).flatten().inspect_err(|error| {
        warn!(%error, "sandbox forward {forward} cannot connect: {error}");
    })?;
    pump(caller, connected, IDLE).await
}
