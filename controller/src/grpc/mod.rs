//! The gRPC doors: runners report and take orders, gateways admit viewers, stored terminal logs are served.

pub mod orders;
