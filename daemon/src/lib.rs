//! What every server does around its own work: logs and metrics, signals, health, sockets, problem+json.

mod busy;
pub mod client_address;
pub mod grpc;
pub mod health;
pub mod http;
mod peers;
pub mod problem;
pub mod process;
#[cfg(feature = "redis")]
pub mod redis;
pub mod request;
mod secured;
pub mod service_key;
pub mod shutdown;
pub mod source_args;
pub mod telemetry;
pub mod tls;
pub mod turnstile;
pub mod watched;
