//! `helm convert run`, called by the real Helm 3 and Helm 4, to a real API server. No Pod ever starts there.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::cluster::Cluster;
use super::failures::ended;
use super::{COMPONENTS, succeeded, text, until};
use crate::charts::helms;

/// A shop for Huawei's cloud: a disk, a load balancer, a secret among its values, a hook, a test and a kind of its own.
const CHART: &[(&str, &str)] = &[
    ("Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n"),
    (
        "values.yaml",
        "image: {repository: registry.example/team/web, tag: \"1.2\"}\npassword: none\nsize: 20Gi\n",
    ),
    (
        "templates/web.yaml",
        r#"apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}-web
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
        - name: web
          image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
          volumeMounts: [{name: data, mountPath: /data}]
      volumes:
        - name: data
          persistentVolumeClaim: {claimName: {{ .Release.Name }}-data}
"#,
    ),
    (
        "templates/data.yaml",
        r"apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ .Release.Name }}-data
  annotations:
    everest.io/disk-volume-type: SSD
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: csi-disk
  resources: {requests: {storage: {{ .Values.size }}}}
",
    ),
    (
        "templates/secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata:\n  name: {{ .Release.Name }}-secret\nstringData:\n  password: {{ .Values.password | quote }}\n  random: {{ randAlphaNum 8 }}\n",
    ),
    (
        "templates/test.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .Release.Name }}-test\n  annotations: {helm.sh/hook: test}\nspec:\n  containers: [{name: test, image: \"registry.example/team/test:1\"}]\n",
    ),
    (
        "templates/hook.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-hook\n  annotations: {helm.sh/hook: post-install}\ndata: {a: b}\n",
    ),
];

const SECRET: &str = "not-to-be-seen";

struct Shop {
    cluster: Cluster,
    helm: PathBuf,
}

impl Shop {
    fn start(helm: &Path) -> Option<Self> {
        let cluster = Cluster::start()?;
        for (name, text) in CHART {
            let path = cluster.home.path().join("shop").join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        // The classes that Alibaba's cluster has.
        for class in [
            "alicloud-disk-ssd",
            "alicloud-disk-essd",
            "alicloud-disk-efficiency",
            "alicloud-disk-topology-alltype",
        ] {
            cluster.apply(
                &[],
                &format!("{{apiVersion: storage.k8s.io/v1, kind: StorageClass, metadata: {{name: {class}}}, provisioner: diskplugin.csi.alibabacloud.com}}"),
            );
        }
        let shop = Self {
            cluster,
            helm: helm.to_owned(),
        };
        shop.install_plugin();
        Some(shop)
    }

    fn home(&self) -> &Path {
        self.cluster.home.path()
    }

    /// Helm as a user calls it, without anything of this machine.
    fn helm(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.helm);
        command
            .env_clear()
            .env("HOME", self.home())
            .env("PATH", "/usr/bin:/bin")
            .env("KUBECONFIG", self.cluster.kubeconfig())
            .env("KUBECTL", COMPONENTS.kubectl.as_ref().unwrap())
            .current_dir(self.home())
            .args(arguments);
        command
    }

    fn convert(&self, arguments: &[&str]) -> Output {
        self.helm(&[&["convert"], arguments].concat())
            .output()
            .unwrap()
    }

    fn install_plugin(&self) {
        let folder = self.home().join("plugin/helm-convert");
        std::fs::create_dir_all(folder.join("bin")).unwrap();
        let own = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        std::fs::copy(
            own.join("helm-convert/plugin.yaml"),
            folder.join("plugin.yaml"),
        )
        .unwrap();
        std::os::unix::fs::symlink(
            env!("CARGO_BIN_EXE_helm-convert-dup"),
            folder.join("bin/helm-convert"),
        )
        .unwrap();
        succeeded(
            &self
                .helm(&["plugin", "install", folder.to_str().unwrap()])
                .output()
                .unwrap(),
        );
    }

    fn revisions(&self, release: &str) -> String {
        let output = self
            .helm(&["history", release, "-n", "shop"])
            .output()
            .unwrap();
        text(&output.stdout) + &text(&output.stderr)
    }

    fn there(&self) -> String {
        let kinds = "deployments,secrets,configmaps,persistentvolumeclaims";
        self.cluster
            .kubectl(&["get", kinds, "-n", "shop", "-o", "name"])
    }

    /// The secret is in no file of the run, and in no argument of a process that it started.
    fn nothing_shows(&self) {
        for folder in [".local", "seen"] {
            let found = Command::new("grep")
                .args(["-rl", SECRET, folder])
                .current_dir(self.home())
                .output()
                .unwrap();
            assert_eq!(text(&found.stdout), "", "a secret is in {folder}");
        }
    }
}

const RUN: [&str; 10] = [
    "run",
    "./shop",
    "--from",
    "huawei",
    "--to",
    "ali",
    "-n",
    "shop",
    "--kube-context",
    "lab",
];

fn line<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&RUN[..], more].concat()
}

#[test]
fn a_release_is_made_and_undone_and_its_claim_stays() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let password = format!("password={SECRET}");
        let planned = shop.convert(
            &[
                &["plan"],
                &RUN[1..],
                &["--set", &password, "--out", "plan.json"],
            ]
            .concat(),
        );
        succeeded(&planned);
        let plan = std::fs::read_to_string(shop.home().join("plan.json")).unwrap();
        assert!(!plan.contains(SECRET), "{plan}");
        let run = shop.convert(&line(&[
            "--set",
            &password,
            "--plan",
            "plan.json",
            "--yes",
            "--no-wait",
            "--report",
            "report.html",
        ]));
        let said = ended(
            &run,
            0,
            &[
                "T_OrcConvert",
                "T_AppRun",
                "release shop in Kubernetes context lab, namespace shop",
            ],
        );
        assert!(!said.contains(SECRET), "{name}: {said}");
        assert!(shop.home().join("report.html").is_file());
        // What runs is the converted chart with the values that were given.
        let class = shop.cluster.kubectl(&[
            "get",
            "pvc",
            "shop-data",
            "-n",
            "shop",
            "-o",
            "jsonpath={.spec.storageClassName}",
        ]);
        assert_eq!(class, "alicloud-disk-essd");
        let secret = shop.cluster.kubectl(&[
            "get",
            "secret",
            "shop-secret",
            "-n",
            "shop",
            "-o",
            "jsonpath={.data.password}",
        ]);
        assert_eq!(secret, "bm90LXRvLWJlLXNlZW4=");
        assert!(
            shop.revisions("shop").contains("migrate run "),
            "{}",
            shop.revisions("shop")
        );
        shop.nothing_shows();
        let status = text(&shop.convert(&["status"]).stdout);
        assert!(status.contains("done"), "{status}");
        // Anywhere, without helm's options: the record knows the cluster.
        let undone = shop.convert(&["rollback", "--yes"]);
        ended(
            &undone,
            0,
            &[
                "removed release shop",
                "left persistentvolumeclaim/shop-data",
            ],
        );
        let there = shop.there();
        assert!(
            !there.contains("shop-web")
                && !there.contains("shop-secret")
                && !there.contains("shop-hook")
                && !there.contains("sh.helm.release"),
            "{name}: {there}"
        );
        assert!(
            there.contains("persistentvolumeclaim/shop-data"),
            "{name}: {there}"
        );
        // What stayed is taken over by the next run.
        succeeded(&shop.convert(&line(&["--yes", "--no-wait"])));
    }
}

#[test]
fn a_release_that_was_there_is_rolled_back_to_its_revision() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        std::fs::write(shop.home().join("old.yaml"), "size: 20Gi\n").unwrap();
        succeeded(&shop.convert(&line(&["--yes", "--no-wait"])));
        succeeded(&shop.convert(&line(&["--yes", "--no-wait", "--set", "password=second"])));
        assert!(shop.revisions("shop").contains("superseded"));
        let data = || {
            shop.cluster.kubectl(&[
                "get",
                "secret",
                "shop-secret",
                "-n",
                "shop",
                "-o",
                "jsonpath={.data.password}",
            ])
        };
        assert_eq!(data(), "c2Vjb25k", "{name}");
        // Somebody else changes the release: what is theirs is not taken back without being asked.
        let mut theirs = shop.helm(&["rollback", "shop", "2", "-n", "shop"]);
        assert!(theirs.output().unwrap().status.success());
        ended(&shop.convert(&["rollback", "--yes"]), 73, &["--force"]);
        succeeded(&shop.convert(&["rollback", "--yes", "--force"]));
        assert_eq!(data(), "bm9uZQ==", "{name}");
        assert!(shop.there().contains("persistentvolumeclaim/shop-data"));
    }
}

#[test]
fn a_release_that_does_not_become_ready_is_taken_back() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let run = shop.convert(&line(&[
            "--yes",
            "--timeout",
            "3s",
            "--set",
            &format!("password={SECRET}"),
        ]));
        ended(
            &run,
            1,
            &[
                "not ready: deployment/shop-web",
                "The target is as it was before",
                "helm convert resume ",
            ],
        );
        let there = shop.there();
        assert!(
            !there.contains("shop-web") && !there.contains("sh.helm.release"),
            "{name}: {there}"
        );
        // Its values are not in the record, and are asked for.
        ended(&shop.convert(&["resume"]), 64, &["--set password=VALUE"]);
        shop.nothing_shows();
    }
}

#[test]
#[ignore = "helm's own wait needs controllers, which only the lab has"]
fn a_release_becomes_ready() {
    for (_, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let mut child = shop
            .helm(&[&["convert"], &line(&["--yes", "--timeout", "60s"])[..]].concat())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        until("the Deployment is there", || {
            shop.there().contains("deployment.apps/shop-web")
        });
        // Nobody runs Pods and nobody binds claims here: what a cluster would say is said by the test.
        let ready = r#"{"status":{"observedGeneration":9,"replicas":1,"updatedReplicas":1,"readyReplicas":1,"availableReplicas":1,"conditions":[{"type":"Available","status":"True"},{"type":"Progressing","status":"True","reason":"NewReplicaSetAvailable"}]}}"#;
        shop.cluster.kubectl(&[
            "patch",
            "deployment",
            "shop-web",
            "-n",
            "shop",
            "--subresource=status",
            "--type=merge",
            "-p",
            ready,
        ]);
        shop.cluster.kubectl(&[
            "patch",
            "pvc",
            "shop-data",
            "-n",
            "shop",
            "--subresource=status",
            "--type=merge",
            "-p",
            r#"{"status":{"phase":"Bound"}}"#,
        ]);
        // Helm 3 looks for Pods behind a Deployment.
        replica_set(&shop);
        let status = child.wait().unwrap();
        let mut said = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut said).unwrap();
        assert!(status.success(), "{said}\n{}", shop.revisions("shop"));
        assert!(said.contains("`shop` is ready"), "{said}");
        assert!(shop.revisions("shop").contains("deployed"));
    }
}

/// What the Deployment controller would have made.
fn replica_set(shop: &Shop) {
    let get = |path: &str| {
        shop.cluster
            .kubectl(&["get", "deployment", "shop-web", "-n", "shop", "-o", path])
    };
    let uid = get("jsonpath={.metadata.uid}");
    let template = get("jsonpath={.spec.template}");
    let set = format!(
        r#"{{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{{"name":"shop-web-1","labels":{{"app":"web"}},"annotations":{{"deployment.kubernetes.io/revision":"1"}},"ownerReferences":[{{"apiVersion":"apps/v1","kind":"Deployment","name":"shop-web","uid":"{uid}","controller":true}}]}},"spec":{{"replicas":1,"selector":{{"matchLabels":{{"app":"web"}}}},"template":{template}}}}}"#
    );
    shop.cluster.apply(&["-n", "shop"], &set);
    shop.cluster.kubectl(&[
        "patch", "replicaset", "shop-web-1", "-n", "shop", "--subresource=status", "--type=merge", "-p",
        r#"{"status":{"observedGeneration":9,"replicas":1,"readyReplicas":1,"availableReplicas":1,"fullyLabeledReplicas":1}}"#,
    ]);
}

#[test]
fn a_killed_helm_is_ended_and_its_release_is_free_again() {
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        for verb in ["resume", "rollback"] {
            // Our program alone, which then has no helm above it: helm is found by HELM_BIN.
            let mut command = shop.helm(&[]);
            let program = env!("CARGO_BIN_EXE_helm-convert-dup");
            let mut direct = Command::new(program);
            direct
                .env_clear()
                .envs(
                    command
                        .get_envs()
                        .filter_map(|(name, value)| Some((name, value?))),
                )
                .env("HELM_BIN", &shop.helm)
                .current_dir(shop.home());
            command = direct;
            let mut child = command
                .args(line(&["--yes", "--timeout", "300s"]))
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            until("helm is at it", || {
                shop.revisions("shop").contains("pending-")
            });
            child.kill().unwrap();
            child.wait().unwrap();
            if verb == "resume" {
                // It is gone on with, and does not become ready here either.
                let mut again = Command::new(program);
                again
                    .env_clear()
                    .envs(
                        command
                            .get_envs()
                            .filter_map(|(name, value)| Some((name, value?))),
                    )
                    .current_dir(shop.home())
                    .arg("resume");
                let mut resumed = again.stderr(Stdio::null()).spawn().unwrap();
                until("helm is at it again", || {
                    shop.revisions("shop").contains("pending-")
                });
                resumed.kill().unwrap();
                resumed.wait().unwrap();
            }
            succeeded(&shop.convert(&["rollback", "--yes"]));
            let there = shop.there();
            assert!(
                !there.contains("shop-web") && !there.contains("sh.helm.release"),
                "{name} {verb}: {there}"
            );
        }
        let processes = Command::new("ps").args(["-eo", "args"]).output().unwrap();
        let home = shop.home().display().to_string();
        let helm = "upgrade --install shop";
        let left = text(&processes.stdout);
        assert!(
            !left
                .lines()
                .any(|line| line.contains(helm) && line.contains(&home)),
            "{left}"
        );
    }
}

#[test]
fn what_belongs_to_others_and_what_cannot_be_found_again_is_refused() {
    for (_, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        shop.cluster.kubectl(&["create", "namespace", "shop"]);
        shop.cluster.kubectl(&[
            "create",
            "secret",
            "generic",
            "shop-secret",
            "-n",
            "shop",
            "--from-literal=password=theirs",
        ]);
        ended(
            &shop.convert(&line(&["--yes", "--no-wait"])),
            1,
            &["secret/shop-secret", "--on-conflict", "Nothing was changed"],
        );
        ended(
            &shop.convert(&line(&["--yes", "--no-wait", "--on-conflict", "skip"])),
            1,
            &["helm cannot leave single objects out"],
        );
        let token = shop.convert(&line(&["--yes", "--kube-token", SECRET]));
        let said = ended(&token, 64, &["--kube-token", "kubeconfig"]);
        assert!(!said.contains(SECRET));
    }
}

#[test]
fn images_go_along_and_the_chart_asks_for_them_there() {
    let registry = match tests::lab::Registry::start(&COMPONENTS, None) {
        Ok(registry) => registry,
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "{error}"
            );
            println!("NOT TESTED: {error}");
            return;
        }
    };
    for (name, helm) in helms() {
        let Some(shop) = Shop::start(&helm) else {
            return;
        };
        let layout = shop.home().join("images");
        let made = Command::new(env!("CARGO_BIN_EXE_sample-images"))
            .arg(images_of(&shop))
            .arg(&layout)
            .status()
            .unwrap();
        assert!(made.success());
        let address = registry.address();
        let run = shop.convert(&line(&[
            "--yes",
            "--no-wait",
            "--images-from",
            "oci:images",
            "--to-registry",
            &address,
        ]));
        succeeded(&run);
        let image = shop.cluster.kubectl(&[
            "get",
            "deployment",
            "shop-web",
            "-n",
            "shop",
            "-o",
            "jsonpath={..image}",
        ]);
        assert_eq!(
            image,
            format!("{address}/team/web:1.2"),
            "{name}: {}",
            text(&run.stderr)
        );
        // An image that is nowhere is named with the line of the template or of the values that asks for it.
        let missing = shop.convert(&line(&[
            "--yes",
            "--no-wait",
            "--images-from",
            "oci:images",
            "--to-registry",
            &address,
            "--set",
            "image.tag=none",
        ]));
        ended(
            &missing,
            1,
            &["registry.example/team/web:none", "templates/web.yaml:"],
        );
    }
}

/// A Compose file with the images of the chart, for the program that makes images.
fn images_of(shop: &Shop) -> PathBuf {
    let path = shop.home().join("images.yaml");
    std::fs::write(&path, "services:\n  web: {image: \"registry.example/team/web:1.2\"}\n  test: {image: \"registry.example/team/test:1\"}\n").unwrap();
    path
}
