//! Why a call fails, and what its caller may know of that.

use podling_proto::convert::Malformed;
use podling_session::{store::StoreError, viewers::Refused};
use tonic::Status;
use tracing::error;

use crate::{bundles::BundleError, logs::LogError, seal::Unsealable};

#[derive(Debug, thiserror::Error)]
pub(in crate::grpc) enum Error {
    #[error("the credential is refused")]
    Credential,
    #[error("the token is refused")]
    Token,
    #[error("the grant is refused: {0}")]
    Grant(&'static str),
    #[error("the call is about another runner's session")]
    OtherSession,
    #[error("no such session")]
    NoSession,
    #[error("the session is not made from such a bundle")]
    NoBundle,
    #[error("too many viewers")]
    TooManyViewers,
    #[error("the log was pruned")]
    Pruned,
    /// The message is the first offset that is kept.
    #[error("{first}")]
    NotKept { first: u64 },
    #[error("the report is not of its form")]
    Report,
    /// Trying again soon helps.
    #[error("{0}")]
    NotReady(&'static str),
    #[error(transparent)]
    Malformed(#[from] Malformed),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Bundle(#[from] BundleError),
    #[error(transparent)]
    Unsealable(#[from] Unsealable),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Error {
        Error::Log(LogError::Store(error))
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Error {
        match refused {
            Refused::TooMany => Error::TooManyViewers,
            Refused::OtherNonce => Error::Grant("the viewer attached with another nonce"),
            Refused::OldGeneration => Error::Grant("the viewer has confirmed a later generation"),
            Refused::OlderGrant => Error::Grant("the viewer's open stream has a younger grant"),
            Refused::Expired => Error::Grant("it has expired"),
            Refused::Revoked => Error::Grant("its share was revoked"),
        }
    }
}

/// The one match that decides what a caller may know. Internal causes are logged here and never sent.
impl From<Error> for Status {
    fn from(error: Error) -> Status {
        let told = error.to_string();
        match error {
            Error::Credential | Error::Token | Error::Grant(_) => Status::unauthenticated(told),
            Error::OtherSession => Status::permission_denied(told),
            Error::NoSession | Error::NoBundle => Status::not_found(told),
            Error::TooManyViewers => Status::resource_exhausted(told),
            Error::Pruned => Status::failed_precondition(told),
            Error::NotKept { .. } => Status::out_of_range(told),
            Error::NotReady(_) => Status::unavailable(told),
            Error::Malformed(_) | Error::Report => Status::invalid_argument(told),
            Error::Log(LogError::Store(StoreError::Unavailable(source))) => {
                error!(%source, "the session store is unavailable");
                Status::unavailable("the session store is unavailable")
            }
            Error::Log(LogError::Store(StoreError::Corrupt(what))) => {
                error!(what, "the session store holds a row that cannot be read");
                Status::internal("internal error")
            }
            Error::Log(LogError::Blob(source)) => {
                error!(%source, "the blob store failed");
                Status::unavailable("the blob store is unavailable")
            }
            Error::Log(LogError::Broken { .. }) => {
                error!("{told}");
                Status::data_loss(told)
            }
            Error::Bundle(source) => {
                error!(?source, "a bundle could not be read");
                Status::unavailable("the directory of bundles is unavailable")
            }
            Error::Unsealable(source) => {
                error!(%source, "a session's key cannot be opened: was the seal key changed?");
                Status::internal("internal error")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    #[test]
    fn internal_causes_are_not_sent() {
        let sql = || StoreError::Unavailable("no such table: sessions".into());
        let status = Status::from(Error::from(sql()));
        assert_eq!((status.code(), status.message()), (Code::Unavailable, "the session store is unavailable"));
        let status = Status::from(Error::from(StoreError::Corrupt("uid 17".into())));
        assert_eq!((status.code(), status.message()), (Code::Internal, "internal error"));
    }

    #[test]
    fn a_broken_segment_is_named() {
        let status = Status::from(Error::Log(LogError::Broken { sequence: 3, fault: "does not match its hash" }));
        assert_eq!(status.code(), Code::DataLoss);
        assert_eq!(status.message(), "segment 3 of the terminal log does not match its hash");
    }
}
