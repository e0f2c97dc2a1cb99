//! The phases of a session, why it ended, and which transitions exist.
//!
//! ```text
//! Pending -> Starting{stage} -> Running -> Ended{reason, exit_code}
//!    \____________\____________________________^
//! Running -> Asleep -> Starting, of the next incarnation
//! ```
//!
//! The pair (incarnation, phase) never goes back. Stores decide races by the same order, in one statement.

use crate::names::names;

/// What a starting session is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    Scheduling,
    Fetching,
    Verifying,
    Extracting,
    Installing,
}

/// Why a session ended. The list is closed: clients match on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The command ended by itself.
    Exit,
    /// The source could not be fetched or extracted.
    Source,
    /// The source is not what its checksum says.
    Checksum,
    /// The installation of dependencies failed.
    Install,
    /// The command could not be started.
    Command,
    /// No runner, or no running command, in time.
    StartDeadline,
    /// The session ran longer than it may.
    Deadline,
    /// Nothing happened for longer than it may.
    Idle,
    /// Its owner stopped or deleted it, or `podling up` was shut down.
    Stopped,
    /// An operator ended it.
    Admin,
    Quota,
    /// The command used more memory than it may.
    Oom,
    /// The command wrote more than it may.
    DiskFull,
    Evicted,
    Preempted,
    ImagePull,
    Admission,
    NodeLost,
    /// The runner died or fell silent.
    RunnerLost,
    /// A fault of Podling's own.
    Internal,
}

names! { Stage, "stage",
    Scheduling = "scheduling", Fetching = "fetching", Verifying = "verifying", Extracting = "extracting",
    Installing = "installing",
}
names! { EndReason, "end_reason",
    Exit = "exit", Source = "source", Checksum = "checksum", Install = "install", Command = "command",
    StartDeadline = "start-deadline", Deadline = "deadline", Idle = "idle", Stopped = "stopped", Admin = "admin",
    Quota = "quota", Oom = "oom", DiskFull = "disk-full", Evicted = "evicted", Preempted = "preempted",
    ImagePull = "image-pull", Admission = "admission", NodeLost = "node-lost", RunnerLost = "runner-lost",
    Internal = "internal",
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    pub reason: EndReason,
    /// The command's own, 128 + N when signal N killed it; none when it never ran or nobody could tell.
    pub exit_code: Option<i32>,
    /// One sentence for people.
    pub detail: String,
}

impl End {
    /// An end without an exit code, told in the reason's usual words.
    pub fn because(reason: EndReason) -> End {
        End { reason, exit_code: None, detail: sentence(reason, None) }
    }

    /// The command ended by itself.
    pub fn exit(code: i32) -> End {
        End { reason: EndReason::Exit, exit_code: Some(code), detail: sentence(EndReason::Exit, Some(code)) }
    }
}

/// One human sentence for an end.
pub fn sentence(reason: EndReason, exit_code: Option<i32>) -> String {
    let text = match (reason, exit_code) {
        (EndReason::Exit, Some(code)) => return format!("The command ended with exit code {code}."),
        (EndReason::Exit, None) => "The command ended.",
        (EndReason::Source, _) => "The source could not be fetched.",
        (EndReason::Checksum, _) => "The source does not match its checksum.",
        (EndReason::Install, _) => "The installation of dependencies failed.",
        (EndReason::Command, _) => "The command could not be started.",
        (EndReason::StartDeadline, _) => "The session did not start in time.",
        (EndReason::Deadline, _) => "The session reached its deadline.",
        (EndReason::Idle, _) => "The session was idle for too long.",
        (EndReason::Stopped, _) => "The session was stopped.",
        (EndReason::Admin, _) => "An operator ended the session.",
        (EndReason::Quota, _) => "The session used up its quota.",
        (EndReason::Oom, _) => "The command used more memory than it may.",
        (EndReason::DiskFull, _) => "The command wrote more to disk than it may.",
        (EndReason::Evicted, _) => "The cluster evicted the runner.",
        (EndReason::Preempted, _) => "The cluster preempted the runner.",
        (EndReason::ImagePull, _) => "The runner's image could not be pulled.",
        (EndReason::Admission, _) => "The cluster did not admit the runner.",
        (EndReason::NodeLost, _) => "The runner's node was lost.",
        (EndReason::RunnerLost, _) => "The runner was lost.",
        (EndReason::Internal, _) => "The session failed inside Podling.",
    };
    text.to_owned()
}

/// Where a session is in its life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    Pending,
    Starting { stage: Stage },
    Running,
    Asleep,
    Ended(End),
}

/// A transition that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a session that is {from} cannot become {to}")]
pub struct InvalidTransition {
    pub from: &'static str,
    pub to: &'static str,
}

impl Phase {
    /// The name on the wire and in the store.
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Pending => "pending",
            Phase::Starting { .. } => "starting",
            Phase::Running => "running",
            Phase::Asleep => "asleep",
            Phase::Ended(_) => "ended",
        }
    }

    pub const NAMES: [&str; 5] = ["pending", "starting", "running", "asleep", "ended"];

    pub fn end(&self) -> Option<&End> {
        match self {
            Phase::Ended(end) => Some(end),
            _ => None,
        }
    }

    /// The phase after `next` within one incarnation, or why there is no such step. Stages only go forward; a runner
    /// may skip those that it has no use for.
    pub fn advance(&self, next: Phase) -> Result<Phase, InvalidTransition> {
        let allowed = match (self, &next) {
            (Phase::Pending, Phase::Starting { .. }) => true,
            (Phase::Starting { stage: from }, Phase::Starting { stage: to }) => to > from,
            (Phase::Starting { .. }, Phase::Running) => true,
            (Phase::Running, Phase::Asleep) => true,
            (Phase::Ended(_), Phase::Ended(_)) => false,
            (_, Phase::Ended(_)) => true,
            _ => false,
        };
        if allowed { Ok(next) } else { Err(InvalidTransition { from: self.name(), to: next.name() }) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_round_trip() {
        for reason in EndReason::ALL {
            assert_eq!(reason.as_str().parse(), Ok(*reason));
            assert!(sentence(*reason, None).ends_with('.'));
        }
        for stage in Stage::ALL {
            assert_eq!(stage.as_str().parse(), Ok(*stage));
        }
        assert!("gone".parse::<EndReason>().is_err());
    }

    fn any_phase() -> impl Strategy<Value = Phase> {
        prop_oneof![
            Just(Phase::Pending),
            (0..Stage::ALL.len()).prop_map(|i| Phase::Starting { stage: Stage::ALL[i] }),
            Just(Phase::Running),
            (0..EndReason::ALL.len()).prop_map(|i| Phase::Ended(End::because(EndReason::ALL[i]))),
        ]
    }

    fn rank(phase: &Phase) -> usize {
        match phase {
            Phase::Pending => 0,
            Phase::Starting { stage } => 1 + *stage as usize,
            Phase::Running => 10,
            Phase::Asleep => 11,
            Phase::Ended(_) => 12,
        }
    }

    proptest! {
        #[test]
        fn under_any_order_of_events_a_session_only_goes_forward_and_ends_once(events in prop::collection::vec(any_phase(), 0..40)) {
            let mut phase = Phase::Pending;
            for event in events {
                if let Ok(next) = phase.advance(event) {
                    prop_assert!(rank(&next) > rank(&phase));
                    prop_assert!(phase.end().is_none());
                    phase = next;
                }
            }
        }
    }
}
