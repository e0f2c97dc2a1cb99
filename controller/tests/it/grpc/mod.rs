//! The gRPC doors, spoken to over a Unix socket as runners and gateways do.

mod admitting;
mod attaching;
mod claiming;
mod controlling;
mod draining;
mod drawing;
mod following;
mod log;
mod losing;
mod refusing;
mod registering;
mod reporting;
mod settling;
mod sitting;
mod viewer;
mod world;
