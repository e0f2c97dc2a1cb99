//! What an owner's scripts do at the terminal of a session without attaching to it: type, and look at the screen.
//!
//! The runner does both for the controller, which signs itself a grant. A session that has ended shows its last screen,
//! from the stored log.

use std::time::Duration;

use bytes::Bytes;
use podling_proto::{
    channel::Route,
    terminal::{LookRequest, TypeInRequest, direct_client::DirectClient},
    tls::Trust,
};
use podling_screen::Screen;
use podling_session::{
    capability::Grant, log::Body, phase::Phase, session::Session, size::WindowSize, store::StoreError, token::Scope,
};
use tokio::{
    task::coop::consume_budget,
    time::{Instant, timeout},
};
use tonic::{Code, Status, transport::Channel};
use tracing::warn;

use crate::{
    core::Core,
    logs::{
        LogError,
        pace::Pace,
        place::{self, At, Place},
        read::Stored,
        runner::grant,
    },
};

/// The most input of one call.
pub const MAX_INPUT_BYTES: usize = 64 << 10;
/// How long a runner may take to answer: longer than its emulator may to show a screen.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum DirectError {
    #[error("the session has not started yet")]
    NotStarted,
    #[error("the session has ended")]
    Ended,
    #[error("the program has not taken what was typed before")]
    Full,
    /// Trying again soon helps.
    #[error("the terminal cannot be reached")]
    Unreachable,
    #[error(transparent)]
    Log(#[from] LogError),
}

impl From<StoreError> for DirectError {
    fn from(error: StoreError) -> DirectError {
        DirectError::Log(LogError::Store(error))
    }
}

/// A screen as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The output below was drawn.
    pub offset: u64,
    pub size: WindowSize,
    /// One for each row, without the blanks at its end.
    pub lines: Vec<String>,
    pub cursor: podling_screen::Cursor,
}

/// Types into a session's terminal. The end of its output by then: what the program says to it comes later.
///
/// # Errors
/// When nothing was typed, or nobody knows whether it was ([`DirectError::Unreachable`]).
pub async fn type_in(core: &Core, session: &Session, input: Bytes) -> Result<u64, DirectError> {
    if matches!(session.phase, Phase::Ended(_)) {
        return Err(DirectError::Ended);
    }
    let at = match place::find(core, session).await? {
        Place::Runner(at) => at,
        Place::Starting(_) => return Err(DirectError::NotStarted),
        Place::Settling | Place::Stored => return Err(DirectError::Ended),
    };
    let grant = signed(core, session, Scope::ReadWrite).await?;
    let typing = async { connect(&at).await?.type_in(TypeInRequest { grant, input }).await };
    Ok(in_time(typing).await?.into_inner().offset)
}

/// The newest screen of a session, or its last. Between its end and the settling of its log there is neither for a moment,
/// which is waited for.
///
/// # Errors
/// When there is none to see.
pub async fn look(core: &Core, session: &Session) -> Result<Shown, DirectError> {
    let (asked, mut pace) = (Instant::now(), Pace::new(core.system.as_ref()));
    let mut session = session.clone();
    loop {
        let looked = look_once(core, &session).await;
        if !matches!(looked, Err(DirectError::Unreachable)) || asked.elapsed() > ANSWER_TIMEOUT {
            return looked;
        }
        pace.wait().await;
        session = core.system.find(session.uid).await?.unwrap_or(session);
    }
}

async fn look_once(core: &Core, session: &Session) -> Result<Shown, DirectError> {
    match place::find(core, session).await? {
        Place::Starting(_) => Err(DirectError::NotStarted),
        Place::Settling => Err(DirectError::Unreachable),
        Place::Stored => stored(core, session).await,
        Place::Runner(at) => {
            let grant = signed(core, session, Scope::ReadOnly).await?;
            let looking = async { connect(&at).await?.look(LookRequest { grant }).await };
            let snapshot = in_time(looking).await?.into_inner();
            let size = snapshot.size.and_then(|size| size.try_into().ok()).unwrap_or(WindowSize::DEFAULT);
            let mut screen = Screen::new(size);
            screen.feed(&snapshot.data);
            Ok(shown(&screen, snapshot.offset))
        }
    }
}

/// Draws what follows the last keyframe.
async fn stored(core: &Core, session: &Session) -> Result<Shown, DirectError> {
    let stored = Stored::find(&core.logs, core.system.as_ref(), session).await?;
    let (beginning, mut offset) = (stored.begin_before(0).await?, 0);
    let mut screen = Screen::new(beginning.size);
    if let Some(keyframe) = &beginning.keyframe {
        screen.feed(&keyframe.data);
    }
    let mut reader = stored.read(beginning.from);
    while let Some(record) = reader.next().await? {
        offset = record.end();
        match record.body {
            Body::Output(bytes) if record.offset >= beginning.from => screen.feed(&bytes),
            Body::Resize(size) if record.offset >= beginning.from => screen.resize(size),
            _ => {}
        }
        consume_budget().await;
    }
    Ok(shown(&screen, offset))
}

fn shown(screen: &Screen, offset: u64) -> Shown {
    let lines = screen.text().split('\n').map(str::to_owned).collect();
    Shown { offset, size: screen.size(), lines, cursor: screen.cursor() }
}

async fn signed(core: &Core, session: &Session, scope: Scope) -> Result<String, DirectError> {
    let sealed = core.system.sealed(session.uid).await?.ok_or(DirectError::Ended)?;
    let key = core.seal.open_key(session.uid, &sealed).map_err(|error| {
        warn!(%error, session.id = %session.uid, "the key of session {} cannot be opened", session.uid);
        DirectError::Unreachable
    })?;
    Ok(key.grant_key().sign(&Grant { issued_at: core.clock.now(), scope, ..grant(session.uid) }))
}

async fn connect(at: &At) -> Result<DirectClient<Channel>, Status> {
    let unreachable = || Status::unavailable("the runner cannot be reached");
    let address = at.address.parse().map_err(|_| unreachable())?;
    let route = Route::new(vec![address], Some(&Trust::pinned(&at.certificate))).map_err(|_| unreachable())?;
    Ok(DirectClient::new(route.connect().await.map_err(|_| unreachable())?))
}

async fn in_time<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, DirectError> {
    let answer = timeout(ANSWER_TIMEOUT, call).await.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer")));
    answer.map_err(|status| match status.code() {
        Code::FailedPrecondition => DirectError::Ended,
        Code::ResourceExhausted => DirectError::Full,
        _ => {
            warn!(%status, "a runner cannot be asked");
            DirectError::Unreachable
        }
    })
}
