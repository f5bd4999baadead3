//! The program `kubectl-migrate`, built for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_migrate::run(std::env::args_os().collect()).into()
}
