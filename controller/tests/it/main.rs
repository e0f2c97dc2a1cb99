//! The controller from the outside.

mod grpc;
mod store;
mod work;
