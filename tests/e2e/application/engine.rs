//! A real Docker engine, and our programs with it.

use std::path::Path;
use std::process::{Command, Output};

use tests::lab::engine::Engine;

use super::{COMPONENTS, docker_migrate};

/// An engine that manages a Swarm; none where it cannot be had.
pub(super) fn swarm() -> Option<Engine> {
    let tools = tests::lab::need("node-tools", COMPONENTS.node_tools.as_deref());
    let engine = tools.and_then(Engine::start_swarm);
    match engine {
        Ok(engine) => Some(engine),
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "{error}"
            );
            println!("NOT TESTED: no engine could be started: {error}");
            None
        }
    }
}

/// `docker-migrate` for an engine.
pub(super) fn command(engine: &Engine, home: &Path) -> Command {
    let mut command = docker_migrate(home);
    command.env("DOCKER_HOST", engine.host()).env(
        "DOCKER_CLI_PLUGIN_ORIGINAL_CLI_COMMAND",
        COMPONENTS.docker.as_ref().unwrap(),
    );
    command
}

pub(super) fn migrate(engine: &Engine, home: &Path, arguments: &[&str]) -> Output {
    command(engine, home).args(arguments).output().unwrap()
}
