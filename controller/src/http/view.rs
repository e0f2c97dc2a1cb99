//! Sessions as their owners see them. No secret, no value of a variable and no address of a runner is in here.

use std::collections::BTreeMap;

use jiff::Timestamp;
use podling_session::{
    id::Uid,
    phase::{Phase, Stage},
    session::Session,
    source::Source,
    spec::Limits,
};
use serde::Serialize;
use url::Url;
use utoipa::ToSchema;

use crate::core::Settings;

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SessionView {
    /// The caller's name for it; the uid when none was given.
    id: String,
    /// The same as `id`.
    session_id: String,
    /// The same as `id`.
    #[serde(rename = "sessionId")]
    session_id_in_camel_case: String,
    /// Podling's own name for it: a UUIDv7, never reused.
    uid: String,
    /// Where its terminal is, below the public address.
    #[serde(rename = "wsUrl")]
    ws_url: String,
    /// pending, starting, running, asleep or ended.
    phase: &'static str,
    /// What it is busy with while it starts: scheduling, fetching, verifying, extracting or installing.
    stage: Option<&'static str>,
    created_at: Timestamp,
    /// When it ends at the latest; once it has ended, when it is forgotten.
    expires_at: Timestamp,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    /// Why it ended: exit, source, checksum, install, command, start-deadline, deadline, idle, stopped, admin, quota, oom,
    /// disk-full, evicted, preempted, image-pull, admission, node-lost, runner-lost or internal.
    end_reason: Option<&'static str>,
    /// The command's own; 128 + N when signal N killed it.
    exit_code: Option<i32>,
    /// Where it is in its life, in one sentence for people.
    detail: String,
    command: String,
    /// Without its query, which may hold a signature.
    code_url: Option<String>,
    /// Names of the variables that were given; their values are not shown.
    env: Vec<String>,
    labels: BTreeMap<String, String>,
    limits: LimitsView,
    /// Seconds from running.
    deadline_seconds: u64,
    /// Seconds without input and output.
    idle_seconds: u64,
    exit_on_job: bool,
    /// Whether installation and command reach the internet.
    egress: bool,
    /// How well the command is confined: none, minimal, reduced or full; null before it runs.
    isolation: Option<&'static str>,
    /// The first byte of terminal output that is kept.
    log_first_offset: u64,
    /// The byte after the last, as far as the runner has told.
    log_end_offset: u64,
    /// Attached terminals.
    viewers: u32,
}

#[derive(Debug, Serialize, ToSchema)]
struct LimitsView {
    /// Thousandths of a processor.
    cpu_millis: u32,
    memory_bytes: u64,
    disk_bytes: u64,
    pids: u32,
}

/// A session, and a token to attach to it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TicketView {
    #[serde(flatten)]
    session: SessionView,
    /// A session token: attaches once, within minutes.
    token: String,
    /// The terminal page, ready to open; it spends the token.
    #[serde(rename = "terminalUrl")]
    terminal_url: String,
}

/// One page of sessions, the youngest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PageView {
    pub(super) sessions: Vec<SessionView>,
    /// Of this page.
    pub(super) count: usize,
    /// The `cursor` of the next page; null on the last.
    pub(super) next_cursor: Option<String>,
}

/// A session that is gone.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeletedView {
    pub(super) success: bool,
    pub(super) id: String,
    /// The same as `id`.
    pub(super) deleted: String,
    pub(super) deleted_at: Option<Timestamp>,
}

impl SessionView {
    pub(super) fn new(session: Session, settings: &Settings) -> SessionView {
        let id = session.id.to_string();
        let spec = session.spec.clone();
        let end = session.phase.end();
        SessionView {
            session_id: id.clone(),
            session_id_in_camel_case: id.clone(),
            id,
            uid: session.uid.to_string(),
            ws_url: ws_path(session.uid),
            phase: session.phase.name(),
            stage: stage(&session.phase).map(Stage::as_str),
            created_at: session.created_at,
            expires_at: session.expires_at(settings.keep_ended),
            started_at: session.started_at,
            ended_at: session.ended_at,
            end_reason: end.map(|end| end.reason.as_str()),
            exit_code: end.and_then(|end| end.exit_code),
            detail: sentence(&session.phase),
            command: spec.command,
            code_url: spec.source.as_ref().map(Source::shown),
            env: spec.env.into_keys().collect(),
            labels: spec.labels,
            limits: spec.limits.into(),
            deadline_seconds: spec.deadline.as_secs(),
            idle_seconds: spec.idle.as_secs(),
            exit_on_job: spec.exit_on_job,
            egress: spec.egress,
            isolation: session.isolation.map(|level| level.as_str()),
            log_first_offset: session.log.first,
            log_end_offset: session.log.end,
            viewers: session.viewers,
        }
    }
}

impl TicketView {
    pub(super) fn new(session: Session, token: String, settings: &Settings) -> TicketView {
        let terminal_url = format!("{}?token={token}", on(&settings.public_url, &ws_path(session.uid)));
        TicketView { session: SessionView::new(session, settings), token, terminal_url }
    }
}

impl From<Limits> for LimitsView {
    fn from(limits: Limits) -> LimitsView {
        let Limits { cpu_millis, memory_bytes, disk_bytes, pids } = limits;
        LimitsView { cpu_millis, memory_bytes, disk_bytes, pids }
    }
}

fn ws_path(uid: Uid) -> String {
    format!("/ws/{uid}")
}

/// A path below the public address, which may have a path of its own.
fn on(public: &Url, path: &str) -> String {
    format!("{}{path}", public.as_str().trim_end_matches('/'))
}

fn stage(phase: &Phase) -> Option<Stage> {
    match phase {
        Phase::Starting { stage } => Some(*stage),
        _ => None,
    }
}

fn sentence(phase: &Phase) -> String {
    let text = match phase {
        Phase::Pending => "The session waits to be started.",
        Phase::Starting { stage: Stage::Scheduling } => "The session waits for its runner.",
        Phase::Starting { stage: Stage::Fetching } => "The source is being fetched.",
        Phase::Starting { stage: Stage::Verifying } => "The source is being verified.",
        Phase::Starting { stage: Stage::Extracting } => "The source is being extracted.",
        Phase::Starting { stage: Stage::Installing } => "Dependencies are being installed.",
        Phase::Running => "The command is running.",
        Phase::Asleep => "The session is asleep.",
        Phase::Ended(end) => return end.detail.clone(),
    };
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_may_have_a_path() {
        let check = |public: &str, expected: &str| {
            assert_eq!(on(&public.parse().expect(public), "/ws/x"), expected);
        };
        check("http://127.0.0.1:8080", "http://127.0.0.1:8080/ws/x");
        check("https://a.example/podling/", "https://a.example/podling/ws/x");
    }
}
