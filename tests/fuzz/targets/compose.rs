//! Any text as a Compose file, all the way to Kubernetes and back.
#![no_main]

use std::path::{Path, PathBuf};

use libfuzzer_sys::fuzz_target;
use migrate::orchestration::compose::load::LoadOptions;
use migrate::orchestration::convert::{to_kubernetes, to_yaml};
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::source::Memory;

fuzz_target!(|text: &str| {
    let mut files = Memory::default();
    files.add("/p/compose.yaml", text);
    files.add("/p/app.env", "A=1\nexport B='x y'\nC=\"${A}\"\n");
    files.add("/p/config.txt", "content");
    let options = LoadOptions {
        files: vec![PathBuf::from("/p/compose.yaml")],
        working_dir: PathBuf::from("/p"),
        ..LoadOptions::default()
    };
    match to_kubernetes(&options, &KubernetesOptions::default(), true, &files) {
        Ok(conversion) => {
            assert!(to_yaml(conversion.output.documents.iter().map(|d| &d.value)).len() < 64 << 20);
        }
        Err(failure) => assert!(failure.findings.has_errors(), "a refusal without a reason"),
    }
    assert!(!Path::new("/p").exists());
});
