//! Entry point of `kubectl-migrate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    kubectl_migrate::run(std::env::args_os().collect()).into()
}
