//! gRPC over TCP with TLS, as controllers, gateways and runners speak it.

mod accepting;
mod trusting;
mod world;
