//! Compiles the .proto files with a compiler written in Rust, so that a plain cargo build needs no protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["podling/terminal/v1/terminal.proto", "podling/control/v1/control.proto"];
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(files, ["proto"])?;
    tonic_prost_build::configure().bytes(".").codec_path("crate::codec::ProtobufCodec").compile_fds(descriptors)?;
    Ok(())
}
