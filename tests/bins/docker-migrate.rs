//! The program `docker-migrate`, built for the tests of this crate.

use std::process::ExitCode;

fn main() -> ExitCode {
    docker_migrate::run(std::env::args_os().collect()).into()
}
