//! The controller from the outside.

mod grpc;
mod http;
mod store;
mod wait;
mod work;
