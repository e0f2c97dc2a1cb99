//! The built program, in pipes and on a real PTY.

mod live;
mod plain;
mod pty;
mod screen;
