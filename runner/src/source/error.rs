//! Why a source did not become a work folder, and how the session ends by it.

use std::{error::Error, io};

use http::StatusCode;
use podling_session::{
    phase::{End, EndReason},
    source::Format,
    spec::InvalidField,
};

use crate::controller::ControllerError;

/// The process's exit code when there is to be a source and none is named.
const EXIT_MISSING: i32 = 2;
/// The process's exit code when a source cannot be fetched or extracted, and when it is not what its checksum says.
const EXIT_SOURCE: i32 = 3;
const EXIT_CHECKSUM: i32 = 1;

/// Messages are read by the session's owner: they name hosts as the URL does, never what a name resolved to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("CODE_URL is missing")]
    Missing,
    #[error("{0}")]
    BadUrl(InvalidField),
    #[error("{0}")]
    BadChecksum(InvalidField),
    #[error("{0}")]
    Url(&'static str),
    #[error("{rule}: {host}")]
    Host { host: String, rule: InvalidField },
    #[error("Private IP addresses are not allowed: {host}")]
    Private { host: String },
    #[error("{host} cannot be resolved")]
    Resolve { host: String, source: io::Error },
    #[error("{0}")]
    Redirect(&'static str),
    #[error("the client for downloads cannot be built")]
    Client(#[source] reqwest::Error),
    #[error("the download from {host} failed")]
    Transfer { host: String, source: reqwest::Error },
    #[error("{host} cannot be connected to")]
    Connect { host: String, source: io::Error },
    #[error("the connection to {host} broke off")]
    Passed { host: String, source: hyper::Error },
    #[error("{0}")]
    Git(String),
    #[error("{host} fell silent")]
    Stalled { host: String },
    #[error("no bytes came for too long")]
    Silent,
    #[error("{host} answered {status}")]
    Status { host: String, status: StatusCode },
    #[error("the transfer broke off, and its rest is of something else")]
    OtherRange,
    #[error("{repository} has no branch, tag or commit with which {path} begins, or is not public")]
    NoReference { repository: String, path: String },
    #[error("fetching and extracting took too long")]
    Deadline,
    #[error("the archive is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("its SHA-256 is {actual}, not {expected}")]
    Checksum { expected: String, actual: String },
    #[error("the archive expands to more than {limit} bytes")]
    Expands { limit: u64 },
    #[error("the archive holds more than {limit} files and folders")]
    TooMany { limit: u64 },
    #[error("entry \"{name}\": {rule}")]
    Entry { name: String, rule: &'static str },
    #[error("the archive is not a sound {}", format.as_str())]
    Damaged { format: Format, source: io::Error },
    #[error("the archive holds no files")]
    Empty,
    #[error("there are no files in the folder {folder}")]
    NoFolder { folder: String },
    #[error("the bundle does not come")]
    Bundle(#[source] ControllerError),
    #[error("the source cannot be stored")]
    Disk(#[source] io::Error),
}

impl SourceError {
    /// Whether the bytes ceased to come: what a second attempt may mend.
    pub(super) fn is_a_cut(&self) -> bool {
        matches!(self, SourceError::Transfer { .. } | SourceError::Stalled { .. })
    }

    /// How the session ends by this error.
    pub(crate) fn end(&self) -> End {
        let (reason, exit_code, what) = match self {
            SourceError::Missing => (EndReason::Source, EXIT_MISSING, "There is no source"),
            SourceError::BadChecksum(_) => (EndReason::Checksum, EXIT_CHECKSUM, "The checksum cannot be used"),
            SourceError::Checksum { .. } => {
                (EndReason::Checksum, EXIT_CHECKSUM, "The source does not match its checksum")
            }
            SourceError::Expands { .. }
            | SourceError::TooMany { .. }
            | SourceError::Entry { .. }
            | SourceError::Damaged { .. }
            | SourceError::Empty
            | SourceError::NoFolder { .. } => (EndReason::Source, EXIT_SOURCE, "The source could not be extracted"),
            _ => (EndReason::Source, EXIT_SOURCE, "The source could not be fetched"),
        };
        End { reason, exit_code: Some(exit_code), detail: format!("{what}: {}.", self.explained()) }
    }

    /// The message and the innermost cause: those between are the names of libraries' layers.
    fn explained(&self) -> String {
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
    fn an_end_names_the_cause_in_one_sentence() {
        let check = |error: SourceError, reason: EndReason, code: i32, detail: &str| {
            assert_eq!(error.end(), End { reason, exit_code: Some(code), detail: detail.to_owned() });
        };
        check(
            SourceError::Checksum { expected: "aa".into(), actual: "bb".into() },
            EndReason::Checksum,
            1,
            "The source does not match its checksum: its SHA-256 is bb, not aa.",
        );
        check(SourceError::Missing, EndReason::Source, 2, "There is no source: CODE_URL is missing.");
        check(
            SourceError::Status { host: "x.org".into(), status: StatusCode::NOT_FOUND },
            EndReason::Source,
            3,
            "The source could not be fetched: x.org answered 404 Not Found.",
        );
        check(
            SourceError::Damaged { format: Format::TarGz, source: io::Error::other("short") },
            EndReason::Source,
            3,
            "The source could not be extracted: the archive is not a sound .tar.gz (short).",
        );
    }
}
