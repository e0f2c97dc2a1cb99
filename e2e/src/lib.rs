//! Drives the built `podling` as its users do: over HTTP, WebSocket, a browser, and signals.

pub mod archive;
pub mod browser;
pub mod chaos;
pub mod firebase;
pub mod form;
pub mod git;
pub mod internet;
pub mod launches;
pub mod live;
pub mod messages;
pub mod operator;
pub mod podling;
pub mod process;
pub mod proxy;
pub mod pty;
pub mod setting;
pub mod store;
pub mod viewer;
pub mod wait;
pub mod workspace;
