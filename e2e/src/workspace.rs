//! Where the workspace lies.

use std::path::{Path, PathBuf};

/// The workspace's root, as the cargo that runs us tells it: what it was when this was built may have moved since.
pub fn root() -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this");
    Path::new(&package).parent().expect("packages lie in the workspace").to_owned()
}

/// The folder of the end-to-end tests.
pub fn e2e() -> PathBuf {
    root().join("e2e")
}
