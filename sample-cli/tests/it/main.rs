//! The built program, in pipes and on a real PTY.

mod agent;
mod api;
mod live;
mod plain;
mod pty;
mod run;
mod screen;
mod server;
