//! Why an operator's call fails, and what it is told of that.

use podling_session::{limit::Unavailable, spec::InvalidField, store::StoreError};
use tonic::Status;
use tracing::error;

use crate::grpc::error;

#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Invalid(#[from] InvalidField),
    #[error("no such {0}")]
    NotFound(&'static str),
    #[error("{0}")]
    Precondition(&'static str),
    #[error("{0}")]
    Exhausted(String),
    #[error("the store failed")]
    Store(#[from] StoreError),
    #[error("the signer failed")]
    Signer(#[source] Unavailable),
}

/// Internal causes are logged here and never sent.
impl From<Error> for Status {
    fn from(error: Error) -> Status {
        let told = error.to_string();
        match error {
            Error::Invalid(invalid) => Status::invalid_argument(invalid.message),
            Error::NotFound(_) => Status::not_found(told),
            Error::Precondition(_) => Status::failed_precondition(told),
            Error::Exhausted(_) => Status::resource_exhausted(told),
            Error::Store(source) => error::Error::from(source).into(),
            Error::Signer(source) => {
                error!(?source, "the signer of session tokens failed");
                Status::unavailable("the signer is unavailable")
            }
        }
    }
}
