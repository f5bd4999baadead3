//! One module for each verb.

pub(crate) mod chart;
pub(crate) mod choices;
pub(crate) mod install_post_render;
pub(crate) mod post_render;
pub(crate) mod values;
