//! Wrong input gets a clear error, and nothing is changed by it.

use super::*;

#[test]
fn what_is_said_about_wrong_input() {
    let desk = Desk::new();
    desk.write("empty.tar", "");
    desk.write("noise.tar", &"noise ".repeat(200));
    desk.write("folder/file", "x");
    desk.write("bad.yaml", "services:\n  web: {image: \"Not An Image\"}\n");
    desk.write(
        "unset.yaml",
        "services:\n  web: {image: \"app:${NO_SUCH_TAG}\"}\n",
    );
    desk.write("list.txt", "nginx\nquay.io/Team/app\n");
    let mut evil = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.as_gnu_mut().unwrap().name[..9].copy_from_slice(b"../../evi");
    header.set_cksum();
    evil.append(&header, std::io::empty()).unwrap();
    std::fs::write(desk.path("evil.tar"), evil.into_inner().unwrap()).unwrap();
    let mut text = String::new();
    for arguments in [
        &["images", "sync", "nginx"][..],
        &["images", "sync", "nginx", "--to-registry", "dc2"],
        &[
            "images",
            "sync",
            "nginx",
            "--to-registry",
            "http://dc2.example",
        ],
        &["images", "sync", "nginx", "--map-registry", "docker.io"],
        &["images", "sync", "nginx", "--to", "folder"],
        &["images", "sync", "Nginx", "--to", "oci:out"],
        &["images", "sync", "nginx:", "--to", "oci:out"],
        &["images", "sync", "nginx@sha256:abc", "--to", "oci:out"],
        &[
            "images",
            "sync",
            "--images-from",
            "list.txt",
            "--to",
            "oci:out",
        ],
        &[
            "images",
            "sync",
            "--images-from",
            "none.txt",
            "--to",
            "oci:out",
        ],
        &["images", "sync", "-f", "bad.yaml", "--to", "oci:out"],
        &["images", "sync", "-f", "unset.yaml", "--to", "oci:out"],
        &["images", "sync", "nginx", "--to", "oci:folder"],
        &[
            "images",
            "sync",
            "nginx",
            "--from",
            "oci:folder",
            "--to",
            "oci:out",
        ],
        &["images", "list", "--from", "oci:nowhere"],
        &["images", "list", "--from", "oci-archive:empty.tar"],
        &["images", "list", "--from", "docker-archive:noise.tar"],
        &["images", "list", "--from", "docker-archive:evil.tar"],
        &["images", "list", "--from", "docker-archive:none.tar"],
        &["images", "list", "--repository", "Bad/Name"],
        &[
            "images",
            "list",
            "--repository",
            "quay.io/a",
            "--tags",
            "/(/",
        ],
        &[
            "images",
            "sync",
            "nginx",
            "--to",
            "oci:out",
            "--max-rate",
            "fast",
        ],
        &[
            "images",
            "sync",
            "nginx",
            "--to",
            "oci:out",
            "--platform",
            "linux",
        ],
        &[
            "images",
            "sync",
            "nginx",
            "--to",
            "oci:out",
            "--ca-file",
            "none.pem",
        ],
    ] {
        let ran = desk.docker(arguments);
        assert!(ran.code != 0 && ran.code != 101, "{arguments:?}: {ran:?}");
        assert!(ran.out.is_empty(), "{arguments:?}: {ran:?}");
        text.push_str(&format!(
            "$ docker migrate {}\n{}exit {}\n\n",
            arguments.join(" "),
            ran.err,
            ran.code
        ));
    }
    assert!(!desk.path("out").exists(), "nothing was made");
    let text = steady(&text, &desk, &[]);
    snapshots().bind(|| insta::assert_snapshot!("images-bad-input", text));
}

#[test]
fn an_unknown_host_is_unreachable() {
    let desk = Desk::new();
    let ran = desk.docker(&[
        "images",
        "sync",
        "no-such-host.invalid/a:1",
        "--to",
        "oci:out",
        "--progress",
        "plain",
    ]);
    assert_eq!(ran.code, 69, "{ran:?}");
    assert!(ran.err.contains("no-such-host.invalid"), "{}", ran.err);
    assert!(!desk.path("out").exists());
}
