//! What kubectl, docker and helm expect of a plugin.

pub mod docker;
pub mod kubectl;
