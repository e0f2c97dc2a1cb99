//! The security audit: asks a model, and hands on what it says piece by piece.
//!
//! Claude Code is asked where there is one, else the Messages API where there is a key for it, else nobody, which is
//! told. Whoever shows the pieces never waits for the model, and the model waits for whoever shows them.

mod agent;
mod agent_line;
mod api;
mod error;
mod event;
mod group;
mod lines;
mod speech;
mod sse;

use std::time::Duration;

use tokio::{
    sync::mpsc::{Receiver, Sender, channel},
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};

use crate::args::AuditArgs;

use self::group::GRACE;
pub(crate) use self::{error::AuditError, speech::Speech};

/// Words that nobody has shown yet. A model is slower than a terminal; when it is not, it waits.
const QUEUE: usize = 64;
/// Beyond the grace of Claude Code: time to see it die.
const END: Duration = GRACE.saturating_add(Duration::from_secs(1));

/// What comes of an audit. All text is a stranger's; see [`Speech`].
#[derive(Debug)]
pub(crate) enum Piece {
    /// Of the answer.
    Text(String),
    /// Of the answer: a paragraph ends.
    LineEnd,
    /// About the answer: a line of its own.
    Note(String),
    /// The answer starts over, and why.
    Again(String),
    /// The last piece.
    Ended(Result<(), AuditError>),
}

/// One audit: not begun, under way or over.
#[derive(Debug, Default)]
pub(crate) struct Audit {
    pieces: Option<Receiver<Piece>>,
    task: JoinSet<()>,
}

impl Audit {
    /// Begins to ask.
    pub(crate) fn begin(&mut self, args: AuditArgs) {
        let (sender, pieces) = channel(QUEUE);
        self.pieces = Some(pieces);
        self.task.spawn(ask(args, Outlet(sender)));
    }

    /// The next piece; none after the last, and before the audit has begun. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Option<Piece> {
        self.pieces.as_mut()?.recv().await
    }

    /// Ends it, whatever it is about, Claude Code and all that this started included.
    pub(crate) async fn end(mut self) {
        drop(self.pieces);
        // One that is late is cut off, and takes Claude Code with it.
        let _ = timeout(END, self.task.join_next()).await;
        self.task.shutdown().await;
    }
}

/// Where pieces go.
struct Outlet(Sender<Piece>);

impl Outlet {
    async fn put(&self, piece: Piece) -> Result<(), AuditError> {
        self.0.send(piece).await.map_err(|_| AuditError::Unwanted)
    }

    async fn text(&self, text: impl Into<String>) -> Result<(), AuditError> {
        self.put(Piece::Text(text.into())).await
    }

    async fn note(&self, note: impl Into<String>) -> Result<(), AuditError> {
        self.put(Piece::Note(note.into())).await
    }
}

async fn ask(args: AuditArgs, outlet: Outlet) {
    let deadline = Instant::now() + args.deadline;
    let ended = match agent::ask(&args, deadline, &outlet).await {
        Err(AuditError::NoAgent) => ask_without_agent(&args, deadline, &outlet).await,
        ended => ended,
    };
    let _ = outlet.put(Piece::Ended(ended)).await; // Nobody may be there any more to be told.
}

async fn ask_without_agent(args: &AuditArgs, deadline: Instant, outlet: &Outlet) -> Result<(), AuditError> {
    let Some(key) = api::key(args) else { return outlet.text(mock(&args.prompt)).await };
    let key = key?;
    tokio::select! {
        biased;
        () = outlet.0.closed() => Err(AuditError::Unwanted),
        asked = timeout_at(deadline, api::ask(args, &key, outlet)) => asked.unwrap_or(Err(AuditError::Deadline(args.deadline))),
    }
}

/// What the audit says without a model to ask: honest about that, and with the prompt it would have passed on.
fn mock(prompt: &str) -> String {
    const MAX_CHARS: usize = 800;
    let note = format!("[mock] No model was asked. Prompt: {}", prompt.replace(['\r', '\n'], " "));
    if note.chars().count() <= MAX_CHARS {
        return note;
    }
    note.chars().take(MAX_CHARS - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mock_is_honest_short_and_one_line() {
        assert_eq!(mock("a\r\nb"), "[mock] No model was asked. Prompt: a  b");
        let long = mock(&"ä".repeat(10_000));
        assert_eq!(long.chars().count(), 800);
        assert!(long.ends_with("ä…"));
    }
}
