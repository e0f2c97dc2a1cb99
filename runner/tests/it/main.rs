//! The runner as a process, between a controller and viewers that speak the real gRPC.

mod controller;
mod viewer;
mod world;

mod asking;
mod attaching;
mod failing;
mod living;
mod pinning;
mod resizing;
mod stopping;
