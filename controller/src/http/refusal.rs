//! From an error to what a caller may know of it: the one match for each kind of error. Causes are logged here, once,
//! and never sent.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, Uri};
use podling_daemon::problem::Problem;
use podling_session::{spec::InvalidField, store::StoreError};
use tracing::error;

use crate::{
    bundles::BundleError,
    direct::DirectError,
    identity,
    keys::{self, MAX_KEYS_PER_TENANT},
    logs::follow::FollowError,
    sessions,
};

/// A problem on its way out; `trace` puts the request's id into it and renders it.
#[derive(Clone, Debug)]
pub(super) struct Refusal(Box<Problem>);

impl Refusal {
    pub(super) fn new(status: StatusCode, name: &str, detail: impl Into<String>) -> Refusal {
        Refusal(Box::new(Problem::new(status, name, detail)))
    }

    pub(super) fn bad_request(name: &str, detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, name, detail)
    }

    /// Of a closed set.
    pub(super) fn kind(&self) -> &str {
        self.0.kind.rsplit(':').next().unwrap_or_default()
    }

    pub(super) fn problem(self) -> Problem {
        *self.0
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.0.response().map(axum::body::Body::new);
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal(Box::new(problem))
    }
}

impl From<InvalidField> for Refusal {
    fn from(invalid: InvalidField) -> Refusal {
        Problem::new(StatusCode::BAD_REQUEST, "invalid-field", invalid.message).field(invalid.field).into()
    }
}

impl From<sessions::Error> for Refusal {
    fn from(error: sessions::Error) -> Refusal {
        use sessions::Error;
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NotFound => Refusal::new(StatusCode::NOT_FOUND, "session-not-found", "Session not found"),
            Error::Ended => Refusal::new(StatusCode::CONFLICT, "session-ended", "The session has ended"),
            Error::IdTaken(id) => {
                let detail = format!("A session with the id {id} exists");
                let problem = Problem::new(StatusCode::CONFLICT, "session-exists", detail);
                Problem { id: Some(id.to_string()), ..problem }.into()
            }
            Error::IdempotencyConflict => {
                let detail = "The Idempotency-Key was used for a request with another body";
                Refusal::new(StatusCode::CONFLICT, "idempotency-conflict", detail)
            }
            Error::QuotaExceeded { max } => {
                let detail = format!("Too many sessions: at most {max} may be held at once");
                Refusal::new(StatusCode::TOO_MANY_REQUESTS, "session-quota", detail)
            }
            Error::StorageExceeded { max_bytes } => {
                let detail = format!(
                    "The logs of your ended sessions have {max_bytes} bytes, as many as may be kept: delete some, or wait \
                     until they are pruned"
                );
                Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "storage-quota", detail)
            }
            Error::RateLimited { retry_after } => {
                let detail = "Too many sessions created. Please wait before creating more.";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate-limited", detail);
                problem.retry_after(retry_after).into()
            }
            Error::Store(source) => source.into(),
            Error::Bundle(source) => source.into(),
            Error::Limiter(source) => {
                error!(?source, "the rate limiter failed");
                Problem::unavailable("rate limiter").into()
            }
            Error::Signer(source) => {
                error!(?source, "the signer of session tokens failed");
                Problem::unavailable("signer").into()
            }
        }
    }
}

impl From<keys::Error> for Refusal {
    fn from(error: keys::Error) -> Refusal {
        use keys::Error;
        let (status, name, detail) = match error {
            Error::Invalid(invalid) => return invalid.into(),
            Error::Store(source) => return source.into(),
            Error::NotFound => (StatusCode::NOT_FOUND, "key-not-found", "Key not found".to_owned()),
            Error::Over => (StatusCode::CONFLICT, "key-over", "The key is revoked or has expired".to_owned()),
            Error::TooMany => {
                let detail = format!("Your tenant has {MAX_KEYS_PER_TENANT} keys: revoke those you do not need");
                (StatusCode::CONFLICT, "too-many-keys", detail)
            }
        };
        Refusal::new(status, name, detail)
    }
}

impl From<StoreError> for Refusal {
    fn from(source: StoreError) -> Refusal {
        error!(?source, "the store failed");
        match source {
            StoreError::Unavailable(_) => Problem::unavailable("session store").into(),
            StoreError::Corrupt(_) => internal(),
        }
    }
}

impl From<identity::Refused> for Refusal {
    fn from(refused: identity::Refused) -> Refusal {
        use identity::Refused;
        let (status, reason, detail) = match refused {
            Refused::Store(source) => return source.into(),
            Refused::Unavailable => return Problem::unavailable("issuer of ID tokens").into(),
            Refused::Token(wrong) => return invalid_token(&wrong),
            Refused::Missing => {
                (StatusCode::UNAUTHORIZED, "missing-key", "Missing Authorization header with Bearer token")
            }
            Refused::Invalid => (StatusCode::UNAUTHORIZED, "invalid-key", "Invalid API key"),
            Refused::Over => (
                StatusCode::UNAUTHORIZED,
                "key-over",
                "The API key has expired, was revoked, or has another secret now",
            ),
            Refused::ForeignHost => {
                (StatusCode::FORBIDDEN, "foreign-host", "Without a key, only a loopback Host of this server is served")
            }
            Refused::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "foreign-origin",
                "Without a key, only pages of this server's own origin are served",
            ),
        };
        metrics::counter!("podling_auth_failures_total", "reason" => reason).increment(1);
        Refusal::new(status, reason, detail)
    }
}

fn invalid_token(wrong: &identity::Wrong) -> Refusal {
    metrics::counter!("podling_auth_failures_total", "reason" => "invalid-token").increment(1);
    Refusal::new(StatusCode::UNAUTHORIZED, "invalid-token", format!("Invalid ID token: {wrong}"))
}

impl From<BundleError> for Refusal {
    fn from(error: BundleError) -> Refusal {
        let (status, name, detail) = match error {
            BundleError::TooLarge { max } => {
                let detail = format!("A bundle may have at most {max} bytes: leave out what the command does not need");
                (StatusCode::PAYLOAD_TOO_LARGE, "bundle-too-large", detail)
            }
            BundleError::TenantFull { max } => {
                let detail = format!("Your bundles may have at most {max} bytes together, and those there are in use");
                (StatusCode::INSUFFICIENT_STORAGE, "bundle-quota", detail)
            }
            BundleError::TooLong { length } => {
                let detail = format!("Upload-Length is {length} bytes, and more came");
                (StatusCode::BAD_REQUEST, "upload-too-long", detail)
            }
            BundleError::Offset { offset } => {
                let detail = format!("The upload goes on at offset {offset}");
                (StatusCode::CONFLICT, "upload-offset", detail)
            }
            BundleError::Busy => {
                let detail = "Another request is uploading the same, try again";
                let problem = Problem::new(StatusCode::LOCKED, "upload-busy", detail);
                return problem.retry_after(Duration::from_secs(1)).into();
            }
            BundleError::Mismatch { found } => {
                let detail =
                    format!("What was uploaded has the SHA-256 {found}; nothing is kept of it, upload it again");
                (StatusCode::UNPROCESSABLE_ENTITY, "bundle-checksum", detail)
            }
            BundleError::DiskFull => {
                error!("a bundle was refused: the disk is full");
                let detail = "The server's disk is full; what had come of the upload is not kept".to_owned();
                (StatusCode::INSUFFICIENT_STORAGE, "disk-full", detail)
            }
            BundleError::Io(source) => {
                error!(?source, "the directory of bundles failed");
                return Problem::unavailable("directory of bundles").into();
            }
        };
        Refusal::new(status, name, detail)
    }
}

impl From<FollowError> for Refusal {
    fn from(error: FollowError) -> Refusal {
        match error {
            FollowError::Gone => sessions::Error::NotFound.into(),
            FollowError::NotKept { .. } => Refusal::new(StatusCode::GONE, "log-pruned", error.to_string()),
            FollowError::Unreachable => Problem::unavailable("terminal log").into(),
            FollowError::Log(source) => {
                error!(?source, "a terminal log could not be read");
                Problem::unavailable("terminal log").into()
            }
        }
    }
}

impl From<DirectError> for Refusal {
    fn from(error: DirectError) -> Refusal {
        match error {
            DirectError::NotStarted => {
                Refusal::new(StatusCode::CONFLICT, "not-running", "The session has no terminal yet: it is starting")
            }
            DirectError::Ended => Refusal::new(StatusCode::CONFLICT, "not-running", "The session has ended"),
            DirectError::Full => {
                let detail = "The program has not taken what was typed before; nothing of this was typed";
                let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "input-full", detail);
                problem.retry_after(Duration::from_secs(1)).into()
            }
            DirectError::Unreachable => Problem::unavailable("terminal").into(),
            DirectError::Log(source) => FollowError::from(source).into(),
        }
    }
}

/// A fault of our own, of which the caller learns the request's id.
pub(super) fn internal() -> Refusal {
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal server error")
}

pub(super) async fn unknown_path(uri: Uri) -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not-found", format!("There is nothing at {}", uri.path()))
}

pub(super) async fn wrong_method(method: Method, uri: Uri) -> Refusal {
    let detail = format!("{} does not take {method}", uri.path());
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
}
