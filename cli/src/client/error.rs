//! Why a command of the client failed, and what its user can do.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};

#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// The server said no.
    #[error("{}", .0.detail)]
    Refused(Problem),
    #[error("{server} does not answer")]
    Unreachable { server: String, source: reqwest::Error },
    #[error("{server} answers what is not Podling's: {what}")]
    NotPodling { server: String, what: String },
    /// Something on this side.
    #[error("{message}")]
    Here { message: String, hint: String },
}

/// A refusal as the server worded it (RFC 9457).
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    /// The stable name at the end of its type.
    pub(crate) name: String,
    pub(crate) detail: String,
    pub(crate) retry_after: Option<Duration>,
}

impl Problem {
    pub(crate) fn read(status: StatusCode, body: &Value) -> Problem {
        let text = |name: &str| body[name].as_str().unwrap_or_default();
        let detail = match text("detail") {
            "" => format!("the server answered {status}"),
            detail => detail.to_owned(),
        };
        Problem {
            status: status.as_u16(),
            name: text("type").rsplit(':').next().unwrap_or_default().to_owned(),
            detail,
            retry_after: body["retryAfter"].as_u64().map(Duration::from_secs),
        }
    }
}

impl ClientError {
    pub(crate) fn here(message: impl Into<String>, hint: impl Into<String>) -> ClientError {
        ClientError::Here { message: message.into(), hint: hint.into() }
    }

    /// Whether the same again may go well soon.
    pub(crate) fn is_passing(&self) -> bool {
        match self {
            ClientError::Refused(problem) => matches!(problem.status, 408 | 423 | 502..=504),
            ClientError::Unreachable { .. } => true,
            ClientError::NotPodling { .. } | ClientError::Here { .. } => false,
        }
    }

    /// What to do next, in one sentence; empty where nobody knows.
    pub(crate) fn hint(&self) -> String {
        match self {
            ClientError::Unreachable { .. } => {
                "Start one with `podling up`, or say where yours is with --server or PODLING_URL.".to_owned()
            }
            ClientError::NotPodling { .. } => "Check --server or PODLING_URL.".to_owned(),
            ClientError::Here { hint, .. } => hint.clone(),
            ClientError::Refused(problem) => advice(problem),
        }
    }

    pub(crate) fn json(&self) -> Value {
        let status = match self {
            ClientError::Refused(problem) => Some(problem.status),
            _ => None,
        };
        json!({ "error": self.to_string(), "hint": self.hint(), "status": status })
    }
}

fn advice(problem: &Problem) -> String {
    let again = problem.retry_after.map_or("soon".to_owned(), |after| format!("in {} s", after.as_secs()));
    match (problem.status, problem.name.as_str()) {
        (401, _) => "Put your key into PODLING_API_KEY, or its file's path into PODLING_API_KEY_FILE.".to_owned(),
        (403, _) => "Call it by its loopback address, or with a key in PODLING_API_KEY.".to_owned(),
        (404, "session-not-found") => "`podling ls` shows the sessions that there are.".to_owned(),
        (409, "session-exists") => "Choose another --name, or attach to it with `podling attach`.".to_owned(),
        (410, _) => "Ask for what is kept: leave --from out.".to_owned(),
        (413, "bundle-too-large") => {
            "List what the command does not need in .gitignore or .podlingignore, or choose a smaller --dir.".to_owned()
        }
        (429, "session-quota") => "End one of yours with `podling stop`.".to_owned(),
        (429 | 423 | 502..=504, _) => format!("Try again {again}."),
        (507, _) => "Ask whoever runs Podling for room, or upload less.".to_owned(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do_next() {
        let check = |status: u16, name: &str, part: &str| {
            let body = json!({ "type": format!("urn:podling:problem:{name}"), "detail": "no", "retryAfter": 3 });
            let problem = Problem::read(StatusCode::from_u16(status).expect("a status"), &body);
            let hint = ClientError::Refused(problem).hint();
            assert!(hint.contains(part), "{status} {name}: {hint}");
        };
        check(401, "missing-key", "PODLING_API_KEY");
        check(404, "session-not-found", "podling ls");
        check(413, "bundle-too-large", ".gitignore");
        check(429, "rate-limited", "in 3 s");
        check(429, "session-quota", "podling stop");
        check(503, "unavailable", "in 3 s");
        check(507, "disk-full", "room");
    }

    #[test]
    fn an_answer_without_words_is_told_by_its_status() {
        let problem = Problem::read(StatusCode::BAD_GATEWAY, &Value::Null);
        assert_eq!(problem.detail, "the server answered 502 Bad Gateway");
    }
}
