//! The domain of Podling, without I/O: what a session is, who may reach it, and the rules by which both change.
//!
//! Everything here is a function of values (`now` included), so the life of a session and the life of a token are
//! tested without a server. Adapters for the seam traits live in the one binary that uses them.

pub mod address;
pub mod code_hosts;
pub mod forward;
pub mod id;
mod names;
pub mod principal;
pub mod quota;
pub mod scopes;
pub mod size;
pub mod source;
pub mod spec;

pub mod event;
pub mod phase;
pub mod session;

pub mod attendance;
pub mod capability;
pub mod share;
pub mod token;
pub mod viewers;

pub mod frame;
pub mod history;
pub mod log;
pub mod refusal;

pub mod audit;
pub mod launch;
pub mod limit;
pub mod operator;
pub mod replay;
pub mod sign;
pub mod store;
