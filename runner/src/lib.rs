//! The runner: the trusted process that serves one incarnation of a session. It fetches the source, surrounds the
//! command with a sandbox, keeps the terminal log, and serves viewers.

pub mod args;
mod controller;

mod install;
pub mod sandbox;
mod source;

mod program;
mod pty;

mod attach;
mod terminal;
