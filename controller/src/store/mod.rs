//! Where sessions, runners, events and principals are kept: the adapters of the seams in `podling_session::store`.

pub mod sqlite;
