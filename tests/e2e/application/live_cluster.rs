//! `kubectl migrate` on what runs in a real API server.

use super::{Cluster, succeeded, text};

const SOURCE_ROLE: &str = include_str!("../../../kubectl-migrate/roles/source.yaml");
const TARGET_ROLE: &str = include_str!("../../../kubectl-migrate/roles/target.yaml");

/// A small shop with everything that workloads can depend on, and things that have nothing to do with it.
const SHOP: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      serviceAccountName: web
      containers:
        - name: web
          image: nginx:1.27
          ports: [{containerPort: 80}]
          envFrom: [{configMapRef: {name: web-settings}}]
          env:
            - name: PASSWORD
              valueFrom: {secretKeyRef: {name: web-secret, key: password}}
          readinessProbe: {httpGet: {path: /, port: 80}}
          volumeMounts: [{name: data, mountPath: /data}]
      volumes:
        - name: data
          persistentVolumeClaim: {claimName: web-data}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, labels: {app: db}}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: "redis:7"}]
  volumeClaimTemplates:
    - metadata: {name: data}
      spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: night}
spec:
  schedule: "0 3 * * *"
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers: [{name: night, image: "busybox:1.37", command: [sleep, "1"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: alone, labels: {app: alone}}
spec:
  containers: [{name: alone, image: "busybox:1.37", command: [sleep, "1000"]}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: web-settings}
data: {COLOUR: blue}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: foreign}
data: {A: b}
---
apiVersion: v1
kind: Secret
metadata: {name: web-secret}
stringData: {password: not-to-be-seen}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: web-data}
spec: {accessModes: [ReadWriteOnce], storageClassName: fast, resources: {requests: {storage: 2Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data-db-0}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 5Gi}}}
---
apiVersion: v1
kind: Service
metadata: {name: shop}
spec: {selector: {app: web}, type: LoadBalancer, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db}
spec: {selector: {app: db}, clusterIP: None, ports: [{port: 6379}]}
---
apiVersion: v1
kind: Service
metadata: {name: foreign}
spec: {selector: {app: foreign}, ports: [{port: 80}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop}
spec:
  rules:
    - host: shop.example
      http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: shop, port: {number: 80}}}}]}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  maxReplicas: 4
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 1, selector: {matchLabels: {app: web}}}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web}
spec: {podSelector: {matchLabels: {app: web}}, ingress: [{ports: [{port: 80}]}]}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: web}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: web}
rules: [{apiGroups: [""], resources: [configmaps], verbs: [get]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: web}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: web}
subjects: [{kind: ServiceAccount, name: web}]
"#;

/// A ReplicaSet and a Pod as the controllers make them.
fn children(cluster: &Cluster) {
    let uid = |kind: &str, name: &str| {
        cluster.kubectl(&[
            "get",
            kind,
            name,
            "-n",
            "shop",
            "-o",
            "jsonpath={.metadata.uid}",
        ])
    };
    let child = |kind: &str, api: &str, name: &str, owner: (&str, &str), spec: &str| {
        let uid = uid(owner.0, owner.1);
        format!(
            "apiVersion: {api}\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {{app: web, pod-template-hash: abc}}\n  \
             ownerReferences: [{{apiVersion: apps/v1, kind: {}, name: {}, uid: {uid}, controller: true}}]\nspec: {spec}\n",
            owner.0, owner.1
        )
    };
    let pod = r#"{containers: [{name: web, image: "nginx:1.27"}]}"#;
    let set = format!(
        "{{selector: {{matchLabels: {{app: web, pod-template-hash: abc}}}}, template: {{metadata: {{labels: {{app: web, \
         pod-template-hash: abc}}}}, spec: {pod}}}}}"
    );
    let set = child(
        "ReplicaSet",
        "apps/v1",
        "web-abc",
        ("Deployment", "web"),
        &set,
    );
    cluster.apply(&["-n", "shop"], &set);
    let pod = child("Pod", "v1", "web-abc-xyz", ("ReplicaSet", "web-abc"), pod);
    cluster.apply(&["-n", "shop"], &pod);
}

fn shop(cluster: &Cluster) {
    cluster.kubectl(&["create", "namespace", "shop"]);
    cluster.apply(&["-n", "shop"], SHOP);
    children(cluster);
}

fn compose(cluster: &Cluster, arguments: &[&str]) -> (serde_yaml::Value, String) {
    let folder = cluster.home.path().join("out");
    let _ = std::fs::remove_dir_all(&folder);
    let output = cluster.kubectl_migrate(&[&["convert", "-d", "out"], arguments].concat());
    succeeded(&output);
    let file = std::fs::read_to_string(folder.join("compose.yaml")).unwrap();
    assert!(!file.contains("not-to-be-seen"), "{file}");
    (serde_yaml::from_str(&file).unwrap(), text(&output.stderr))
}

fn services(file: &serde_yaml::Value) -> Vec<String> {
    let services = file["services"].as_mapping().unwrap();
    let mut names: Vec<String> = services
        .keys()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_namespace_is_read_without_what_the_cluster_made() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    shop(&cluster);
    let (file, said) = compose(&cluster, &["-n", "shop", "--verbose"]);
    // The ReplicaSet and its Pod are the Deployment's.
    assert_eq!(services(&file), ["alone", "db", "night", "web"]);
    let web = &file["services"]["web"];
    assert_eq!(web["environment"]["COLOUR"], "blue", "{file:#?}");
    assert_eq!(web["deploy"]["replicas"], 2);
    for expected in [
        "lab:shop/deployment/web:",
        "live-volume-data",
        "live-claim-size",
        "service/foreign",
        "5Gi",
    ] {
        assert!(said.contains(expected), "no {expected} in\n{said}");
    }
    for surprise in [
        "terminationMessage",
        "kube-api-access",
        "managedFields",
        "pod-template-hash",
        "clusterIP ",
        "kube-root-ca",
        "configmap/foreign",
        "web-abc",
        "progressDeadlineSeconds",
        "schedulerName",
        "not-to-be-seen",
    ] {
        assert!(!said.contains(surprise), "{surprise} in\n{said}");
    }
    // The same objects from files convert to the same, but for what the server knows better.
    let written = SHOP.replace("storage: 1Gi", "storage: 5Gi");
    std::fs::write(cluster.home.path().join("shop.yaml"), written).unwrap();
    let (from_files, _) = compose(&cluster, &["-f", "shop.yaml"]);
    for name in ["alone", "db", "night", "web"] {
        let (live, file) = (&file["services"][name], &from_files["services"][name]);
        for key in [
            "image",
            "command",
            "entrypoint",
            "environment",
            "volumes",
            "healthcheck",
            "ports",
            "restart",
        ] {
            assert_eq!(live[key], file[key], "{name}.{key}");
        }
    }
}

#[test]
fn names_types_and_labels_select() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    shop(&cluster);
    for (arguments, expected) in [
        (&["deploy/web"][..], &["web"][..]),
        (&["deployment", "web"], &["web"]),
        (&["deploy,sts"], &["db", "web"]),
        (&["sts/db", "pod/alone"], &["alone", "db"]),
        (&["-l", "app=db"], &["db"]),
        // A Pod leads to the Deployment that made it.
        (&["pod/web-abc-xyz"], &["web"]),
        (&["-l", "pod-template-hash=abc"], &["web"]),
    ] {
        let (file, _) = compose(&cluster, &[&["-n", "shop"], arguments].concat());
        assert_eq!(services(&file), expected, "{arguments:?}");
    }
    for (arguments, code) in [
        (&["deploy/none"][..], 65),
        (&["gateways"], 64),
        (&["deploy/web", "-l", "app=web"], 64),
        (&["-l", "app=none"], 65),
        (&["deploy/web", "--context", "none"], 69),
        (&["-f", "x.yaml", "-l", "a=b"], 64),
    ] {
        let output = cluster.kubectl_migrate(&[&["convert", "-n", "shop"], arguments].concat());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?} {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_role_of_a_namespace_is_enough_and_less_is_said() {
    let Some(cluster) = Cluster::start_with_roles() else {
        return;
    };
    shop(&cluster);
    let narrow = cluster.with_role("shop", "reader", SOURCE_ROLE);
    let narrow = narrow.to_str().unwrap();
    let (file, said) = compose(
        &cluster,
        &["--kubeconfig", narrow, "-n", "shop", "--verbose"],
    );
    assert_eq!(services(&file), ["alone", "db", "night", "web"]);
    assert!(!said.contains("live-forbidden"), "{said}");
    assert!(said.contains("narrow:shop/deployment/web"), "{said}");
    // Without the right to Secrets and budgets the rest is read, and what is missing is said.
    let less = SOURCE_ROLE
        .replace("migrate-source", "less")
        .replace("configmaps, secrets,", "configmaps,")
        .replace("poddisruptionbudgets", "none");
    let less = cluster.with_role("shop", "less", &less);
    let arguments = ["--kubeconfig", less.to_str().unwrap(), "-n", "shop"];
    let output = cluster.kubectl_migrate(&[&["convert", "-d", "less"], &arguments[..]].concat());
    let said = text(&output.stderr);
    assert!(
        said.contains("live-forbidden")
            && said.contains("secret/web-secret")
            && said.contains("poddisruptionbudgets"),
        "{said}"
    );
    // Nothing at all is an error with the exit code for it.
    let nothing = "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata:\n  name: nothing\nrules: []\n";
    let nothing = cluster.with_role("shop", "nothing", nothing);
    let nothing = nothing.to_str().unwrap();
    let output = cluster.kubectl_migrate(&["convert", "-n", "shop", "--kubeconfig", nothing]);
    assert_eq!(output.status.code(), Some(77), "{}", text(&output.stderr));
}

#[test]
fn the_role_of_the_target_is_enough_for_a_run() {
    let Some(cluster) = Cluster::start_with_roles() else {
        return;
    };
    cluster.write(super::WEB);
    let narrow = cluster.with_role("narrow", "deployer", TARGET_ROLE);
    let narrow = narrow.to_str().unwrap();
    let run = cluster.migrate(&[
        "run",
        "--kubeconfig",
        narrow,
        "-n",
        "narrow",
        "--yes",
        "--no-wait",
    ]);
    succeeded(&run);
    let names = cluster.kubectl(&["get", "deployments", "-n", "narrow", "-o", "name"]);
    assert!(names.contains("deployment.apps/web"), "{names}");
    succeeded(&cluster.migrate(&["rollback", "--yes"]));
    let names = cluster.kubectl(&["get", "deployments", "-n", "narrow", "-o", "name"]);
    assert!(!names.contains("web"), "{names}");
}

#[test]
fn a_running_application_goes_into_a_bundle() {
    let Some(cluster) = Cluster::start() else {
        return;
    };
    shop(&cluster);
    let plan = [
        "plan",
        "deploy/web",
        "-n",
        "shop",
        "--to",
        "bundle:b",
        "--no-images",
        "--out",
        "plan.json",
    ];
    succeeded(&cluster.kubectl_migrate(&plan));
    let run = [
        "run",
        "deploy/web",
        "-n",
        "shop",
        "--to",
        "bundle:b",
        "--no-images",
    ];
    let checked = [&run[..], &["--plan", "plan.json"]].concat();
    succeeded(&cluster.kubectl_migrate(&checked));
    let plan = std::fs::read_to_string(cluster.home.path().join("plan.json")).unwrap();
    assert!(
        !plan.contains("not-to-be-seen") && !plan.contains("bm90LXRvLWJlLXNlZW4"),
        "{plan}"
    );
    assert!(cluster.home.path().join("b/bundle.json").is_file());
    // The source changes: the plan is of another world.
    cluster.kubectl(&[
        "set",
        "image",
        "deployment/web",
        "web=nginx:1.28",
        "-n",
        "shop",
    ]);
    let refused = cluster.kubectl_migrate(&checked);
    assert_eq!(refused.status.code(), Some(73), "{}", text(&refused.stderr));
}
