//! Entry point of `helm-convert`.

use std::process::ExitCode;

fn main() -> ExitCode {
    helm_convert::run(std::env::args_os().collect()).into()
}
