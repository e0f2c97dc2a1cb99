//! One program in the sandbox, on a terminal of its own, from its first byte to the end of its last descendant.

use std::{collections::BTreeMap, ffi::OsString, io, os::fd::OwnedFd, sync::Arc, time::Duration};

use podling_session::{
    id::Uid,
    phase::{End, EndReason, sentence},
};
use tokio::{
    task::{JoinSet, yield_now},
    time::timeout,
};
use tracing::{debug, warn};

use crate::{
    assignment::Assignment,
    attach::Stage,
    controller::{Order, Orders},
    early::First,
    pty::{Pty, ReadBuffer},
    sandbox::{Breach, Child, Sandbox, SandboxError},
    terminal::Input,
};

/// How long the last bytes of a program whose processes are all dead may take.
const DRAIN: Duration = Duration::from_secs(5);
/// So much at once is more than people and screens say: who reads it lets others have their turn.
const FLOOD_BYTES: usize = 16 << 10;
/// How long the dying of a process may take after SIGKILL.
const DEATH: Duration = Duration::from_secs(5);

/// What programs run in and talk to. One at a time: they share the input.
pub(crate) struct Programs {
    pub(crate) sandbox: Arc<Sandbox>,
    /// For the first of them.
    pub(crate) first: Option<First>,
    pub(crate) stage: Arc<Stage>,
    pub(crate) orders: Arc<Orders>,
    pub(crate) input: Input,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgramError {
    #[error("there is no terminal for the program")]
    Terminal(#[source] io::Error),
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
}

/// How a program came to its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// None when it could not be made to die, or nobody could tell.
    pub(crate) code: Option<i32>,
    pub(crate) breach: Option<Breach>,
    pub(crate) order: Option<Order>,
    /// Whether it took longer than it may.
    pub(crate) late: bool,
}

impl Programs {
    /// Runs `bash -lc` with the command as one argument, and ends it when `limit` is over. `started` is called when it
    /// is about to run.
    pub(crate) async fn run(
        &mut self,
        command: &str,
        env: &BTreeMap<String, String>,
        limit: impl Future<Output = ()>,
        started: impl FnOnce(),
    ) -> Result<Outcome, ProgramError> {
        self.run_argv(&["bash", "-lc", command].map(OsString::from), env, limit, started).await
    }

    /// Runs a program with its arguments, likewise.
    pub(crate) async fn run_argv(
        &mut self,
        argv: &[OsString],
        env: &BTreeMap<String, String>,
        limit: impl Future<Output = ()>,
        started: impl FnOnce(),
    ) -> Result<Outcome, ProgramError> {
        let (pty, held, mut child) = self.spawn(argv, env).await?;
        started();
        let mut reader = JoinSet::new();
        reader.spawn(drain(Arc::clone(&pty), Arc::clone(&self.stage)));
        let mut outcome = self.follow(&mut child, &pty, limit).await;
        self.kill_all().await;
        drop(held);
        if outcome.code.is_none() {
            outcome.code = timeout(DEATH, child.wait()).await.ok().and_then(Result::ok);
        }
        if timeout(DRAIN, reader.join_next()).await.is_err() {
            warn!("a terminal that nobody should hold is still open");
        }
        self.stage.window.close();
        if outcome.breach.is_none() {
            outcome.breach = self.breach().await;
        }
        Ok(outcome)
    }

    /// The terminal, the program's end of it, which is held until the program is dead (one that closes its terminal and
    /// opens it again is still on it), and the program.
    async fn spawn(
        &mut self,
        argv: &[OsString],
        env: &BTreeMap<String, String>,
    ) -> Result<(Arc<Pty>, OwnedFd, Child), ProgramError> {
        let window = &self.stage.window;
        if let Some(First { pty, held, standby }) = self.first.take() {
            let pty = window.adopt(pty).map_err(ProgramError::Terminal)?;
            match standby.command(&self.sandbox, argv, env).await {
                Ok(child) => return Ok((pty, held, child)),
                Err(error) => warn!(%error, "what waited for the program is lost; it starts anew"),
            }
        }
        let (pty, tty) = window.open().map_err(ProgramError::Terminal)?;
        let held = tty.try_clone().map_err(ProgramError::Terminal)?;
        let child = self.sandbox.spawn(argv, env, tty).await?;
        Ok((pty, held, child))
    }

    /// Until the program has ended, passed a limit, or was told to end and had its time.
    async fn follow(&mut self, child: &mut Child, pty: &Pty, limit: impl Future<Output = ()>) -> Outcome {
        let mut outcome = Outcome::default();
        let order = tokio::select! {
            code = fed(child, &mut self.input, pty) => {
                outcome.code = code;
                return outcome;
            }
            breach = self.sandbox.breached() => {
                outcome.breach = Some(breach);
                return outcome;
            }
            order = self.orders.ordered() => order,
            () = limit => {
                outcome.late = true;
                return outcome;
            }
        };
        if let Order::Stop(stop) = &order {
            if let Err(error) = child.terminate() {
                debug!(%error, "the program took no SIGTERM");
            }
            outcome.code = timeout(stop.grace, fed(child, &mut self.input, pty)).await.ok().flatten();
        }
        outcome.order = Some(order);
        outcome
    }

    async fn kill_all(&self) {
        let sandbox = Arc::clone(&self.sandbox);
        let killed = tokio::task::spawn_blocking(move || sandbox.kill_all()).await;
        if let Err(error) = killed.map_err(io::Error::other).flatten() {
            tracing::error!(%error, "processes of the session could not be killed");
        }
    }

    async fn breach(&self) -> Option<Breach> {
        let sandbox = Arc::clone(&self.sandbox);
        tokio::task::spawn_blocking(move || sandbox.breach_now()).await.ok().flatten()
    }
}

/// The exit code of the program, which is given what is typed meanwhile.
async fn fed(child: &mut Child, input: &mut Input, pty: &Pty) -> Option<i32> {
    let feeding = async {
        input.feed(pty).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        code = child.wait() => code.inspect_err(|error| warn!(%error, "nobody can tell how the program ended")).ok(),
        () = feeding => unreachable!("feeding pends for ever"),
    }
}

/// Takes everything that the program says into the log, whoever watches.
async fn drain(pty: Arc<Pty>, stage: Arc<Stage>) {
    let mut buffer = ReadBuffer::default();
    loop {
        match pty.read(&mut buffer).await {
            Ok(Some(bytes)) => {
                stage.activity.happened();
                let flood = bytes.len() >= FLOOD_BYTES;
                stage.log.output(bytes).await;
                if flood {
                    yield_now().await; // A program that never pauses must not keep viewers from what it said.
                }
            }
            Ok(None) => return,
            Err(error) => return warn!(%error, "the terminal cannot be read"),
        }
    }
}

impl Outcome {
    /// How the session ends by it, when this was the command.
    pub(crate) fn end(&self) -> End {
        match (&self.order, self.breach, self.code) {
            (Some(Order::Stop(stop)), _, code) => End { exit_code: code, ..stop.end.clone() },
            (Some(Order::Abandon), _, code) => End { exit_code: code, ..abandoned() },
            (None, Some(breach), code) => {
                let reason = match breach {
                    Breach::Oom => EndReason::Oom,
                    Breach::DiskFull => EndReason::DiskFull,
                };
                End { reason, exit_code: code, detail: sentence(reason, code) }
            }
            (None, None, Some(code)) => End::exit(code),
            (None, None, None) => End::because(EndReason::Internal),
        }
    }
}

/// The end of a session whose controller is gone; in the store it is one whose runner fell silent.
pub(crate) fn abandoned() -> End {
    End { detail: "The runner lost its controller.".to_owned(), ..End::because(EndReason::RunnerLost) }
}

/// The exit code of the runner's own process.
pub(crate) fn process_code(end: &End) -> i32 {
    end.exit_code.unwrap_or(match end.reason {
        EndReason::Exit | EndReason::Stopped | EndReason::Admin => 0,
        EndReason::Source => 3,
        EndReason::Install => 4,
        EndReason::Oom => 137,
        _ => 1,
    })
}

/// The whole environment of the session's programs: nothing is inherited.
pub(crate) fn environment(
    base: BTreeMap<String, String>,
    session: Uid,
    assignment: &Assignment,
) -> BTreeMap<String, String> {
    let mut env = base;
    let mut set = |name: &str, value: &str| _ = env.insert(name.to_owned(), value.to_owned());
    set("TERM", "xterm-256color");
    set("COLORTERM", "truecolor");
    set("LANG", "C.UTF-8");
    set("COMMAND", &assignment.command);
    if let Some(source) = &assignment.source {
        set("CODE_URL", &source.url);
    }
    if let Some(prompt) = &assignment.prompt {
        set("CLAUDE_PROMPT", prompt);
    }
    set("PODLING_SESSION", &session.to_string());
    env.extend(assignment.env.iter().map(|(name, value)| (name.clone(), value.clone())));
    env
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Stop;

    #[test]
    fn what_ended_the_command_first_is_the_reason_and_its_code_is_kept() {
        let check = |outcome: Outcome, reason: EndReason, code: Option<i32>, process: i32| {
            let end = outcome.end();
            assert_eq!((end.reason, end.exit_code, process_code(&end)), (reason, code, process), "{outcome:?}");
        };
        let stop = Order::Stop(Stop { end: End::because(EndReason::Deadline), grace: Duration::ZERO });
        let plain = Outcome { code: Some(7), ..Outcome::default() };
        check(plain.clone(), EndReason::Exit, Some(7), 7);
        check(Outcome { order: Some(stop.clone()), ..plain.clone() }, EndReason::Deadline, Some(7), 7);
        check(Outcome { order: Some(stop), ..Outcome::default() }, EndReason::Deadline, None, 1);
        check(Outcome { order: Some(Order::Abandon), ..plain }, EndReason::RunnerLost, Some(7), 7);
        let hog = Outcome { code: Some(137), breach: Some(Breach::Oom), ..Outcome::default() };
        check(hog, EndReason::Oom, Some(137), 137);
        check(Outcome { breach: Some(Breach::Oom), ..Outcome::default() }, EndReason::Oom, None, 137);
        check(Outcome::default(), EndReason::Internal, None, 1);
    }
}
