//! Compiles the .proto files with a compiler written in Rust, so that a plain cargo build needs no protoc.

use std::{error::Error, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let internal =
        protox::compile(["podling/terminal/v1/terminal.proto", "podling/control/v1/control.proto"], ["proto"])?;
    generate(internal)?;
    let mut admin = protox::Compiler::new(["proto"])?;
    admin.include_imports(true).include_source_info(false).open_files(["podling/admin/v1/admin.proto"])?;
    // What clients are told by reflection.
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo names a directory for what is built")?);
    std::fs::write(out.join("admin.bin"), admin.encode_file_descriptor_set())?;
    generate(admin.file_descriptor_set())
}

fn generate(descriptors: protox::prost_reflect::prost_types::FileDescriptorSet) -> Result<(), Box<dyn Error>> {
    tonic_prost_build::configure().bytes(".").codec_path("crate::codec::ProtobufCodec").compile_fds(descriptors)?;
    Ok(())
}
