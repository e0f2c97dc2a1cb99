//! What every server does around its own work: logs and metrics, signals, health, sockets, problem+json.

mod busy;
pub mod grpc;
pub mod health;
pub mod http;
pub mod problem;
#[cfg(feature = "redis")]
pub mod redis;
pub mod shutdown;
pub mod telemetry;
