//! Any text as Kubernetes objects, all the way to Compose and to Swarm.
#![no_main]

use std::path::PathBuf;

use libfuzzer_sys::fuzz_target;
use migrate::orchestration::compose::{ComposeOptions, ComposeTarget};
use migrate::orchestration::convert::to_compose;
use migrate::orchestration::kubernetes::load::LoadOptions;
use migrate::source::Memory;

fuzz_target!(|text: &str| {
    for target in [ComposeTarget::Compose, ComposeTarget::Swarm] {
        let options = LoadOptions {
            files: vec![PathBuf::from("-")],
            stdin: Some(text.to_owned()),
            ..LoadOptions::default()
        };
        let choices = ComposeOptions {
            target,
            ..ComposeOptions::default()
        };
        if let Err(failure) = to_compose(&options, &choices, true, &Memory::default()) {
            assert!(failure.findings.has_errors(), "a refusal without a reason");
        }
    }
});
