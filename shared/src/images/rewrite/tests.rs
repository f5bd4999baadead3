use super::*;

fn name(text: &str) -> ImageName {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn rules(to: Option<&str>, maps: &[&str]) -> Rules {
    let maps = maps.iter().map(|map| map.parse().unwrap()).collect();
    Rules::new(maps, to.map(|to| check_place(to).unwrap()))
}

const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn names_are_completed_as_docker_does() {
    for (text, full) in [
        ("nginx", "docker.io/library/nginx"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("bitnami/redis", "docker.io/bitnami/redis"),
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/a/b:c", "docker.io/a/b:c"),
        ("registry-1.docker.io/a/b", "docker.io/a/b"),
        ("localhost/x", "localhost/x"),
        ("localhost:5000/x:latest", "localhost:5000/x:latest"),
        ("quay.io/a/b/c:1", "quay.io/a/b/c:1"),
    ] {
        assert_eq!(name(text).to_string(), full);
        assert_eq!(name(full), name(text));
    }
    let pinned = name(&format!("nginx:1.27@{DIGEST}"));
    assert_eq!(pinned.tag.as_deref(), Some("1.27"));
    assert_eq!(pinned.asked().to_string(), DIGEST);
    assert_eq!(pinned.kept().to_string(), "1.27");
    assert_eq!(name("nginx").kept().to_string(), "latest");
    assert_eq!(name("docker.io/library/nginx:1").familiar(), "nginx:1");
    assert_eq!(name("bitnami/redis").familiar(), "bitnami/redis");
}

#[test]
fn what_is_no_name_is_told_why() {
    for (text, why) in [
        ("", "empty"),
        ("nginx:", "tag behind the colon"),
        ("a b", "space"),
        ("Nginx", "lower-case"),
        ("quay.io/Team/app:X", "lower-case"),
        ("https://quay.io/a", "scheme"),
        ("${REGISTRY}/app", "not replaced"),
        ("nginx@sha256:abc", "64 hexadecimal"),
        (
            "nginx@md5:abcdefabcdefabcdefabcdefabcdefab",
            "64 hexadecimal",
        ),
        ("-x", "invalid"),
    ] {
        let error = text.parse::<ImageName>().unwrap_err();
        assert!(error.reason.contains(why), "{text}: {error}");
    }
}

#[test]
fn the_longest_rule_counts() {
    let rules = rules(
        Some("target.example/all"),
        &[
            "quay.io=target.example/quay",
            "quay.io/team=target.example/team",
            "quay.io/team/app=target.example/the-app",
            "library=target.example/hub",
        ],
    );
    for (source, target) in [
        ("ghcr.io/a/b:1", "target.example/all/a/b:1"),
        ("quay.io/other/x:1", "target.example/quay/other/x:1"),
        ("quay.io/team/x", "target.example/team/x"),
        ("quay.io/teams/x", "target.example/quay/teams/x"),
        ("quay.io/team/app:2", "target.example/the-app:2"),
        ("nginx:1", "target.example/hub/nginx:1"),
        ("bitnami/redis", "target.example/all/bitnami/redis"),
        ("target.example/all/a/b", "target.example/all/a/b"),
        ("target.example/elsewhere", "target.example/all/elsewhere"),
    ] {
        assert_eq!(rules.apply(&name(source)).unwrap().to_string(), target);
    }
    let only = super::tests::rules(None, &["docker.io=mirror.example"]);
    assert_eq!(only.apply(&name("quay.io/a")).unwrap(), name("quay.io/a"));
    assert_eq!(
        only.apply(&name("nginx")).unwrap(),
        name("mirror.example/library/nginx")
    );
}

#[test]
fn a_wrong_rule_is_told_why() {
    for (to, why) in [
        ("registry", "Docker Hub"),
        ("http://r.example", "--plain-http"),
        ("r.example/UPPER", "lower-case"),
        ("", "missing"),
    ] {
        let error = check_place(to).unwrap_err();
        assert!(error.contains(why), "{to}: {error}");
    }
    for (map, why) in [
        ("quay.io", "SOURCE=TARGET"),
        ("quay.io=x", "Docker Hub"),
        ("=r.example", "missing"),
    ] {
        let error = map.parse::<Map>().unwrap_err();
        assert!(error.contains(why), "{map}: {error}");
    }
    let both = rules(None, &["a.example=b.example", "a.example=c.example"]);
    assert!(
        both.apply(&name("a.example/x"))
            .unwrap_err()
            .0
            .contains("and to")
    );
    let bare = rules(None, &["quay.io/team/app=r.example"]);
    assert!(
        bare.apply(&name("quay.io/team/app"))
            .unwrap_err()
            .0
            .contains("r.example/NAME")
    );
    let long = rules(Some(&format!("r.example/{}", "a".repeat(250))), &[]);
    assert!(long.apply(&name("nginx")).unwrap_err().0.contains("255"));
}

#[test]
fn two_images_under_one_name_are_found() {
    let rules = rules(Some("r.example"), &[]);
    let sources = [
        name("quay.io/a/x:1"),
        name("ghcr.io/a/x:2"),
        name("ghcr.io/a/x:1"),
    ];
    let targets: Vec<_> = sources.iter().map(|s| rules.apply(s).unwrap()).collect();
    let found = collision(sources.iter().zip(&targets)).unwrap();
    assert_eq!((found.first, found.second), (0, 2));
    assert_eq!(found.target, name("r.example/a/x:1"));
    let same = [name("nginx:1"), name(&format!("nginx:1@{DIGEST}"))];
    let targets: Vec<_> = same.iter().map(|s| rules.apply(s).unwrap()).collect();
    assert_eq!(collision(same.iter().zip(&targets)), None);
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    fn image() -> impl Strategy<Value = ImageName> {
        (
            prop::sample::select(vec!["docker.io", "quay.io", "localhost:5000", "r.example"]),
            prop::collection::vec("[a-z][a-z0-9]{0,3}", 1..4),
            prop::option::of("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,8}"),
            any::<bool>(),
        )
            .prop_map(|(registry, path, tag, digest)| {
                let mut repository = path.join("/");
                // Docker Hub has no repository without a namespace.
                if registry == "docker.io" && path.len() == 1 {
                    repository = format!("library/{repository}");
                }
                ImageName {
                    registry: registry.to_owned(),
                    repository,
                    tag,
                    digest: digest.then(|| DIGEST.parse().unwrap()),
                }
            })
    }

    proptest! {
        #[test]
        fn a_name_is_read_as_it_is_written(image in image()) {
            prop_assert_eq!(&image.to_string().parse::<ImageName>().unwrap(), &image);
            prop_assert_eq!(&image.familiar().parse::<ImageName>().unwrap(), &image);
        }

        #[test]
        fn following_the_rules_twice_is_following_them_once(
            image in image(), prefix in "(/[a-z]{1,3}){0,2}", from in image()
        ) {
            let map = format!("{}=r.example/mapped", from.place());
            let rules = rules(Some(&format!("r.example{prefix}")), &[&map]);
            let once = rules.apply(&image).unwrap();
            // A rule that leads on from where the others lead to is followed, as its writer asked.
            let below = once.repository.strip_prefix(&from.repository);
            let leads_on = from.registry == once.registry
                && below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            if !leads_on && !once.repository.starts_with("mapped") {
                prop_assert_eq!(rules.apply(&once).unwrap(), once.clone());
            }
            prop_assert_eq!(&once.tag, &image.tag);
            prop_assert_eq!(&once.digest, &image.digest);
            prop_assert_eq!(&once.registry, "r.example");
        }

        #[test]
        fn the_opposite_rule_leads_back(image in image()) {
            let there = rules(None, &[&format!("{}=t.example/x", image.registry)]);
            let back = rules(None, &[&format!("t.example/x={}", image.registry)]);
            let target = there.apply(&image).unwrap();
            prop_assert_eq!(back.apply(&target).unwrap(), image);
        }

        #[test]
        fn different_images_of_one_registry_never_collide(images in prop::collection::vec(image(), 1..12)) {
            let images: Vec<_> = images.into_iter().filter(|i| i.registry == "quay.io").collect();
            let rules = rules(Some("t.example/p"), &[]);
            let targets: Vec<_> = images.iter().map(|i| rules.apply(i).unwrap()).collect();
            prop_assert_eq!(collision(images.iter().zip(&targets)), None);
        }
    }
}

#[test]
fn a_text_that_stays_is_told_apart_from_one_that_changes() {
    let rules = rules(Some("dc2:5000/shop/"), &[]);
    for (from, to) in [
        ("redis", Some("dc2:5000/shop/redis")),
        ("redis:7", Some("dc2:5000/shop/redis:7")),
        ("grafana/grafana:1", Some("dc2:5000/shop/grafana/grafana:1")),
        ("localhost:5000/app:1", Some("dc2:5000/shop/app:1")),
        ("dc2:5000/shop/app:1", None),
    ] {
        assert_eq!(rules.rewrite(from).unwrap().as_deref(), to, "{from}");
    }
    assert!(rules.rewrite("Not An Image").is_err());
    assert_eq!(Rules::default().rewrite("Not An Image"), Ok(None));
}

#[test]
fn a_digest_stays_or_is_pinned() {
    let digest = Digest::of(b"image");
    let mut rules = rules(Some("dc2:5000"), &[]);
    assert_eq!(
        rules.rewrite(&format!("redis:7@{digest}")).unwrap(),
        Some(format!("dc2:5000/redis:7@{digest}"))
    );
    rules.pin(&"web:1".parse().unwrap(), digest.clone());
    rules.pin(&"bare".parse().unwrap(), digest.clone());
    assert_eq!(
        rules.rewrite("web:1").unwrap(),
        Some(format!("dc2:5000/web:1@{digest}"))
    );
    assert_eq!(
        rules.rewrite("bare").unwrap(),
        Some(format!("dc2:5000/bare@{digest}"))
    );
}
