//! Entry point of `docker-migrate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    docker_migrate::run(std::env::args_os().collect()).into()
}
