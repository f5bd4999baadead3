//! The mapping tables: what each key of Compose and each field of Kubernetes becomes.
use crate::finding::Findings;
use crate::orchestration::model::{Dialect, WholeObject};
use crate::source::Leftover;
/// t
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target { /// k
 Kubernetes, /// c
 Compose, /// s
 Swarm }
/// x
pub fn report_leftovers(_: &[Leftover], _: Dialect, _: Target, _: &mut Findings) {}
/// x
pub fn report_whole(_: &[WholeObject], _: Target, _: &mut Findings) {}
/// x
pub fn explain_text(_: &str) -> Result<String, String> { Err(String::new()) }
