//! The gRPC of Podling: generated types, and their conversions to and from those of the domain.
//!
//! The .proto files are the reference. Domain types cross this edge once, here.

mod address;
pub mod channel;
mod codec;
pub mod convert;
pub mod replay;
pub mod socket;
mod stream;
pub mod tls;

pub use generated::{admin::v1 as admin, control::v1 as control, terminal::v1 as terminal};

/// The description of [`admin`], as reflection tells it: an encoded `google.protobuf.FileDescriptorSet`.
pub const ADMIN_DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/admin.bin"));

/// The generated modules refer to each other by the nesting of their packages.
#[expect(unreachable_pub, clippy::allow_attributes, clippy::large_enum_variant, reason = "generated")]
mod generated {
    pub mod admin {
        pub mod v1 {
            tonic::include_proto!("podling.admin.v1");
        }
    }
    pub mod control {
        pub mod v1 {
            tonic::include_proto!("podling.control.v1");
        }
    }
    pub mod terminal {
        pub mod v1 {
            tonic::include_proto!("podling.terminal.v1");
        }
    }
}
