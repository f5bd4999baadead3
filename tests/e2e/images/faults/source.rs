//! What a source can do wrong.

use super::*;

/// In two seconds, as HTTP writes it.
fn soon() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", "+2 seconds", "+%a, %d %b %Y %H:%M:%S GMT"])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn wrong_bytes(error: &ImageError) -> bool {
    matches!(error, ImageError::WrongBytes { .. })
}

pub(super) fn cases() -> Vec<Case> {
    let part = 2_000_000;
    let path = format!("/blobs/{}", large());
    let of = |name, fault| Case::new(name, Side::Source, fault);
    let asked = |action| Fault::once("HEAD", "/manifests/1", action);
    let manifest = |action| Fault::once("GET", "/manifests/", action);
    let blob = |action| Fault::once("GET", &path, action);
    let cut = || blob(Action::CutResponse { after: part });
    let recovers = [500, 502, 503, 504, 408].map(|code| {
        let fault = asked(status(code)).times(2);
        of("the source fails and recovers", fault)
    });
    let mut cases = vec![
        of("429", manifest(too_many(None))),
        of("429 with seconds", manifest(too_many(Some("1")))),
        of("429 with a date", blob(too_many(Some(&soon())))),
        of(
            "a manifest breaks off",
            manifest(Action::CutResponse { after: 50 }),
        ),
        of(
            "a manifest is shorter than it was",
            manifest(Action::ShortResponse { after: 50 }).always(),
        )
        .fails(wrong_bytes),
        of(
            "a manifest has a wrong byte",
            manifest(Action::FlipResponse { at: 20 }).always(),
        )
        .fails(wrong_bytes),
        of(
            "another digest than the bytes have",
            asked(Action::SetHeader("docker-content-digest", sha256(b"x"))),
        )
        .fails(|error| matches!(error, ImageError::NotFound { .. })),
        of(
            "no digest in the answer",
            asked(Action::DropHeader("docker-content-digest")),
        ),
        of("a blob breaks off", cut()),
        of("a blob breaks off again and again", cut().times(4)),
        of(
            "a blob ends too early",
            blob(Action::ShortResponse { after: part }),
        ),
        of(
            "a blob is shorter than it is said to be",
            blob(Action::ShortResponse { after: 0 }).always(),
        )
        .fails(|error| matches!(error, ImageError::Unreachable { .. })),
        of("a blob breaks off and ranges are not served", cut())
            .and(blob(Action::WithoutRequestHeader("range")).ranged()),
        of(
            "a bit turns on the way",
            blob(Action::FlipResponse { at: part }),
        )
        .again(LARGE),
        of(
            "the storage has a wrong bit",
            blob(Action::FlipResponse { at: part }).always(),
        )
        .fails(|error| {
            matches!(error, ImageError::WrongBytes { expected, .. } if expected.to_string() == large())
        }),
        of("a blob is gone", blob(status(404)).always()).fails(|error| {
            matches!(error, ImageError::NotFound { what, .. } if what.contains("blob sha256:"))
        }),
        of("access is refused", asked(status(403)).always())
            .fails(|error| matches!(error, ImageError::Denied { .. })),
        of(
            "the source comes in drops",
            Fault::once("GET", "/blobs/", Action::Dribble { piece: 20_000 }).always(),
        ),
        of("the source fails for good", manifest(status(503)).always())
            .fails(|error| matches!(error, ImageError::ServerFailed { .. })),
        of(
            "the source waits",
            manifest(Action::Delay(std::time::Duration::from_millis(800))),
        ),
    ];
    cases.extend(recovers);
    cases
}
