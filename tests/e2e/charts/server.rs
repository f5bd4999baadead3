//! Converted charts before a real API server.

use std::path::PathBuf;

use tests::lab::ControlPlane;

use super::fixtures::all;
use super::{COMPONENTS, charts_folder, convert, helms, run};

#[test]
fn api_server_takes_what_helm_installs() {
    let helms = helms();
    let Some((_, first)) = helms.first() else {
        return;
    };
    let plane = match ControlPlane::start(&COMPONENTS) {
        Ok(plane) => plane,
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "kube-apiserver is required here: {error}"
            );
            println!("NOT TESTED: {error}");
            return;
        }
    };
    let crds = charts_folder().join("provider-crds.yaml");
    let applied = plane
        .kubectl()
        .args(["apply", "--server-side", "-f"])
        .arg(&crds)
        .output()
        .unwrap();
    assert!(
        applied.status.success(),
        "{}",
        String::from_utf8_lossy(&applied.stderr)
    );
    let waited = plane
        .kubectl()
        .args([
            "wait",
            "--for=condition=Established",
            "--timeout=30s",
            "crd",
            "--all",
        ])
        .output()
        .unwrap();
    assert!(
        waited.status.success(),
        "{}",
        String::from_utf8_lossy(&waited.stderr)
    );
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    let mut installed = 0;
    for fixture in all() {
        let out = folder.path().join(fixture.name);
        let conversion = convert(first, &fixture.path(), fixture.from, fixture.to(), &[]).unwrap();
        conversion.output.write(&out, false).unwrap();
        for (name, helm) in &helms {
            // Charts of 2018 hold kinds that today's server no longer knows; they are asked for as far as it does.
            if !fixture.current {
                continue;
            }
            let kubeconfig: PathBuf = plane.kubeconfig();
            let result = run(
                helm,
                &[
                    "install".as_ref(),
                    "shop".as_ref(),
                    out.as_os_str(),
                    "--dry-run=server".as_ref(),
                    "--kubeconfig".as_ref(),
                    kubeconfig.as_os_str(),
                ],
            );
            match result {
                Ok(_) => installed += 1,
                Err(error) => wrong.push(format!("{} {name}: {error}", fixture.name)),
            }
        }
    }
    println!("{installed} installations accepted by a real API server");
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
