//! Which images are meant: those of applications, lists, and repositories.

use super::*;

const COMPOSE: &str = "services:
  web:
    image: ${REGISTRY}/team/app:${TAG:-1}
    ports: [\"80:80\"]
  worker:
    image: ${REGISTRY}/team/app:1
    volumes:
    - {type: image, source: \"${REGISTRY}/team/tool:2\", target: /tool}
  built:
    build: .
";

/// A registry with two images, and a second one that is empty.
fn two_registries(desk: &Desk) -> Option<(Registry, Registry)> {
    let (from, to) = (registry()?, registry()?);
    let mut made = HandMade::at(desk.path("made"));
    let index = made.index("app");
    made.name(&index, "quay.io/team/app:1");
    let image = made.image("tool", "amd64");
    made.name(&image, "quay.io/team/tool:2");
    for tag in ["1.0.0", "1.1.0", "2.0.0-rc.1", "2.0.0", "edge"] {
        made.name(&image, &format!("quay.io/many/tags:{tag}"));
    }
    desk.docker(&[
        "images",
        "sync",
        "--from",
        "oci:made",
        "--to-registry",
        &from.host(),
    ])
    .ok();
    Some((from, to))
}

#[test]
fn a_compose_application_is_listed_planned_and_copied() {
    let desk = Desk::new();
    let Some((from, to)) = two_registries(&desk) else {
        return;
    };
    let desk = desk.with("REGISTRY", from.host());
    desk.write("compose.yaml", COMPOSE);
    let to_host = to.host();
    let both = [&from, &to];
    let show = |ran: &Ran| {
        steady(
            &format!("{}--- exit {}\n{}", ran.out, ran.code, ran.err),
            &desk,
            &both,
        )
    };
    snapshots().bind(|| {
        let listed = desk.docker(&["images", "list"]);
        insta::assert_snapshot!("images-list-text", show(&listed));
        let planned = desk.docker(&["images", "list", "--to-registry", &to_host, "-o", "json"]);
        insta::assert_snapshot!("images-list-json", show(&planned));
        let dry = desk.docker(&["images", "sync", "--to-registry", &to_host, "--dry-run"]);
        insta::assert_snapshot!("images-sync-dry-run", show(&dry));
        assert_eq!(
            to.get("/v2/_catalog").unwrap().1.trim(),
            r#"{"repositories":[]}"#
        );
        let names = desk.docker(&["images", "list", "-o", "name", "--offline"]);
        insta::assert_snapshot!("images-list-name", show(&names));
    });
    // What the plan says to the byte is what is sent.
    let plan = desk
        .docker(&[
            "images",
            "sync",
            "--to-registry",
            &to_host,
            "--dry-run",
            "-o",
            "json",
        ])
        .ok();
    let plan: Value = serde_json::from_str(&plan.out).unwrap();
    let done = desk
        .docker(&["images", "sync", "--to-registry", &to_host, "-o", "json"])
        .ok();
    let done: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(plan["to_move"], done["transferred"]);
    assert!(done["transferred"].as_u64().unwrap() > 0);
    let again = desk
        .docker(&["images", "sync", "--to-registry", &to_host])
        .ok();
    assert!(
        again.err.contains("0 images copied, 2 up to date"),
        "{}",
        again.err
    );
    assert_eq!(
        digest_at(&to, "team/app", "1"),
        digest_at(&from, "team/app", "1")
    );
}

#[test]
fn a_missing_image_is_named_with_the_line_that_asks_for_it() {
    let desk = Desk::new();
    let Some((from, to)) = two_registries(&desk) else {
        return;
    };
    let host = from.host();
    desk.write(
        "compose.yaml",
        &format!("services:\n  web: {{image: \"{host}/team/app:1\"}}\n  gone:\n    image: {host}/team/gone:3\n    build: .\n"),
    );
    let ran = desk.docker(&["images", "sync", "--to-registry", &to.host()]);
    assert_eq!(ran.code, 75, "{ran:?}");
    assert!(
        ran.err.contains("compose.yaml:4:12") && ran.err.contains("compose build --push"),
        "{}",
        ran.err
    );
    assert!(
        digest_at(&to, "team/app", "1").is_some(),
        "the others go on"
    );

    desk.write(
        "pods.yaml",
        &format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  initContainers: [{{name: i, image: \"{host}/team/tool:2\"}}]\n  containers:\n  - name: c\n    image: {host}/no/such\n"),
    );
    let ran = desk.kubectl(&[
        "images",
        "sync",
        "-f",
        "pods.yaml",
        "--to-registry",
        &to.host(),
    ]);
    assert_eq!(ran.code, 75, "{ran:?}");
    assert!(ran.err.contains("pods.yaml:8:12"), "{}", ran.err);
    assert!(digest_at(&to, "team/tool", "2").is_some());
}

#[test]
fn repositories_by_pattern_and_lists() {
    let desk = Desk::new();
    let Some((from, to)) = two_registries(&desk) else {
        return;
    };
    let repository = format!("{}/many/tags", from.host());
    let tags = |pattern: &str| -> Vec<String> {
        let ran = desk
            .docker(&[
                "images",
                "list",
                "--repository",
                &repository,
                "--tags",
                pattern,
                "-o",
                "name",
            ])
            .ok();
        ran.out
            .lines()
            .map(|line| line.rsplit(':').next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(tags("*").len(), 5);
    assert_eq!(tags("1.*"), ["1.0.0", "1.1.0"]);
    assert_eq!(tags("/^(edge|2)/"), ["2.0.0", "2.0.0-rc.1", "edge"]);
    assert_eq!(tags("semver:>=1.1"), ["1.1.0", "2.0.0"]);
    assert_eq!(tags("newest:2"), ["2.0.0", "1.1.0"]);
    let none = desk.docker(&[
        "images",
        "list",
        "--repository",
        &repository,
        "--tags",
        "9.*",
    ]);
    assert_eq!(none.code, 65, "{none:?}");
    desk.write(
        "list.txt",
        &format!("# ours\n{repository}:edge\n{repository}:1.0.0  # old\n"),
    );
    desk.kubectl(&[
        "images",
        "sync",
        "--images-from",
        "list.txt",
        "--to-registry",
        &to.host(),
    ])
    .ok();
    assert_eq!(
        digest_at(&to, "many/tags", "edge"),
        digest_at(&from, "many/tags", "edge")
    );
}

#[test]
fn a_chart_is_rendered_by_the_real_helm() {
    let Some(helm) = &COMPONENTS.helm4 else {
        return missing("helm4");
    };
    let desk = Desk::new();
    let Some((from, to)) = two_registries(&desk) else {
        return;
    };
    let desk = desk.with("HELM_BIN", helm.display().to_string());
    desk.write(
        "chart/Chart.yaml",
        "apiVersion: v2\nname: shop\nversion: 1.0.0\n",
    );
    desk.write(
        "chart/values.yaml",
        &format!(
            "image: {{registry: \"{}\", tag: \"1\"}}\nextra: false\n",
            from.host()
        ),
    );
    desk.write(
        "chart/templates/all.yaml",
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: web\n        image: {{ .Values.image.registry }}/team/app:{{ .Values.image.tag }}\n{{- if .Values.extra }}\n      - name: tool\n        image: {{ .Values.image.registry }}/team/tool:2\n{{- end }}\n",
    );
    let names = |options: &[&str]| {
        let mut arguments = vec!["images", "list", "chart", "-o", "name"];
        arguments.extend(options);
        desk.helm(&arguments).ok().out.replace(&from.host(), "R")
    };
    assert_eq!(names(&[]), "R/team/app:1\n");
    assert_eq!(
        names(&["--set", "extra=true"]),
        "R/team/app:1\nR/team/tool:2\n"
    );
    desk.write("prod.yaml", "extra: true\n");
    desk.helm(&[
        "images",
        "sync",
        "chart",
        "-f",
        "prod.yaml",
        "--to-registry",
        &to.host(),
    ])
    .ok();
    assert!(digest_at(&to, "team/tool", "2").is_some());
    let broken = desk.helm(&["images", "list", "no-such-chart"]);
    assert_eq!(broken.code, 70, "{broken:?}");
}
