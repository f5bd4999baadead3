//! What a target can do wrong.

use super::*;

pub(super) fn cases() -> Vec<Case> {
    const UPLOADS: &str = "/blobs/uploads/";
    let part = 5 << 20;
    let digest = format!("digest={}", large().replace(':', "%3A"));
    let of = |name, fault| Case::new(name, Side::Target, fault);
    let opening = |action| Fault::once("POST", UPLOADS, action);
    // The request with the bytes of the large layer, which commits it as well.
    let upload = |action| Fault::once("PUT", &digest, action);
    let manifest = |action| Fault::once("PUT", "/manifests/", action);
    let breaks_off = |name| of(name, upload(Action::CutRequest { after: part }));
    let answers_early = |name, status| {
        let fault = upload(Action::AnswerEarly {
            after: part,
            status,
        });
        of(name, fault).again(LARGE)
    };
    let turns_a_bit = || upload(Action::FlipRequest { at: 4_000_000 });
    let fails_to_open =
        [500, 502, 503, 504].map(|code| of("an upload is not opened", opening(status(code))));
    let mut cases = vec![
        of("429 for an upload", opening(too_many(Some("1")))),
        of("429 for a commit", upload(too_many(None))).again(LARGE),
        of(
            "an upload without a place",
            opening(Action::DropHeader("location")).always(),
        )
        .fails(|error| matches!(error, ImageError::Protocol { .. })),
        breaks_off("an upload breaks off").again(1 << 20),
        of(
            "an upload breaks off four times",
            upload(Action::CutRequest { after: 2 << 20 }).times(4),
        )
        .again(4 << 20),
        breaks_off("a session is void: 416")
            .and(upload(status(416)))
            .again(2 * LARGE),
        breaks_off("a session is void: 400")
            .and(upload(status(400)))
            .again(2 * LARGE),
        breaks_off("a session is gone")
            .and(Fault::once("GET", UPLOADS, status(404)))
            .again(LARGE),
        breaks_off("a session cannot be asked about")
            .and(Fault::once("GET", UPLOADS, status(405)))
            .again(LARGE),
        answers_early("401 during an upload", 401),
        answers_early("413 for a whole blob", 413),
        answers_early("500 before the end of the body", 500),
        of("503 instead of a commit", upload(status(503)).times(2)).again(2 * LARGE),
        of("a commit is never heard of", upload(Action::LoseAnswer)),
        of("a bit turns on the way to the target", turns_a_bit()).again(LARGE),
        of("a bit turns each time", turns_a_bit().always())
            .fails(|error| matches!(error, ImageError::UploadLost { .. })),
        of(
            "a manifest is refused for the moment",
            manifest(status(500)).times(2),
        ),
        of(
            "a manifest is written and that is never heard of",
            manifest(Action::LoseAnswer),
        ),
        of(
            "a manifest is refused for good",
            manifest(status(403)).always(),
        )
        .fails(|error| matches!(error, ImageError::Denied { .. })),
        of(
            "the target claims to have a blob",
            Fault::once("HEAD", "/blobs/", status(200)).times(2),
        ),
        of(
            "a proxy before the target is down",
            Fault::once("HEAD", "", status(502)).times(3),
        ),
        of(
            "the tag shows something else",
            Fault::once(
                "HEAD",
                "/manifests/1",
                Action::SetHeader("docker-content-digest", sha256(b"x")),
            )
            .after(1)
            .always(),
        )
        .fails(|error| {
            matches!(
                error,
                ImageError::WrongBytes { .. }
                    | ImageError::NotFound { .. }
                    | ImageError::Protocol { .. }
            )
        }),
    ];
    cases.extend(fails_to_open);
    cases
}
