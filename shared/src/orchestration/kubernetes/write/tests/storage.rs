//! Volumes, bind mounts, configs and secrets.

use serde_json::json;

use super::{compose, service, with_files};
use crate::orchestration::kubernetes::KubernetesOptions;
use crate::orchestration::model::Dialect;
use crate::source::Memory;

#[test]
fn volumes_and_who_uses_them() {
    let text = "services:
  one: {image: a, volumes: ['shared:/a', 'own:/b', 'read:/c:ro', {type: volume, source: nc, target: /d, volume: {nocopy: true}}]}
  two: {image: a, volumes: ['shared:/a', 'read:/c:ro']}
  three: {image: a, volumes: ['ext:/e', 'nfs:/n', 'mem:/m']}
volumes:
  shared: {}
  own: {name: real_own}
  read: {}
  nc: {}
  ext: {external: true, name: there}
  nfs: {driver_opts: {type: nfs, o: 'addr=10.0.0.1,ro,nfsvers=4', device: ':/export'}}
  mem: {driver_opts: {type: tmpfs, device: tmpfs, o: size=10m}}
";
    let written = compose(text);
    for (claim, mode) in [
        ("shared", "ReadWriteMany"),
        ("real-own", "ReadWriteOnce"),
        ("read", "ReadOnlyMany"),
        ("nc", "ReadWriteOnce"),
    ] {
        let spec = &written.object("PersistentVolumeClaim", claim)["spec"];
        assert_eq!(spec["accessModes"], json!([mode]), "{claim}");
        assert_eq!(spec["resources"]["requests"]["storage"], "1Gi");
    }
    let annotations =
        &written.object("PersistentVolumeClaim", "real-own")["metadata"]["annotations"];
    assert_eq!(annotations["migrate.tmhcc.io/name"], "own");
    assert_eq!(annotations["migrate.tmhcc.io/real-name"], "real_own");
    assert!(written.find("PersistentVolumeClaim", "there").is_none());
    let nfs = written.only("PersistentVolume");
    assert_eq!(nfs["spec"]["nfs"]["server"], "10.0.0.1");
    let claim = &written.object("PersistentVolumeClaim", "nfs")["spec"];
    assert_eq!(
        (&claim["volumeName"], &claim["storageClassName"]),
        (&nfs["metadata"]["name"], &json!(""))
    );
    let three = &written.object("Deployment", "three")["spec"]["template"]["spec"]["volumes"];
    assert_eq!(three[0]["persistentVolumeClaim"]["claimName"], "there");
    assert_eq!(three[2]["emptyDir"]["medium"], "Memory");
    let copied = written
        .findings
        .as_slice()
        .iter()
        .filter(|f| f.code.0 == "volume-copy-up");
    let copied: Vec<_> = copied.map(|f| f.message.as_str()).collect();
    assert!(!copied.iter().any(|m| m.contains("/d")), "{copied:?}");
    assert!(copied.iter().any(|m| m.contains("/b")), "{copied:?}");
}

#[test]
fn configs_and_secrets() {
    let text = "services:
  web:
    image: a
    configs: [c, {source: c, target: /etc/c.conf, mode: 0o440}, {source: there, target: /x}]
    secrets: [s]
configs: {c: {content: text}, there: {external: true}}
secrets: {s: {file: ./s.txt}}
";
    let mut files = Memory::default();
    files.add("/project/s.txt", "content");
    let written = with_files(text, Dialect::Swarm, &KubernetesOptions::default(), &files);
    let config = written.only("ConfigMap");
    let name = config["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("c-") && name.len() == 10, "{name}");
    assert_eq!(
        (&config["data"]["c"], &config["immutable"]),
        (&json!("text"), &json!(true))
    );
    let spec = &written.only("Deployment")["spec"]["template"]["spec"];
    let mounts: Vec<_> = spec["containers"][0]["volumeMounts"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let at = |path: &str| {
        mounts
            .iter()
            .find(|m| m["mountPath"] == path)
            .unwrap_or_else(|| panic!("{path} in {mounts:?}"))
    };
    let volume = |path: &str| {
        let name = &at(path)["name"];
        spec["volumes"]
            .as_array()
            .into_iter()
            .flatten()
            .find(|v| v["name"] == *name)
            .expect("a volume")
    };
    assert_eq!(at("/c")["subPath"], "c");
    assert_eq!(volume("/c")["configMap"]["defaultMode"], 0o444);
    assert_eq!(volume("/etc/c.conf")["configMap"]["defaultMode"], 0o440);
    assert_eq!(volume("/x")["configMap"]["items"][0]["key"], "file");
    assert_eq!(volume("/x")["configMap"]["name"], "there");
    assert_eq!(
        volume("/run/secrets/s")["secret"]["items"][0]["path"],
        at("/run/secrets/s")["subPath"]
    );
    assert!(written.codes().contains("external-object"));
}

#[test]
fn bind_mounts() {
    let mut files = Memory::default();
    files.add("/project/conf/a.conf", "a");
    files.add("/project/conf/deep/b.conf", "b");
    files.add("/project/start.sh", "#!/bin/sh\n");
    files.add("/project/blob", [0, 159, 146, 150]);
    files.add("/project/large", vec![b'x'; 1024 * 1024 + 1]);
    let text = service(
        "volumes:\n- ./conf:/conf:ro\n- ./start.sh:/start.sh:ro\n- ./blob:/blob:ro\n- ./large:/large\n- ./data:/data\n- \
         /srv:/srv\n- /var/run/docker.sock:/var/run/docker.sock\n- /etc/localtime:/etc/localtime:ro",
    );
    let written = with_files(
        &text,
        Dialect::Compose,
        &KubernetesOptions::default(),
        &files,
    );
    let spec = &written.only("Deployment")["spec"]["template"]["spec"];
    let mounts: Vec<_> = spec["containers"][0]["volumeMounts"]
        .as_array()
        .into_iter()
        .flatten()
        .collect();
    let find = |path: &str| {
        let mount = mounts
            .iter()
            .find(|m| m["mountPath"] == path)
            .unwrap_or_else(|| panic!("{path}"));
        let volumes = spec["volumes"].as_array().into_iter().flatten();
        let volume = volumes
            .into_iter()
            .find(|v| v["name"] == mount["name"])
            .expect("a volume");
        (*mount, volume)
    };
    let (_, conf) = find("/conf");
    let map = written.object(
        "ConfigMap",
        conf["configMap"]["name"].as_str().expect("a name"),
    );
    assert_eq!(map["data"].as_object().map(serde_json::Map::len), Some(2));
    let paths: Vec<_> = conf["configMap"]["items"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|i| &i["path"])
        .collect();
    assert_eq!(paths, ["a.conf", "deep/b.conf"]);
    assert_eq!(
        map["metadata"]["annotations"]["migrate.tmhcc.io/bind"],
        "./conf"
    );
    let (start, volume) = find("/start.sh");
    assert_eq!(
        (&start["subPath"], &volume["configMap"]["defaultMode"]),
        (&json!("start.sh"), &json!(0o755))
    );
    let (_, blob) = find("/blob");
    let map = written.object(
        "ConfigMap",
        blob["configMap"]["name"].as_str().expect("a name"),
    );
    assert_eq!(map["binaryData"]["blob"], "AJ+Slg==");
    for path in ["/large", "/data"] {
        assert!(
            find(path).1["persistentVolumeClaim"]["claimName"].is_string(),
            "{path}"
        );
    }
    assert_eq!(find("/large").0["subPath"], "large", "a file stays a file");
    assert_eq!(find("/srv").1["hostPath"]["path"], "/srv");
    assert_eq!(find("/var/run/docker.sock").1["hostPath"]["type"], "Socket");
    assert_eq!(find("/srv").1["hostPath"]["type"], "DirectoryOrCreate");
    let localtime = find("/etc/localtime").1;
    assert_eq!(
        localtime["hostPath"].get("type"),
        None,
        "it is a file wherever it is"
    );
    let lost: Vec<_> = written
        .findings
        .as_slice()
        .iter()
        .filter(|f| f.code.0 == "bind-content")
        .collect();
    assert_eq!(
        lost.len(),
        1,
        "only the large file holds something: {lost:?}"
    );
}

#[test]
fn mounts_that_collide() {
    let written = compose(&service("volumes: ['/a']\ntmpfs: ['/a/']\nshm_size: 1m"));
    let spec = &written.only("Deployment")["spec"]["template"]["spec"];
    assert_eq!(
        spec["containers"][0]["volumeMounts"]
            .as_array()
            .map(Vec::len),
        Some(2)
    );
    assert!(written.codes().contains("mount-target"));
}

/// A path of the project is one of its files, however it is written.
#[test]
fn absolute_paths_of_the_project() {
    let mut files = Memory::default();
    files.add("/project/fs/config.xml", "<x/>");
    let text = service(
        "volumes: ['/project/fs/config.xml:/etc/a/config.xml', '/project/fs/../fs/config.xml:/b', '/opt/x/../y:/data']",
    );
    let written = with_files(
        &text,
        Dialect::Compose,
        &KubernetesOptions::default(),
        &files,
    );
    let map = written.only("ConfigMap");
    assert_eq!(map["data"]["config.xml"], "<x/>");
    let pod = &written.only("Deployment")["spec"]["template"]["spec"];
    let mounts = &pod["containers"][0]["volumeMounts"];
    assert_eq!(mounts[0]["subPath"], "config.xml");
    assert_eq!(mounts[1]["subPath"], "config.xml");
    assert_eq!(pod["volumes"][1]["hostPath"]["path"], "/opt/y");
    assert!(!written.codes().contains("mount-impossible"));
}

/// A folder inside of another one is a claim apart.
#[test]
fn binds_inside_of_binds() {
    let nested = |volumes: &str| {
        let written = compose(&service(&format!("volumes: [{volumes}]")));
        let findings = written.findings.as_slice().iter();
        findings.filter(|f| f.code.0 == "bind-nested").count()
    };
    assert_eq!(nested("'./conf:/etc/x', './conf/live:/etc/x/live:ro'"), 1);
    assert_eq!(nested("'./conf:/etc/x', './conf-live:/etc/y'"), 0);
}

#[test]
fn sockets_of_the_engine() {
    for path in ["/var/run/docker.sock", "/run/docker.sock"] {
        let codes = compose(&service(&format!("volumes: ['{path}:{path}']"))).codes();
        assert!(codes.contains("docker-socket") && !codes.contains("bind-node-path"));
    }
}

/// Neither a gigabyte of a driver nor a word that is lost.
#[test]
fn options_of_volume_drivers() {
    let text = |options: &str| {
        format!(
            "{}volumes: {{data: {options}}}\n",
            service("volumes: ['data:/d']")
        )
    };
    for (options, size) in [
        ("{driver_opts: {size: 1}}", "1Gi"),
        ("{driver: rexray, driver_opts: {size: '10'}}", "1Gi"),
        ("{driver: rexray, driver_opts: {size: 10g}}", "10Gi"),
        ("{driver_opts: {size: 2m}}", "2Mi"),
        ("{driver_opts: {size: 2097152}}", "2Mi"),
    ] {
        let written = compose(&text(options));
        let claim = &written.only("PersistentVolumeClaim")["spec"];
        assert_eq!(claim["resources"]["requests"]["storage"], size, "{options}");
        assert!(!written.codes().contains("volume-option"), "{options}");
    }
    let memory = compose(&text(
        "{driver_opts: {type: tmpfs, device: tmpfs, o: 'size=1m,uid=1000,mode=0700'}}",
    ));
    let findings = memory.findings.as_slice();
    let said = findings.iter().find(|f| f.code.0 == "tmpfs-options");
    assert!(said.is_some_and(|f| f.message.contains("uid=1000, mode=0700")));
}

/// `docker compose` mounts files as they lie there.
#[test]
fn modes_of_the_host() {
    let mut files = Memory::default();
    for (path, mode) in [("run", 0o775), ("key", 0o600), ("plain", 0o664)] {
        let path = format!("/project/{path}");
        files.add(&path, "x");
        files.set_mode(&path, mode);
    }
    let modes = |user: &str, dialect| {
        let text = format!(
            "services:\n  web:\n    image: a\n    user: '{user}'\n    configs: [run, key, plain, {{source: key, target: /own, mode: 0440}}]\n    volumes: ['./key:/bound']\nconfigs: {{run: {{file: ./run}}, key: {{file: ./key}}, plain: {{file: ./plain}}}}\n"
        );
        let written = with_files(&text, dialect, &KubernetesOptions::default(), &files);
        let pod = &written.only("Deployment")["spec"]["template"]["spec"];
        ["/run", "/key", "/plain", "/own", "/bound"].map(|target| {
            let mounts = pod["containers"][0]["volumeMounts"]
                .as_array()
                .expect("mounts");
            let mount = mounts
                .iter()
                .find(|m| m["mountPath"] == target)
                .expect("one");
            let volumes = pod["volumes"].as_array().expect("volumes");
            let volume = volumes
                .iter()
                .find(|v| v["name"] == mount["name"])
                .expect("one");
            volume["configMap"]["defaultMode"].as_u64().unwrap_or(0o644)
        })
    };
    assert_eq!(
        modes("0", Dialect::Compose),
        [0o755, 0o600, 0o444, 0o440, 0o600]
    );
    assert_eq!(
        modes("7", Dialect::Compose),
        [0o755, 0o444, 0o444, 0o440, 0o644]
    );
    assert_eq!(
        modes("0", Dialect::Swarm)[..4],
        [0o444, 0o444, 0o444, 0o440]
    );
}

/// A variable that is not set leaves a name empty.
#[test]
fn names_that_are_empty() {
    let written = compose(
        "services:\n  web: {image: a, volumes: ['one:/a', 'two:/b']}\nvolumes: {one: {external: true, name: ''}, two: {external: true, name: ''}}\n",
    );
    let volumes = &written.only("Deployment")["spec"]["template"]["spec"]["volumes"];
    for (index, name) in ["one", "two"].into_iter().enumerate() {
        assert_eq!(volumes[index]["persistentVolumeClaim"]["claimName"], name);
    }
}
