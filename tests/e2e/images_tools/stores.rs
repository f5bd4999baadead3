//! Any store to any store, with skopeo and crane as witnesses.

use super::*;

#[test]
fn an_image_keeps_its_digest_through_every_store() {
    let Some(registry) = registry() else { return };
    let desk = Desk::new();
    let mut made = HandMade::at(desk.path("made"));
    let index = made.index("app");
    let digest = made.name(&index, "quay.io/team/app:1");
    let image = made.image("tool", "amd64");
    let tool = made.name(&image, "tool:2");
    let host = registry.host();
    // Into a registry, and from there into everything else, and back under other names.
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--to-registry",
        &host,
    ])
    .ok();
    assert_eq!(
        digest_at(&registry, "team/app", "1").as_deref(),
        Some(digest.as_str())
    );
    // A name without a registry is one of Docker Hub.
    assert_eq!(
        digest_at(&registry, "tool", "2").as_deref(),
        Some(tool.as_str())
    );
    let app = format!("{host}/team/app:1");
    for store in [
        "oci:copy",
        "oci-archive:app.tar",
        "oci-archive:app.tar.gz",
        "oci:copy",
    ] {
        desk.docker(&["images", "sync", &app, "--to", store]).ok();
    }
    for (number, store) in ["oci:copy", "oci-archive:app.tar", "oci-archive:app.tar.gz"]
        .into_iter()
        .enumerate()
    {
        let to = format!("{host}/back{number}");
        desk.docker(&["images", "sync", "--from", store, "--to-registry", &to])
            .ok();
        let found = digest_at(&registry, &format!("back{number}/team/app"), "1");
        assert_eq!(found.as_deref(), Some(digest.as_str()), "{store}");
    }
    // The archives stay when they are there, and nothing is half written.
    let again = desk.docker(&["images", "sync", &app, "--to", "oci-archive:app.tar"]);
    assert_eq!(again.code, 73, "{again:?}");
    assert!(!desk.path("app.tar.parts").exists() && !desk.path("app.tar.partial").exists());

    let (Some(skopeo), Some(crane)) = (&COMPONENTS.skopeo, &COMPONENTS.crane) else {
        return missing("skopeo or crane");
    };
    assert_eq!(peer(crane, &["digest", "--insecure", &app]), digest);
    peer(crane, &["validate", "--insecure", "--remote", &app]);
    let inspect = |name: &str| {
        let raw = std::process::Command::new(skopeo)
            .args(["inspect", "--raw", name])
            .output()
            .unwrap();
        assert!(
            raw.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&raw.stderr)
        );
        sha256(&raw.stdout)
    };
    let place = |name: &str| desk.path(name).display().to_string();
    assert_eq!(inspect(&format!("oci:{}:{app}", place("copy"))), digest);
    assert_eq!(
        inspect(&format!("oci-archive:{}", place("app.tar"))),
        digest
    );
}

#[test]
fn what_skopeo_writes_is_read() {
    let (Some(registry), Some(skopeo)) = (registry(), &COMPONENTS.skopeo) else {
        return missing("docker-registry or skopeo");
    };
    let desk = Desk::new();
    let mut made = HandMade::at(desk.path("made"));
    let image = made.image("app", "amd64");
    let digest = made.name(&image, "docker.io/library/app:1");
    let host = registry.host();
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--to-registry",
        &host,
    ])
    .ok();
    let source = format!("docker://{host}/app:1");
    let place = |kind: &str, name: &str| format!("{kind}:{}", desk.path(name).display());
    for target in [
        format!("{}:one", place("oci", "their-layout")),
        format!("{}:two", place("oci-archive", "their-archive.tar")),
        format!(
            "{}:three/app:3",
            place("docker-archive", "their-docker.tar")
        ),
    ] {
        peer(
            skopeo,
            &[
                "--insecure-policy",
                "copy",
                "--src-tls-verify=false",
                &source,
                &target,
            ],
        );
    }
    let layout = desk
        .docker(&[
            "images",
            "sync",
            "--from",
            "oci:their-layout",
            "--to-registry",
            &format!("{host}/l"),
        ])
        .ok();
    assert_eq!(
        digest_at(&registry, "l/their-layout", "one").as_deref(),
        Some(digest.as_str()),
        "{layout:?}"
    );
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci-archive:their-archive.tar",
        "--to-registry",
        &format!("{host}/a"),
    ])
    .ok();
    assert_eq!(
        digest_at(&registry, "a/their-archive", "two").as_deref(),
        Some(digest.as_str())
    );
    // Docker's archives have plain layers: the manifest is new, the configuration is the old one.
    let docker = desk
        .docker(&[
            "images",
            "sync",
            "--from",
            "docker-archive:their-docker.tar",
            "--to-registry",
            &format!("{host}/d"),
        ])
        .ok();
    assert!(docker.err.contains("compressed anew"), "{}", docker.err);
    let config = |repository: &str, tag: &str| {
        let (_, body) = registry
            .get(&format!("/v2/{repository}/manifests/{tag}"))
            .unwrap();
        serde_json::from_str::<Value>(&body).unwrap()["config"]["digest"].clone()
    };
    assert_eq!(config("d/three/app", "3"), config("app", "1"));
    // And skopeo reads ours for docker.
    desk.docker(&[
        "images",
        "sync",
        &format!("{host}/app:1"),
        "--to",
        "docker-archive:ours.tar",
    ])
    .ok();
    let names = peer(skopeo, &["inspect", &place("docker-archive", "ours.tar")]);
    let names: Value = serde_json::from_str(&names).unwrap();
    assert_eq!(names["Architecture"], "amd64");
}

#[test]
fn an_index_for_docker_becomes_one_platform_and_that_is_said() {
    let desk = Desk::new();
    let mut made = HandMade::at(desk.path("made"));
    let index = made.index("app");
    made.name(&index, "quay.io/team/app:1");
    let ran = desk
        .docker(&[
            "images",
            "sync",
            "--from",
            "oci:made",
            "--to",
            "docker-archive:app.tar",
        ])
        .ok();
    assert!(
        ran.err.contains("has 2 platforms and docker keeps one"),
        "{}",
        ran.err
    );
    let chosen = desk
        .docker(&[
            "images",
            "sync",
            "--from",
            "oci:made",
            "--to",
            "docker-archive:arm.tar",
            "--platform",
            "linux/arm64",
        ])
        .ok();
    assert!(!chosen.err.contains("platforms"), "{}", chosen.err);
    let listed = desk
        .docker(&[
            "images",
            "list",
            "--from",
            "docker-archive:arm.tar",
            "-o",
            "json",
        ])
        .ok();
    let listed: Value = serde_json::from_str(&listed.out).unwrap();
    let children: Value = serde_json::from_slice(
        &std::fs::read(
            desk.path("made/blobs")
                .join(index["digest"].as_str().unwrap().replace(':', "/")),
        )
        .unwrap(),
    )
    .unwrap();
    assert_eq!(
        listed["images"][0]["digest"],
        children["manifests"][1]["digest"]
    );
}

#[test]
fn an_interrupted_archive_is_finished_by_the_next_run() {
    let Some(registry) = registry() else { return };
    let desk = Desk::new();
    let mut made = HandMade::at(desk.path("made"));
    let image = made.image("app", "amd64");
    let digest = made.name(&image, "quay.io/team/app:1");
    let host = registry.host();
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--to-registry",
        &host,
    ])
    .ok();
    let (good, bad) = (format!("{host}/team/app:1"), format!("{host}/team/other:1"));
    let first = desk.docker(&["images", "sync", &good, &bad, "--to", "oci-archive:x.tar"]);
    assert_eq!(first.code, 75, "{first:?}");
    assert!(
        first
            .err
            .contains("The same `docker migrate images sync` sends only what is missing")
    );
    assert!(!desk.path("x.tar").exists());
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--map-registry",
        &format!("quay.io/team/app={host}/team/other"),
    ])
    .ok();
    let second = desk
        .docker(&["images", "sync", &good, &bad, "--to", "oci-archive:x.tar"])
        .ok();
    assert!(second.err.contains("1 up to date"), "{}", second.err);
    let listed = desk
        .docker(&[
            "images",
            "list",
            "--from",
            "oci-archive:x.tar",
            "-o",
            "name",
        ])
        .ok();
    assert_eq!(listed.out.lines().collect::<Vec<_>>(), [good, bad]);
    assert!(digest.starts_with("sha256:"));
}
