//! Signers of session tokens: rings of keys in a directory or at Cloud KMS.
//!
//! `schedule` are the rules; `ring` applies them to whatever keeps the keys (`key_file`, `kms`); `rotation` says when there is to
//! be another.

pub mod args;
pub mod key_file;
pub mod kms;
pub mod ring;
pub mod rotation;
pub mod schedule;

pub use key_file::{KeyFileError, KeyRing};
pub use kms::KmsRing;
