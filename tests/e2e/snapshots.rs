//! What the program writes and says for each fixture, as text that people review.

use migrate::orchestration::compose::ComposeTarget;
use migrate::orchestration::convert::{Conversion, Failure, to_yaml};
use migrate::report::{Style, to_text};
use migrate::source::Disk;
use tests::fixtures;
use tests::run::{to_file, to_objects};

fn show(result: &Result<Conversion, Box<Failure>>) -> String {
    let style = Style {
        excerpts: false,
        colour: false,
        info: true,
        width: 100,
    };
    let (text, findings) = match result {
        Ok(conversion) => {
            let mut text = to_yaml(conversion.output.documents.iter().map(|d| &d.value));
            for file in &conversion.output.files {
                let content = if file.secret {
                    format!("<{} bytes>", file.bytes.len())
                } else {
                    String::from_utf8_lossy(&file.bytes).into_owned()
                };
                text.push_str(&format!("=== {}\n{content}\n", file.path));
            }
            (
                text,
                to_text(&conversion.findings, &conversion.sources, style),
            )
        }
        Err(failure) => (
            "refused\n".to_owned(),
            to_text(&failure.findings, &failure.sources, style),
        ),
    };
    let root = fixtures::folder().display().to_string();
    format!("{text}=== findings\n{findings}").replace(&format!("{root}/"), "")
}

fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}

#[test]
fn compose_fixtures() {
    settings().bind(|| {
        for fixture in fixtures::compose() {
            insta::assert_snapshot!(
                format!("to-kubernetes-{}", fixture.name),
                show(&to_objects(&fixture, &Disk))
            );
        }
    });
}

#[test]
fn kubernetes_fixtures() {
    settings().bind(|| {
        for fixture in fixtures::kubernetes() {
            for (name, target) in [
                ("compose", ComposeTarget::Compose),
                ("swarm", ComposeTarget::Swarm),
            ] {
                insta::assert_snapshot!(
                    format!("to-{name}-{}", fixture.name),
                    show(&to_file(&fixture, target, &Disk))
                );
            }
        }
    });
}
