//! The controller: owns sessions, and is the only one that writes to their stores.
//!
//! Doors (`http`, `grpc`) call verbs (`sessions`, `work`, `pool`, `reaper`), verbs call adapters (`store`, `launch`, `sign`,
//! `identity`) through the seams of `podling-session`.

pub mod args;
pub mod core;
pub mod run;
pub mod service;

pub mod grpc;
pub mod http;

pub mod allowance;
pub mod audit;
pub mod beats;
pub mod bundles;
pub mod clock;
pub mod direct;
pub mod logs;
pub mod pool;
pub mod quotas;
pub mod reaper;
pub mod sessions;
pub mod shares;
pub mod work;

pub mod adapters;
pub mod admin_listen;
pub mod data_dir;
mod drain;
pub mod identity;
pub mod keys;
pub mod launch;
pub mod limit;
pub mod listen;
pub mod seal;
pub mod sign;
pub mod store;
