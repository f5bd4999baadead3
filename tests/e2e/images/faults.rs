//! Whatever breaks: the target has an image whole or not at all, and the next run sends nothing again that arrived.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _};
use migrate::images::ImageError;
use tests::fault::{Action, Fault, Proxy, tcp};
use tests::image::{Held, Image, held, image, noise, push};

use super::*;

/// Where something breaks.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Source,
    Target,
}
use Side::{Source, Target};

/// How the run ends in spite of it.
enum Ends {
    /// All is there.
    Well,
    /// The image is not there, for this reason.
    With(fn(&ImageError) -> bool),
}
use Ends::{Well, With};

struct Case {
    name: &'static str,
    side: Side,
    faults: Vec<Fault>,
    ends: Ends,
    /// Bytes that may be sent twice.
    again: u64,
}

fn case(name: &'static str, side: Side, fault: Fault, ends: Ends) -> Case {
    Case {
        name,
        side,
        faults: vec![fault],
        ends,
        again: 0,
    }
}

impl Case {
    fn and(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// A blob may be sent twice.
    fn again(mut self, bytes: u64) -> Self {
        self.again = bytes;
        self
    }
}

const LARGE: usize = 9 << 20;

fn app() -> Image {
    image(&[noise(1, LARGE), noise(2, 700_000), noise(3, 90)], "amd64")
}

fn large() -> String {
    format!("/blobs/{}", tests::image::sha256(&noise(1, LARGE)))
}

fn status(status: u16) -> Action {
    Action::Answer {
        status,
        headers: Vec::new(),
        body: String::new(),
    }
}

fn too_many(retry_after: Option<String>) -> Action {
    Action::Answer {
        status: 429,
        headers: retry_after
            .map(|text| ("retry-after", text))
            .into_iter()
            .collect(),
        body: r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#.into(),
    }
}

/// In two seconds, as HTTP writes it.
fn soon() -> String {
    let output = std::process::Command::new("date")
        .args(["-u", "-d", "+2 seconds", "+%a, %d %b %Y %H:%M:%S GMT"])
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn of_source() -> Vec<Case> {
    let large = large();
    let part = 2_000_000;
    let unreachable = |error: &ImageError| matches!(error, ImageError::Unreachable { .. });
    let mut cases: Vec<Case> = [500, 502, 503, 504, 408]
        .into_iter()
        .map(|code| {
            let fault = Fault::once("HEAD", "/manifests/1", status(code)).times(2);
            case("the source fails and recovers", Source, fault, Well)
        })
        .collect();
    cases.extend([
        case("429", Source, Fault::once("GET", "/manifests/", too_many(None)), Well),
        case("429 with seconds", Source, Fault::once("GET", "/manifests/", too_many(Some("1".into()))), Well),
        case("429 with a date", Source, Fault::once("GET", &large, too_many(Some(soon()))), Well),
        case("a manifest breaks off", Source, Fault::once("GET", "/manifests/", Action::CutResponse { after: 50 }), Well),
        case("a manifest is shorter than it was", Source, Fault::once("GET", "/manifests/", Action::ShortResponse { after: 50 }).always(),
            With(|error| matches!(error, ImageError::WrongBytes { .. }))),
        case("a manifest has a wrong byte", Source, Fault::once("GET", "/manifests/", Action::FlipResponse { at: 20 }).always(),
            With(|error| matches!(error, ImageError::WrongBytes { .. }))),
        case("another digest than the bytes have", Source,
            Fault::once("HEAD", "/manifests/1", Action::SetHeader("docker-content-digest", tests::image::sha256(b"x"))),
            With(|error| matches!(error, ImageError::NotFound { .. }))),
        case("no digest in the answer", Source, Fault::once("HEAD", "/manifests/1", Action::DropHeader("docker-content-digest")), Well),
        case("a blob breaks off", Source, Fault::once("GET", &large, Action::CutResponse { after: part }), Well),
        case("a blob breaks off again and again", Source, Fault::once("GET", &large, Action::CutResponse { after: part }).times(4), Well),
        case("a blob ends too early", Source, Fault::once("GET", &large, Action::ShortResponse { after: part }), Well),
        case("a blob is shorter than it is said to be", Source, Fault::once("GET", &large, Action::ShortResponse { after: 0 }).always(), With(unreachable)),
        case("a blob breaks off and ranges are not served", Source, Fault::once("GET", &large, Action::CutResponse { after: part }), Well)
            .and(Fault::once("GET", &large, Action::WithoutRequestHeader("range")).ranged()),
        case("a bit turns on the way", Source, Fault::once("GET", &large, Action::FlipResponse { at: part }), Well).again(LARGE as u64),
        case("the storage has a wrong bit", Source, Fault::once("GET", &large, Action::FlipResponse { at: part }).always(),
            With(|error| matches!(error, ImageError::WrongBytes { expected, .. } if large_is(expected)))),
        case("a blob is gone", Source, Fault::once("GET", &large, status(404)).always(),
            With(|error| matches!(error, ImageError::NotFound { what, .. } if what.contains("blob sha256:")))),
        case("access is refused", Source, Fault::once("HEAD", "/manifests/1", status(403)).always(),
            With(|error| matches!(error, ImageError::Denied { .. }))),
        case("the source comes in drops", Source, Fault::once("GET", "/blobs/", Action::Dribble { piece: 20_000 }).always(), Well),
        case("the source fails for good", Source, Fault::once("GET", "/manifests/", status(503)).always(),
            With(|error| matches!(error, ImageError::ServerFailed { .. }))),
        case("the source waits", Source, Fault::once("GET", "/manifests/", Action::Delay(std::time::Duration::from_millis(800))), Well),
    ]);
    cases
}

fn large_is(digest: &migrate::images::Digest) -> bool {
    digest.to_string() == tests::image::sha256(&noise(1, LARGE))
}

fn of_target() -> Vec<Case> {
    let uploads = "/blobs/uploads/";
    // The commit of the large layer.
    let commit = format!(
        "digest={}",
        tests::image::sha256(&noise(1, LARGE)).replace(':', "%3A")
    );
    let commit = commit.as_str();
    let part = 5 << 20;
    let large = LARGE as u64;
    let upload_lost = |error: &ImageError| matches!(error, ImageError::UploadLost { .. });
    let mut cases: Vec<Case> = [500, 502, 503, 504]
        .into_iter()
        .map(|code| {
            let fault = Fault::once("POST", uploads, status(code));
            case("an upload is not opened", Target, fault, Well)
        })
        .collect();
    cases.extend([
        case(
            "429 for an upload",
            Target,
            Fault::once("POST", uploads, too_many(Some("1".into()))),
            Well,
        ),
        case(
            "429 for a commit",
            Target,
            Fault::once("PUT", commit, too_many(None)),
            Well,
        )
        .again(large),
        case(
            "an upload without a place",
            Target,
            Fault::once("POST", uploads, Action::DropHeader("location")).always(),
            With(|error| matches!(error, ImageError::Protocol { .. })),
        ),
        case(
            "an upload breaks off",
            Target,
            Fault::once("PUT", commit, Action::CutRequest { after: part }),
            Well,
        )
        .again(1 << 20),
        case(
            "an upload breaks off four times",
            Target,
            Fault::once("PUT", commit, Action::CutRequest { after: 2 << 20 }).times(4),
            Well,
        )
        .again(4 << 20),
        case(
            "a session is void: 416",
            Target,
            Fault::once("PUT", commit, Action::CutRequest { after: part }),
            Well,
        )
        .and(Fault::once("PUT", commit, status(416)))
        .again(2 * large),
        case(
            "a session is void: 400",
            Target,
            Fault::once("PUT", commit, Action::CutRequest { after: part }),
            Well,
        )
        .and(Fault::once("PUT", commit, status(400)))
        .again(2 * large),
        case(
            "a session is gone",
            Target,
            Fault::once("PUT", commit, Action::CutRequest { after: part }),
            Well,
        )
        .and(Fault::once("GET", uploads, status(404)))
        .again(large),
        case(
            "a session cannot be asked about",
            Target,
            Fault::once("PUT", commit, Action::CutRequest { after: part }),
            Well,
        )
        .and(Fault::once("GET", uploads, status(405)))
        .again(large),
        case(
            "401 during an upload",
            Target,
            Fault::once(
                "PUT",
                commit,
                Action::AnswerEarly {
                    after: part,
                    status: 401,
                },
            ),
            Well,
        )
        .again(large),
        case(
            "413 for a whole blob",
            Target,
            Fault::once(
                "PUT",
                commit,
                Action::AnswerEarly {
                    after: part,
                    status: 413,
                },
            ),
            Well,
        )
        .again(large),
        case(
            "500 before the end of the body",
            Target,
            Fault::once(
                "PUT",
                commit,
                Action::AnswerEarly {
                    after: part,
                    status: 500,
                },
            ),
            Well,
        )
        .again(large),
        case(
            "503 instead of a commit",
            Target,
            Fault::once("PUT", commit, status(503)).times(2),
            Well,
        )
        .again(2 * large),
        case(
            "a commit is never heard of",
            Target,
            Fault::once("PUT", commit, Action::LoseAnswer),
            Well,
        ),
        case(
            "a bit turns on the way to the target",
            Target,
            Fault::once("PUT", commit, Action::FlipRequest { at: 4_000_000 }),
            Well,
        )
        .again(large),
        case(
            "a bit turns each time",
            Target,
            Fault::once("PUT", commit, Action::FlipRequest { at: 4_000_000 }).always(),
            With(upload_lost),
        ),
        case(
            "a manifest is refused for the moment",
            Target,
            Fault::once("PUT", "/manifests/", status(500)).times(2),
            Well,
        ),
        case(
            "a manifest is written and that is never heard of",
            Target,
            Fault::once("PUT", "/manifests/", Action::LoseAnswer),
            Well,
        ),
        case(
            "a manifest is refused for good",
            Target,
            Fault::once("PUT", "/manifests/", status(403)).always(),
            With(|error| matches!(error, ImageError::Denied { .. })),
        ),
        case(
            "the target claims to have a blob",
            Target,
            Fault::once("HEAD", "/blobs/", status(200)).times(2),
            Well,
        ),
        case(
            "a proxy before the target is down",
            Target,
            Fault::once("HEAD", "", status(502)).times(3),
            Well,
        ),
        case(
            "the tag shows something else",
            Target,
            Fault::once(
                "HEAD",
                "/manifests/1",
                Action::SetHeader("docker-content-digest", tests::image::sha256(b"x")),
            )
            .after(1)
            .always(),
            With(|error| {
                matches!(
                    error,
                    ImageError::WrongBytes { .. }
                        | ImageError::NotFound { .. }
                        | ImageError::Protocol { .. }
                )
            }),
        ),
    ]);
    cases
}

/// Runs a case against fresh proxies; what is wrong, in words.
async fn run(
    case: &Case,
    source: &Registry,
    target: &Registry,
    repository: &str,
    keeps_broken_uploads: bool,
) {
    let name = case.name;
    let app = app();
    let (from, to) = (
        Proxy::start(&source.address()).unwrap(),
        Proxy::start(&target.address()).unwrap(),
    );
    let broken = if case.side == Source { &from } else { &to };
    for fault in &case.faults {
        broken.add(fault.clone());
    }
    let state = tempfile::tempdir().unwrap();
    let items = || {
        let (reader, writer) = (client(&from.address(), false), client(&to.address(), true));
        let mut item = item(&reader, &writer, "app", "1");
        item.target_repository = repository.to_owned();
        [item]
    };
    let there = place(target);
    let first = sync(&items(), Some(state.path())).await;
    let error = first.images[0].error.clone();
    let state_then = held(&there, repository, "1").await;
    match (&case.ends, &error) {
        (Well, None) => {
            assert_eq!(state_then, Held::Whole(app.digest()), "{name}");
            assert_eq!(
                first.images[0].digest.as_ref().unwrap().to_string(),
                app.digest()
            );
            let twice = to.uploaded().saturating_sub(app.size());
            let allowed = if keeps_broken_uploads {
                case.again
            } else {
                case.again.max(4 * LARGE as u64)
            };
            assert!(
                twice <= allowed,
                "{name}: {twice} bytes were sent again\n{:#?}",
                to.seen()
            );
        }
        (With(expected), Some(error)) => {
            assert!(expected(error), "{name}: {error:?}");
            assert!(
                !matches!(state_then, Held::Broken(_)),
                "{name}: {state_then:?}"
            );
        }
        (_, error) => panic!("{name}: {error:?}\n{:#?}\n{:#?}", from.seen(), to.seen()),
    }
    // Everything works again.
    let finite: usize = case.faults.len();
    assert!(
        !matches!(case.ends, Well) || broken.pending() == 0 || broken.pending() > finite,
        "{name}: it never broke"
    );
    let committed: BTreeSet<String> = to.committed().into_iter().collect();
    from.heal();
    to.heal();
    to.forget();
    let second = sync(&items(), Some(state.path())).await;
    assert!(second.images[0].error.is_none(), "{name}: {second:?}");
    assert_eq!(
        held(&there, repository, "1").await,
        Held::Whole(app.digest()),
        "{name}"
    );
    let again: Vec<String> = to
        .committed()
        .into_iter()
        .filter(|digest| committed.contains(digest))
        .collect();
    assert!(again.is_empty(), "{name}: committed twice: {again:?}");
}

/// All cases against both registries, some at the same time, because most of a case is waiting.
async fn run_all(cases: fn() -> Vec<Case>) {
    for (turn, program) in programs().iter().enumerate() {
        let (source, target) = &(plain(program), plain(program));
        push(&place(source), "app", "1", &app()).await;
        // Distribution 2.8 cancels an upload as soon as it is asked about one that broke within a request: the state in
        // its URL does not know of the bytes that came. Since 3.0 such a question answers how far it got.
        let keeps_broken_uploads = !program.ends_with("docker-registry");
        let failed: Vec<&str> = futures_util::stream::iter(cases().into_iter().enumerate())
            .map(|(number, case)| async move {
                let repository = format!("r{turn}/c{number}");
                let case_run = run(&case, source, target, &repository, keeps_broken_uploads);
                // A case that fails must not hide what the others would have said.
                let done = AssertUnwindSafe(case_run).catch_unwind().await;
                done.err().map(|_| case.name)
            })
            .buffer_unordered(4)
            .filter_map(std::future::ready)
            .collect()
            .await;
        assert!(failed.is_empty(), "{}: {failed:#?}", program.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_breaks_costs_no_byte_twice() {
    run_all(of_source).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_breaks_is_never_left_half_full() {
    run_all(of_target).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_always_break_still_get_there() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let app = app();
    push(&place(&source), "app", "1", &app).await;
    let mut addresses = Vec::new();
    for registry in [&source, &target] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        addresses.push(listener.local_addr().unwrap().to_string());
        let link = tcp::Link {
            reset_after: Some(3 << 20),
            ..tcp::Link::default()
        };
        let upstream = registry.address().parse().unwrap();
        tokio::spawn(tcp::serve(listener, upstream, link, Arc::default()));
    }
    let items = [item(
        &client(&addresses[0], false),
        &client(&addresses[1], true),
        "app",
        "1",
    )];
    all_well(&sync(&items, None).await);
    assert_eq!(
        held(&place(&target), "app", "1").await,
        Held::Whole(app.digest())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_away_for_a_while_is_waited_for() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    push(&place(&source), "app", "1", &app()).await;
    let to = Arc::new(Proxy::start(&target.address()).unwrap());
    to.set_down(true);
    let items = [item(
        &client(&source.address(), false),
        &client(&to.address(), true),
        "app",
        "1",
    )];
    let back = Arc::clone(&to);
    let later = tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        back.set_down(false);
    });
    let summary = sync(&items, None).await;
    later.await.unwrap();
    all_well(&summary);
    to.set_down(true);
    let gone = sync(&items, None).await;
    let error = gone.images[0].error.as_ref().unwrap();
    assert!(matches!(error, ImageError::Unreachable { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_meanwhile_arrives_as_it_was_and_then_as_it_is() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let (old, new) = (app(), image(&[noise(8, 4_000)], "amd64"));
    push(&place(&source), "app", "1", &old).await;
    let from = Proxy::start(&source.address()).unwrap();
    let pause = Action::Delay(std::time::Duration::from_millis(700));
    from.add(Fault::once("GET", "/blobs/", pause).always());
    let items = [item(
        &client(&from.address(), false),
        &client(&target.address(), true),
        "app",
        "1",
    )];
    let moving = async {
        while from.count("GET", "/blobs/") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        push(&place(&source), "app", "1", &new).await;
    };
    let (summary, ()) = tokio::join!(sync(&items, None), moving);
    all_well(&summary);
    let to = place(&target);
    assert_eq!(held(&to, "app", "1").await, Held::Whole(old.digest()));
    all_well(&sync(&items, None).await);
    assert_eq!(held(&to, "app", "1").await, Held::Whole(new.digest()));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_image_does_not_hold_up_the_others() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let shared = noise(1, 300_000);
    let images: Vec<Image> = (0..6)
        .map(|seed| image(&[shared.clone(), noise(10 + seed, 4_000)], "amd64"))
        .collect();
    for (number, image) in images.iter().enumerate() {
        push(&place(&source), &format!("app{number}"), "1", image).await;
    }
    let from = Proxy::start(&source.address()).unwrap();
    // The one whose turn it is to send the shared layer fails, whoever that is: another one sends it.
    from.add(Fault::once("GET", "app2/blobs/", status(404)).always());
    let (reader, writer) = (
        client(&from.address(), false),
        client(&target.address(), true),
    );
    let mut items: Vec<Item> = (0..6)
        .map(|number| item(&reader, &writer, &format!("app{number}"), "1"))
        .collect();
    items.insert(0, item(&reader, &writer, "nothing", "1"));
    let summary = sync(&items, None).await;
    let failed: Vec<&str> = summary
        .failed()
        .map(|image| image.target.rsplit('/').next().unwrap())
        .collect();
    assert_eq!(failed, ["nothing:1", "app2:1"]);
    let to = place(&target);
    for (number, image) in images.iter().enumerate() {
        let expected = if number == 2 {
            Held::Nothing
        } else {
            Held::Whole(image.digest())
        };
        assert_eq!(held(&to, &format!("app{number}"), "1").await, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_to_another_host() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let app = app();
    push(&place(&source), "app", "1", &app).await;
    let storage = Proxy::start(&source.address()).unwrap();
    let from = Proxy::start(&source.address()).unwrap();
    // A registry that asks for a name and a password, and keeps its blobs elsewhere.
    let ask = Action::Answer {
        status: 401,
        headers: vec![("www-authenticate", "Basic realm=\"lab\"".into())],
        body: String::new(),
    };
    from.add(Fault::once("GET", "/v2/", ask));
    for blob in &app.blobs {
        let path = format!("/blobs/{}", tests::image::sha256(blob));
        let elsewhere = format!("http://{}/v2/app{path}?signature=x", storage.address());
        let redirect = Action::Answer {
            status: 307,
            headers: vec![("location", elsewhere)],
            body: String::new(),
        };
        from.add(Fault::once("GET", path, redirect).always());
    }
    let credential = Credential::Basic {
        user: "tester".into(),
        password: "secret".into(),
    };
    let options = RegistryOptions::default();
    let reader = client_with(&from.address(), false, &options, Some(credential));
    let items = [item(&reader, &client(&target.address(), true), "app", "1")];
    all_well(&sync(&items, None).await);
    assert_eq!(
        held(&place(&target), "app", "1").await,
        Held::Whole(app.digest())
    );
    let all = from.seen();
    assert!(
        all.iter()
            .filter(|seen| seen.path.contains("/app/"))
            .all(|seen| seen.authorization.is_some())
    );
    let followed = storage.seen();
    assert!(followed.len() >= app.blobs.len());
    assert!(
        followed.iter().all(|seen| seen.authorization.is_none()),
        "{followed:?}"
    );
}
