//! Who we are: passwords, tokens that end, private authorities.

use std::collections::BTreeSet;
use std::time::Duration;

use migrate::images::ImageError;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::json;
use tests::fault::{Action, Fault, Proxy};
use tests::image::{Held, Image, held, image, noise, push, sha256};
use tests::lab::token_server::{Life, TokenServer};

use super::*;

const USER: (&str, &str) = ("tester", "s3cret-pass");
/// [`USER`] as the registry wants it.
const HTPASSWD: &str = "tester:$2y$05$abcdefghijklmnopqrstuuV7fpPozvyqJfnY19y0802WTlXUm6Rjy\n";

fn user() -> Credential {
    Credential::Basic {
        user: USER.0.into(),
        password: USER.1.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_shown_and_a_wrong_one_is_said_so() {
    for program in programs() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("htpasswd");
        std::fs::write(&file, HTPASSWD).unwrap();
        let settings = json!({"auth": {"htpasswd": {"realm": "lab", "path": file}}});
        let registry = Registry::configured(&program, &settings).unwrap();
        let app = image(&[noise(1, 10_000)], "amd64");
        // The header that a browser would send for USER.
        let header = "Basic dGVzdGVyOnMzY3JldC1wYXNz";
        let there = place(&registry).with(header);
        push(&there, "from/app", "1", &app).await;
        let options = RegistryOptions::default();
        let with = |credential| {
            let reader = client_with(&registry.address(), false, &options, credential);
            let mut item = item(&reader, &reader, "from/app", "1");
            item.target_repository = "to/app".into();
            [item]
        };
        all_well(&sync(&with(Some(user())), None).await);
        assert_eq!(held(&there, "to/app", "1").await, Held::Whole(app.digest()));
        let wrong = Credential::Basic {
            user: USER.0.into(),
            password: "wrong".into(),
        };
        for credential in [Some(wrong), None] {
            let summary = sync(&with(credential), None).await;
            let error = summary.images[0].error.as_ref().unwrap();
            assert!(matches!(error, ImageError::Denied { .. }), "{error:?}");
            assert_eq!(error.exit().code(), 77);
        }
    }
}

struct Tokens {
    server: TokenServer,
    source: Registry,
    target: Registry,
    _folder: tempfile::TempDir,
}

fn tokens(program: &Path) -> Tokens {
    let folder = tempfile::tempdir().unwrap();
    let server = TokenServer::start(folder.path(), USER, "refresh-me").unwrap();
    Tokens {
        source: Registry::configured(program, &server.settings()).unwrap(),
        target: Registry::configured(program, &server.settings()).unwrap(),
        server,
        _folder: folder,
    }
}

impl Tokens {
    async fn push(&self, repository: &str, image: &Image) {
        let scope = format!("repository:{repository}:pull,push");
        let there = place(&self.source).with(&self.server.header(&[&scope]));
        push(&there, repository, "1", image).await;
    }

    async fn held(&self, repository: &str) -> Held {
        let scope = format!("repository:{repository}:pull");
        let there = place(&self.target).with(&self.server.header(&[&scope]));
        held(&there, repository, "1").await
    }

    fn items(&self, from: &str, to: &str, repositories: &[String], who: &Credential) -> Vec<Item> {
        let options = RegistryOptions::default();
        let reader = client_with(from, false, &options, Some(who.clone()));
        let writer = client_with(to, true, &options, Some(who.clone()));
        repositories
            .iter()
            .map(|name| item(&reader, &writer, name, "1"))
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_token_for_all_who_need_the_same() {
    for program in programs() {
        let lab = tokens(&program);
        let shared = noise(1, 200_000);
        let names: Vec<String> = (0..12).map(|number| format!("team/app{number}")).collect();
        let images: Vec<Image> = (0..12)
            .map(|seed| image(&[shared.clone(), noise(100 + seed, 3_000)], "amd64"))
            .collect();
        for (name, image) in names.iter().zip(&images) {
            lab.push(name, image).await;
        }
        let to = Proxy::start(&lab.target.address()).unwrap();
        for who in [user(), Credential::Identity("refresh-me".into())] {
            let before = lab.server.asked().len();
            let items = lab.items(&lab.source.address(), &to.address(), &names, &who);
            all_well(&sync(&items, None).await);
            let asked = lab.server.asked().split_off(before);
            let different: BTreeSet<_> = asked.iter().map(|asked| asked.scopes.clone()).collect();
            assert_eq!(different.len(), asked.len(), "asked twice: {asked:#?}");
            let with = if who == user() {
                "password"
            } else {
                "refresh token"
            };
            assert!(asked.iter().all(|asked| asked.with == with));
        }
        for (name, image) in names.iter().zip(&images) {
            assert_eq!(lab.held(name).await, Held::Whole(image.digest()));
        }
        // The right to read the other repository is asked for together with that to write: the mounts are real.
        let mounted = to
            .seen()
            .iter()
            .filter(|seen| seen.is("POST", "mount=") && seen.status == Some(201))
            .count();
        assert_eq!(mounted, 11);
        let both = lab
            .server
            .asked()
            .iter()
            .filter(|asked| asked.scopes.len() == 2)
            .count();
        assert!(both >= 1, "{:?}", lab.server.asked());
        let unknown = lab.items(
            &lab.source.address(),
            &to.address(),
            &names[..1],
            &Credential::Anonymous,
        );
        let summary = sync(&unknown, None).await;
        let error = summary.images[0].error.as_ref().unwrap();
        assert!(matches!(error, ImageError::Denied { .. }), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_end_during_a_sync_are_renewed() {
    for program in programs() {
        let lab = tokens(&program);
        let images: Vec<Image> = (0..6)
            .map(|seed| image(&[noise(seed + 1, 2_000_000)], "amd64"))
            .collect();
        let names: Vec<String> = (0..6).map(|number| format!("app{number}")).collect();
        for (name, image) in names.iter().zip(&images) {
            lab.push(name, image).await;
        }
        // All the same repository, so that all need the same token. First tokens that are told to live for four seconds;
        // then tokens of which nobody says that the registry will refuse them in two.
        for (turn, life) in [
            Life {
                told: Duration::from_secs(4),
                real: None,
            },
            Life {
                told: Duration::from_mins(1),
                real: Some(Duration::from_secs(2)),
            },
        ]
        .into_iter()
        .enumerate()
        {
            lab.server.set_life(life);
            let to = Proxy::start(&lab.target.address()).unwrap();
            let mut items = lab.items(&lab.source.address(), &to.address(), &names, &user());
            for (number, item) in items.iter_mut().enumerate() {
                item.target_repository = format!("all{turn}");
                item.target_name = Name::Tag(format!("t{number}"));
            }
            let settings = Settings {
                images: 1,
                transfers: 1,
                rate: Arc::new(migrate::images::sync::Rate::new(Some(2_000_000))),
                ..Settings::default()
            };
            let before = lab.server.asked().len();
            all_well(&sync_with(&items, settings).await);
            lab.server.set_life(Life::default());
            let scope = format!("repository:all{turn}:pull,push");
            let renewed = lab.server.asked()[before..]
                .iter()
                .filter(|asked| asked.scopes == [scope.clone()])
                .count();
            assert!(
                (2..=6).contains(&renewed),
                "{renewed} tokens in six seconds"
            );
            let there = place(&lab.target).with(&lab.server.header(&[&scope]));
            for (number, image) in images.iter().enumerate() {
                let found = held(&there, &format!("all{turn}"), &format!("t{number}")).await;
                assert_eq!(found, Held::Whole(image.digest()));
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_in_the_middle_of_an_upload_costs_nothing_else() {
    let Some(program) = programs().pop() else {
        return;
    };
    let lab = tokens(&program);
    let app = image(&[noise(1, 9_000_000)], "amd64");
    lab.push("app", &app).await;
    let to = Proxy::start(&lab.target.address()).unwrap();
    let early = Action::AnswerEarly {
        after: 1_000_000,
        status: 401,
    };
    to.add(Fault::once("PUT", "/blobs/uploads/", early).times(2));
    let items = lab.items(
        &lab.source.address(),
        &to.address(),
        &["app".to_owned()],
        &user(),
    );
    all_well(&sync(&items, None).await);
    assert_eq!(lab.held("app").await, Held::Whole(app.digest()));
    assert_eq!(to.pending(), 0);
}

/// An authority with a certificate for this machine.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self { issuer }
    }

    /// Certificate and key as PEM.
    fn certify(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let names = vec![name.to_owned(), "127.0.0.1".to_owned()];
        let own = CertificateParams::new(names)
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        (own.pem(), key.serialize_pem())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_is_trusted_when_it_is_named() {
    for program in programs() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            file
        };
        let authority = Authority::new();
        let (certificate, key) = authority.certify("localhost");
        let (own, own_key) = authority.certify("a-client");
        let root = authority.issuer.pem();
        let mut tls = json!({
            "certificate": write("cert.pem", &certificate),
            "key": write("key.pem", &key),
        });
        let open = Registry::configured(&program, &json!({"http": {"tls": tls}})).unwrap();
        tls["clientcas"] = json!([write("root.pem", &root)]);
        let closed = Registry::configured(&program, &json!({"http": {"tls": tls}})).unwrap();
        let source = plain(&program);
        let app = image(&[noise(1, 3_000_000), noise(2, 100)], "amd64");
        push(&place(&source), "app", "1", &app).await;
        let reader = client(&source.address(), false);
        let trusting = RegistryOptions {
            authorities: vec![root.clone().into_bytes()],
            ..RegistryOptions::default()
        };
        let known = RegistryOptions {
            identity: Some(format!("{own}{own_key}").into_bytes()),
            ..trusting.clone()
        };
        let unknown = RegistryOptions::default();
        for (registry, options, expected) in [
            (&open, &trusting, true),
            (&open, &unknown, false),
            (&closed, &known, true),
            (&closed, &trusting, false),
        ] {
            let writer = client_with(&registry.address(), true, options, None);
            let summary = sync(&[item(&reader, &writer, "app", "1")], None).await;
            let outcome = &summary.images[0];
            assert_eq!(outcome.error.is_none(), expected, "{outcome:?}");
            if let Some(error) = &outcome.error {
                assert!(matches!(error, ImageError::Unreachable { .. }), "{error:?}");
                assert_eq!(error.exit().code(), 69);
            } else {
                assert_eq!(outcome.digest.as_ref().unwrap().to_string(), app.digest());
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn credentials_do_not_follow_to_another_host() {
    let Some((source, target)) = two_registries() else {
        return;
    };
    let app = image(&[noise(1, 100_000), noise(2, 90)], "amd64");
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
        let path = format!("/blobs/{}", sha256(blob));
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
