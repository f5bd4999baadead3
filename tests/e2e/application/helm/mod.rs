//! `helm convert run`, called by the real Helm 3 and Helm 4, to a real API server. No Pod ever starts there: how a
//! release becomes ready is shown in the lab.

mod rights;
mod runs;
mod undo;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::cluster::Cluster;
use super::{COMPONENTS, succeeded, text};

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
        Self::on(Cluster::start()?, helm)
    }

    fn on(cluster: Cluster, helm: &Path) -> Option<Self> {
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

    /// The password in the release's Secret, as it is stored.
    fn password(&self) -> String {
        let field = "jsonpath={.data.password}";
        self.cluster
            .kubectl(&["get", "secret", "shop-secret", "-n", "shop", "-o", field])
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
