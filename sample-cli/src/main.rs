//! `sample-cli`: see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    podling_sample::main_with(std::env::args_os())
}
