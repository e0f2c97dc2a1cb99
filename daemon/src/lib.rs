//! What every server does around its own work: logs and metrics, signals, health, sockets, problem+json.

mod busy;
pub mod grpc;
pub mod health;
pub mod http;
pub mod problem;
pub mod shutdown;
pub mod telemetry;
