//! The program `helm-convert`, built for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    helm_convert::run(std::env::args_os().collect()).into()
}
