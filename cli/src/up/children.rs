//! The services of `podling up` as processes of their own: started, started again when they die, ended in order.

use std::{ffi::OsString, net::SocketAddr, process::Stdio, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::front::Backends;

/// How long a service may take to say where it listens: those that start at once wait for each other.
const START: Duration = Duration::from_secs(60);
/// How long a service may take to end once it was told to: its own drain has limits below this.
const END: Duration = Duration::from_secs(40);
/// How long a service has to live to be started again at once.
const STEADY: Duration = Duration::from_secs(10);
/// How long one that died sooner is left dead.
const PAUSE: Duration = Duration::from_secs(1);

/// How one kind of service is started.
pub(super) struct Kind {
    /// The hidden subcommand.
    pub(super) name: &'static str,
    pub(super) arguments: Vec<OsString>,
    pub(super) environment: Vec<(OsString, OsString)>,
    pub(super) backends: Arc<Backends>,
}

/// The running services of one kind.
pub(super) struct Children {
    name: &'static str,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    hangups: watch::Sender<()>,
}

impl Children {
    /// Starts so many, and returns when each serves.
    ///
    /// # Errors
    /// When one does not.
    pub(super) async fn start(kind: Kind, count: u32) -> anyhow::Result<Children> {
        let (kind, stop, mut starting) = (Arc::new(kind), CancellationToken::new(), JoinSet::new());
        for number in 0..count as usize {
            let kind = Arc::clone(&kind);
            starting.spawn(async move { (number, kind.start(number).await) });
        }
        let mut children = Children { name: kind.name, tasks: JoinSet::new(), stop, hangups: watch::Sender::new(()) };
        for (number, started) in starting.join_all().await {
            let child = started.with_context(|| format!("{} {} does not start", kind.name, number + 1))?;
            let hangups = children.hangups.subscribe();
            children.tasks.spawn(keep(Arc::clone(&kind), number, child, children.stop.clone(), hangups));
        }
        Ok(children)
    }

    /// Sends each a SIGHUP.
    pub(super) fn hang_up(&self) {
        self.hangups.send_replace(());
    }

    /// Tells them all to end, and waits until they have.
    pub(super) async fn end(mut self) {
        self.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
        info!("every {} has ended", self.name);
    }
}

/// Starts a service again whenever it ends, until `stop`.
async fn keep(
    kind: Arc<Kind>,
    number: usize,
    mut child: Child,
    stop: CancellationToken,
    mut hangups: watch::Receiver<()>,
) {
    loop {
        let began = Instant::now();
        let ended = loop {
            tokio::select! {
                ended = child.wait() => break ended,
                () = stop.cancelled() => return end(&kind, number, child).await,
                Ok(()) = hangups.changed() => tell(&kind, number, &child, Signal::HUP),
            }
        };
        kind.backends.remove(number);
        warn!(?ended, "{} {} ended by itself and is started again", kind.name, number + 1);
        child = loop {
            if began.elapsed() < STEADY && stop.run_until_cancelled(sleep(PAUSE)).await.is_none() {
                return;
            }
            match stop.run_until_cancelled(kind.start(number)).await {
                Some(Ok(child)) => break child,
                Some(Err(error)) => {
                    error!("{} {} does not start: {error:#}", kind.name, number + 1);
                    sleep(PAUSE).await;
                }
                None => return,
            }
        };
    }
}

async fn end(kind: &Kind, number: usize, mut child: Child) {
    tell(kind, number, &child, Signal::TERM);
    if timeout(END, child.wait()).await.is_err() {
        warn!("{} {} did not end in time and is killed", kind.name, number + 1);
        let _ = child.kill().await; // Or it has ended at this moment.
    }
    kind.backends.remove(number);
}

fn tell(kind: &Kind, number: usize, child: &Child, signal: Signal) {
    // One without an id has ended, and was waited for.
    let Some(pid) = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return };
    if let Err(error) = kill_process(pid, signal) {
        warn!(%error, ?signal, "{} {} could not be signalled", kind.name, number + 1);
    }
}

impl Kind {
    /// A service that serves.
    async fn start(&self, number: usize) -> anyhow::Result<Child> {
        let mut child = Command::new(std::env::current_exe().context("this program has no path")?)
            .arg(self.name)
            .args(&self.arguments)
            .args(["--parent", &std::process::id().to_string()])
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .process_group(0) // Ctrl-C is for us, who then end them in their order.
            .kill_on_drop(true)
            .spawn()?;
        let said = child.stdout.take().context("its standard output is a pipe")?;
        let address = match timeout(START, listening(said)).await {
            Ok(address) => address?,
            Err(_) => bail!("it does not say where it listens"),
        };
        self.backends.put(number, address);
        info!("{} {} serves on {address}", self.name, number + 1);
        Ok(child)
    }
}

/// The address in the line that a service says when it serves.
async fn listening(said: impl tokio::io::AsyncRead + Unpin) -> anyhow::Result<SocketAddr> {
    let mut line = String::new();
    BufReader::new(said).read_line(&mut line).await.context("its words cannot be read")?;
    let (_, address) = line.trim().rsplit_once(" listens on ").context("it ended before it served")?;
    address.parse().context("it does not say where it listens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_is_found_by_the_line_that_it_says() {
        let address = listening(&b"podling gateway listens on 127.0.0.1:4711\nmore\n"[..]).await.expect("an address");
        assert_eq!(address, ([127, 0, 0, 1], 4711).into());
        assert!(listening(&b""[..]).await.is_err());
        assert!(listening(&b"podling gateway listens on nothing\n"[..]).await.is_err());
    }
}
