//! Whatever breaks: the target has an image whole or not at all, and the next run sends nothing again that arrived.

mod mishaps;
mod source;
mod target;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _};
use migrate::images::ImageError;
use tests::fault::{Action, Fault, Proxy};
use tests::image::{Held, Image, held, image, noise, push, sha256};

use super::*;

/// Where something breaks.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Source,
    Target,
}

/// What breaks, and how the run ends.
struct Case {
    name: &'static str,
    side: Side,
    faults: Vec<Fault>,
    /// Why the image does not arrive; without, it does in spite of all.
    fails: Option<fn(&ImageError) -> bool>,
    /// Bytes that may be sent twice.
    again: u64,
}

impl Case {
    fn new(name: &'static str, side: Side, fault: Fault) -> Self {
        Self {
            name,
            side,
            faults: vec![fault],
            fails: None,
            again: 0,
        }
    }

    /// Something else breaks as well.
    fn and(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// So many bytes may be sent twice.
    fn again(mut self, bytes: usize) -> Self {
        self.again = bytes as u64;
        self
    }

    /// The image does not arrive, for this reason.
    fn fails(mut self, reason: fn(&ImageError) -> bool) -> Self {
        self.fails = Some(reason);
        self
    }
}

const LARGE: usize = 9 << 20;

fn app() -> Image {
    image(&[noise(1, LARGE), noise(2, 700_000), noise(3, 90)], "amd64")
}

/// The digest of the large layer.
fn large() -> String {
    sha256(&noise(1, LARGE))
}

fn status(status: u16) -> Action {
    Action::Answer {
        status,
        headers: Vec::new(),
        body: String::new(),
    }
}

fn too_many(retry_after: Option<&str>) -> Action {
    Action::Answer {
        status: 429,
        headers: retry_after
            .map(|text| ("retry-after", text.to_owned()))
            .into_iter()
            .collect(),
        body: r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#.into(),
    }
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
    let broken = if case.side == Side::Source {
        &from
    } else {
        &to
    };
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
    match (&case.fails, &error) {
        (None, None) => {
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
        (Some(expected), Some(error)) => {
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
        case.fails.is_some() || broken.pending() == 0 || broken.pending() > finite,
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
    run_all(source::cases).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_breaks_is_never_left_half_full() {
    run_all(target::cases).await;
}
