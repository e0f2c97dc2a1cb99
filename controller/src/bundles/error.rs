//! Why a bundle is not stored or not found.

use std::io;

#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    #[error("a bundle may have at most {max} bytes")]
    TooLarge { max: u64 },
    #[error("the bundles of a tenant may have at most {max} bytes together")]
    TenantFull { max: u64 },
    /// More came than was said before.
    #[error("the upload was to have {length} bytes")]
    TooLong { length: u64 },
    #[error("the upload goes on at {offset}")]
    Offset { offset: u64 },
    /// Another request of the same uploader writes it at this moment.
    #[error("the upload is under way")]
    Busy,
    /// Nothing is kept of it.
    #[error("the bytes have the SHA-256 {found}")]
    Mismatch { found: String },
    /// What had come of the upload is removed.
    #[error("the disk is full")]
    DiskFull,
    #[error("the directory of bundles failed")]
    Io(#[source] io::Error),
}

impl From<io::Error> for BundleError {
    fn from(error: io::Error) -> BundleError {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => BundleError::DiskFull,
            _ => BundleError::Io(error),
        }
    }
}
