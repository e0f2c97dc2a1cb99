//! Why an audit has no answer, or not all of it.

use std::{error::Error, io, time::Duration};

use http::StatusCode;

use super::lines::TooLong;

#[derive(Debug, thiserror::Error)]
pub(crate) enum AuditError {
    /// Nobody wants the answer any more.
    #[error("nobody listens")]
    Unwanted,
    #[error("there is no Claude Code")]
    NoAgent,
    #[error("{program} cannot be run")]
    Start { program: String, source: io::Error },
    #[error("{program} does not know --include-partial-messages")]
    NoPartialMessages { program: String },
    /// `said` is the end of what it wrote to standard error, or empty.
    #[error("{program} ended with {status}{}", told(said))]
    Exit { program: String, status: String, said: String },
    #[error("{program} failed{}", told(said))]
    Said { program: String, said: String },
    #[error("{program} cannot be read")]
    Read { program: String, source: io::Error },
    #[error("ANTHROPIC_API_KEY holds characters that no key has")]
    Key,
    #[error("no client can be made")]
    Client(#[source] reqwest::Error),
    #[error("{host} cannot be reached")]
    Connect { host: String, source: reqwest::Error },
    #[error("the answer of {host} broke off")]
    Broken { host: String, source: reqwest::Error },
    #[error("the answer of {host} ends in the middle")]
    CutOff { host: String },
    /// `retry_after` is the server's.
    #[error("{host} answered {}{}", named(*.status), told(said))]
    Status { host: String, status: StatusCode, said: String, retry_after: Option<Duration> },
    /// An error amid an answer that had begun well.
    #[error("{host} gave up with {kind}{}", told(said))]
    Event { host: String, kind: String, said: String },
    #[error("{host} sent an event that is none")]
    Malformed { host: String, source: serde_json::Error },
    #[error(transparent)]
    TooLong(#[from] TooLong),
    #[error("{who} said nothing for {}", humantime::format_duration(*.silence))]
    Silence { who: String, silence: Duration },
    #[error("the audit took longer than {}", humantime::format_duration(*.0))]
    Deadline(Duration),
}

/// 529 has no name of its own.
fn named(status: StatusCode) -> String {
    format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default()).trim_end().to_owned()
}

fn told(said: &str) -> String {
    if said.is_empty() { String::new() } else { format!(": {said}") }
}

impl AuditError {
    /// Whether the same request may be answered a little later.
    pub(super) fn passes(&self) -> bool {
        match self {
            AuditError::Status { status, .. } => matches!(status.as_u16(), 429 | 529),
            AuditError::Event { kind, .. } => matches!(kind.as_str(), "overloaded_error" | "rate_limit_error"),
            _ => false,
        }
    }

    /// The message, and the innermost cause: those between are the names of libraries' layers.
    pub(crate) fn explained(&self) -> String {
        let mut cause = self.source();
        while let Some(inner) = cause.and_then(Error::source) {
            cause = Some(inner);
        }
        match cause {
            Some(cause) => format!("{self} ({cause})"),
            None => self.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_who_what_and_why() {
        let status = |code, said: &str| AuditError::Status {
            host: "x.org".into(),
            status: StatusCode::from_u16(code).expect("a status"),
            said: said.into(),
            retry_after: None,
        };
        assert_eq!(status(401, "no such key").explained(), "x.org answered 401 Unauthorized: no such key");
        let start = AuditError::Start { program: "claude".into(), source: io::ErrorKind::PermissionDenied.into() };
        assert_eq!(start.explained(), "claude cannot be run (permission denied)");
        let passing: Vec<u16> =
            [400, 401, 404, 429, 500, 503, 529].into_iter().filter(|code| status(*code, "").passes()).collect();
        assert_eq!(passing, [429, 529]);
    }
}
