//! Helm sees the same chart in an archive as in a folder.

use std::path::PathBuf;

use super::super::Helm;
use super::super::helm::{NAMESPACE, RELEASE, Render};
use super::super::input::ChartFiles;
use super::super::variants;
use super::super::work::OnDisk;
use super::{chart, helm};
use crate::host::private::PrivateFolder;

const CRD: &str =
    "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: NAME}\n";
const SEEN: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: seen\ndata:\n{{- range $path, $content := .Files.Glob \"**\" }}\n  {{ $path | quote }}: {{ toString $content | quote }}\n{{- end }}\n";

#[test]
fn an_archive_renders_as_its_folder_does() {
    let Some(third) = helm() else { return };
    let fourth = std::env::var_os("MIGRATE_LAB_HELM4").map(PathBuf::from);
    let long = format!("conf/{}.txt", "long".repeat(40));
    let [first, second] = ["x", "y"].map(|name| CRD.replace("NAME", name));
    let mut files = vec![
        ("templates/seen.yaml", SEEN),
        // In a folder, `a` comes before `a-b`; as texts, the other way round.
        ("crds/a/x.yaml", first.as_str()),
        ("crds/a-b/y.yaml", second.as_str()),
        ("conf/kept.txt", "kept"),
        ("conf/old.bak", "ignored"),
        ("conf/deep/docs/a.md", "ignored"),
        (long.as_str(), "long"),
        ("templates/.hidden.yaml", "no: object"),
        ("templates/_name.tpl", "{{ define \"n\" }}n{{ end }}"),
        (
            "charts/sub/Chart.yaml",
            "apiVersion: v2\nname: sub\nversion: 0.1.0\n",
        ),
        ("charts/sub/templates/seen.yaml", SEEN),
        ("charts/sub/conf/a.bak", "ignored"),
        ("charts/sub/conf/\u{fc}.txt", "named in another script"),
    ];
    for (rules, packed) in [
        ("# none\n*.bak\ndocs/\n/conf/deep/x\n", true),
        ("docs/\n*.b[a]k\n", false),
    ] {
        files.push((".helmignore", rules));
        let chart = chart(&files);
        files.pop();
        let loose = PrivateFolder::for_much().unwrap();
        chart
            .write_unpacked(loose.path(), &ChartFiles::default())
            .unwrap();
        for helm in [Some(&third), fourth.clone().map(Helm::at).as_ref()]
            .into_iter()
            .flatten()
        {
            let disk = OnDisk::write(&chart, &[], false, true).unwrap();
            assert_eq!(disk.chart().is_file(), packed, "{rules}");
            let ours = disk.print(helm, &variants::required(&[])[0], &[]);
            let render = Render {
                chart: loose.path(),
                release: RELEASE,
                namespace: NAMESPACE,
                values: &[],
                capabilities: &[],
            };
            let theirs = helm.template(&render).unwrap().end().unwrap();
            assert_eq!(ours.unwrap(), theirs, "{rules}");
            assert!(theirs.contains("named in another script"), "{theirs}");
            assert!(!theirs.contains("ignored\""), "{theirs}");
        }
    }
}
