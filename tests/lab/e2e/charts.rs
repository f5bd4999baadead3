//! A chart for one provider becomes a running application at another: Nginx1, Nginx2 and Nginx3 of the paper, both ways.
//!
//! The cluster has the providers' storage classes and kinds; folders stand in for their drivers.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tests::lab::{DataCentres, Place};

use super::centres;
use super::site::{clear_namespace, kubectl, objects, patiently, run, wait_for_workloads};

/// A chart, where it was made for, where it goes, and what its Service or Ingress has to carry there.
struct Case {
    chart: &'static str,
    from: &'static str,
    to: &'static str,
    /// Kind, and the key and value of an annotation.
    carries: (&'static str, &'static str, &'static str),
    /// Whether an account moves it that may do nothing outside the namespace.
    narrow: bool,
}

fn home(folder: &Path, command: &mut Command) {
    command
        .env("HOME", folder)
        .env("HELM_BIN", "helm4")
        .env("XDG_CACHE_HOME", folder.join("cache"));
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The page that the release's Service shows, asked for as a load balancer or an Ingress controller would ask.
fn page(centres: &DataCentres, namespace: &str) -> Result<String, String> {
    let service = objects(centres, namespace, "services").remove(0);
    let port = &service["spec"]["ports"][0];
    let address = match service["status"]["loadBalancer"]["ingress"][0]["ip"].as_str() {
        Some(address) => format!("http://{address}:{}", port["port"]),
        None => format!("http://{}:{}", Place::Dc2.address(), port["nodePort"]),
    };
    run(centres
        .inside(Place::Dc2, "curl")
        .args(["-sSf", "--max-time", "10", &address]))
}

/// Puts a page into the release's volume, and waits until every replica shows it.
fn publish(centres: &DataCentres, namespace: &str, text: &str) -> String {
    wait_for_workloads(centres, namespace).unwrap();
    let write = format!("echo '{text}' >/usr/share/nginx/html/index.html");
    run(kubectl(centres).args([
        "exec",
        "-n",
        namespace,
        "deployment/web-nginx",
        "--",
        "sh",
        "-c",
        &write,
    ]))
    .unwrap();
    patiently("the page is shown", || {
        let page = page(centres, namespace)?;
        page.contains(text).then_some(page.clone()).ok_or(page)
    })
    .unwrap()
}

fn clear(centres: &DataCentres, namespaces: &[&str]) {
    for namespace in namespaces {
        clear_namespace(centres, namespace);
    }
    // What charts make outside namespaces, volumes and classes of the last test among it.
    for kind in [
        "persistentvolumes",
        "storageclasses",
        "ingressclasses",
        "albconfigs",
    ] {
        // What a failed test left bound is not waited for.
        let _ = run(kubectl(centres).args([
            "delete",
            kind,
            "-l",
            "app.kubernetes.io/managed-by=Helm",
            "--ignore-not-found",
            "--timeout=20s",
        ]));
    }
}

/// The kubeconfig of an account that has the Role of the documentation in a namespace, and no other right.
fn deployer(centres: &DataCentres, namespace: &str, folder: &Path) -> PathBuf {
    let role = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kubectl-migrate/roles/target.yaml");
    let call = |arguments: &[&str]| run(kubectl(centres).args(arguments)).unwrap();
    call(&["create", "namespace", namespace]);
    run(kubectl(centres)
        .args(["apply", "-n", namespace, "-f"])
        .arg(role))
    .unwrap();
    call(&["create", "serviceaccount", "deployer", "-n", namespace]);
    let subject = format!("--serviceaccount={namespace}:deployer");
    call(&[
        "create",
        "rolebinding",
        "deployer",
        "-n",
        namespace,
        "--role=migrate-target",
        &subject,
    ]);
    let token = call(&["create", "token", "deployer", "-n", namespace]);
    let text = std::fs::read_to_string(centres.folder().join("kubeconfig")).unwrap();
    let user = regex::Regex::new(r"token: \w+").unwrap();
    let path = folder.join("narrow");
    std::fs::write(
        &path,
        &*user.replace(&text, format!("token: {}", token.trim())),
    )
    .unwrap();
    path
}

fn chart(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/charts")
        .join(name)
}

fn moves(case: &Case) {
    let Some(centres) = centres() else { return };
    let folder = tempfile::tempdir().unwrap();
    let (before, after) = (
        format!("{}-before", case.chart),
        format!("{}-after", case.chart),
    );
    clear(&centres, &[&before, &after]);
    run(kubectl(&centres)
        .args(["apply", "--server-side", "-f"])
        .arg(chart("provider-crds.yaml")))
    .unwrap();
    let image = format!("image={}/library/nginx:1.22", Place::Dc1.registry());

    // At home, as its users installed it. The API server there knows fields of its provider, which this one leaves out.
    let mut install = centres.inside(Place::Dc2, "helm3");
    home(folder.path(), &mut install);
    install
        .args([
            "install",
            "--disable-openapi-validation",
            "web",
            "--create-namespace",
            "-n",
            &before,
            "--set",
            &image,
        ])
        .arg(chart(case.chart));
    run(&mut install).unwrap();
    let shown = publish(&centres, &before, "moved by helm convert");
    // One cluster stands for both providers here, and objects outside namespaces have the same names at both.
    clear(&centres, &[&before]);

    let mut command = centres.inside(Place::Dc2, env!("CARGO_BIN_EXE_helm-convert-dup"));
    home(folder.path(), &mut command);
    command
        .args([
            "run",
            "--from",
            case.from,
            "--to",
            case.to,
            "--allow-missing",
            "--yes",
        ])
        .args(["--release", "web", "-n", &after, "--set", &image])
        .args(["--to-registry", Place::Dc2.registry()])
        .args([
            "--plain-http",
            Place::Dc1.registry(),
            "--plain-http",
            Place::Dc2.registry(),
        ])
        .arg(chart(case.chart));
    if case.narrow {
        command
            .arg("--kubeconfig")
            .arg(deployer(&centres, &after, folder.path()));
    }
    let moved = command.output().unwrap();
    assert!(moved.status.success(), "{}", said(&moved));
    for term in ["T_OrcConvert", "T_OrcRep", "T_ImageSync", "T_AppRun"] {
        assert!(said(&moved).contains(term), "{}", said(&moved));
    }
    assert_eq!(publish(&centres, &after, "moved by helm convert"), shown);

    let (kind, key, value) = case.carries;
    let there = objects(&centres, &after, kind).remove(0);
    assert_eq!(there["metadata"]["annotations"][key], value, "{there:#}");
    for pod in objects(&centres, &after, "pods") {
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap();
        assert!(image.starts_with(Place::Dc2.registry()), "{image}");
    }
    clear(&centres, &[&after]);
}

#[test]
fn nginx1_goes_from_huawei_to_ali() {
    moves(&Case {
        chart: "nginx1-cce",
        from: "huawei",
        to: "ali",
        carries: (
            "services",
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-address-type",
            "intranet",
        ),
        narrow: false,
    });
}

#[test]
fn nginx1_goes_from_ali_to_huawei() {
    moves(&Case {
        chart: "nginx1-ack",
        from: "ali",
        to: "huawei",
        carries: (
            "services",
            "kubernetes.io/elb.autocreate",
            "{\"type\":\"inner\"}",
        ),
        narrow: true,
    });
}

#[test]
fn nginx2_goes_from_huawei_to_ali() {
    moves(&Case {
        chart: "nginx2-cce",
        from: "huawei",
        to: "ali",
        carries: (
            "services",
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-persistence-timeout",
            "1800",
        ),
        narrow: false,
    });
}

#[test]
fn nginx2_goes_from_ali_to_huawei() {
    moves(&Case {
        chart: "nginx2-ack",
        from: "ali",
        to: "huawei",
        carries: (
            "services",
            "kubernetes.io/elb.session-affinity-option",
            "{\"persistence_timeout\":\"30\"}",
        ),
        narrow: false,
    });
}

#[test]
fn nginx3_goes_from_huawei_to_ali() {
    moves(&Case {
        chart: "nginx3-cce",
        from: "huawei",
        to: "ali",
        carries: (
            "ingresses",
            "alb.ingress.kubernetes.io/sticky-session",
            "true",
        ),
        narrow: false,
    });
}

#[test]
fn nginx3_goes_from_ali_to_huawei() {
    moves(&Case {
        chart: "nginx3-ack",
        from: "ali",
        to: "huawei",
        carries: (
            "services",
            "kubernetes.io/elb.session-affinity-mode",
            "HTTP_COOKIE",
        ),
        narrow: false,
    });
}
