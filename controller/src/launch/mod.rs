//! The launchers: adapters behind `podling_session::launch::Launcher`.

pub mod local;
