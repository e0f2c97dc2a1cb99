//! The gateway over TCP, against a controller and a runner that speak the real gRPC over Unix sockets.

mod autobahn;
mod client;
mod controller;
mod runner;
mod world;

mod crowd;
mod drain;
mod failover;
mod limits;
mod live;
mod once;
mod page;
mod protocol;
mod redis;
mod refusals;
mod upgrade;
