//! What users see, end to end: the built binary, real sockets, a real browser, real signals.

mod attacks;
mod chaos;
mod control;
mod creates;
mod deaths;
mod documents;
mod ends;
mod handover;
mod help;
mod inputs;
mod installs;
mod isolation;
mod live;
mod lossless;
mod page;
mod readme;
mod replicas;
mod road;
mod rows;
mod schema;
mod secrets;
mod services;
mod starts;
mod tokens;
mod troubles;
mod warm;
