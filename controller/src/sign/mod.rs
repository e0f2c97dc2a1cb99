//! Signers of session tokens.

mod key_file;

pub use key_file::{KeyFileError, KeyRing};
