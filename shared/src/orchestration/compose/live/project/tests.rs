//! Shapes of containers that an engine may have.

use serde_json::json;

use super::*;

fn told(config: Value, host: Value) -> Told {
    let mut config = config;
    config["Labels"] = json!({
        "com.docker.compose.project": "shop",
        "com.docker.compose.service": "web",
        "com.docker.compose.container-number": "1",
        "com.docker.compose.depends_on": "db:service_healthy:true,cache:service_started:false",
        "kind": "front",
    });
    config["Image"] = json!("web:1");
    let container = json!({
        "Id": "0123456789abcdef",
        "Name": "/shop-web-1",
        "Image": "sha256:1",
        "Config": config,
        "HostConfig": host,
        "Mounts": [
            {"Type": "volume", "Name": "shop_data", "Destination": "/data", "RW": true},
            {"Type": "bind", "Source": "/srv/key", "Destination": "/run/secrets/key", "RW": false, "Propagation": "rprivate"},
        ],
        "NetworkSettings": {"Networks": {"shop_default": {"Aliases": ["shop-web-1", "web", "0123456789ab", "www"]}}},
    });
    Told {
        containers: vec![container],
        images: BTreeMap::from([(
            "sha256:1".to_owned(),
            json!({"Id": "sha256:1", "Config": {"Cmd": ["serve"], "Env": ["PATH=/bin"], "WorkingDir": "/app"}}),
        )]),
        networks: BTreeMap::from([(
            "shop_default".to_owned(),
            json!({"Name": "shop_default", "Driver": "bridge", "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.network": "default"}}),
        )]),
        volumes: BTreeMap::from([(
            "shop_data".to_owned(),
            json!({"Name": "shop_data", "Driver": "local", "Labels": {"com.docker.compose.project": "shop", "com.docker.compose.volume": "data"}}),
        )]),
    }
}

fn written(live: &LiveStack, name: &str) -> serde_yaml::Value {
    use crate::source::Files as _;
    let bytes = live.files.read(&live.folder.join(name), 1 << 20).unwrap();
    serde_yaml::from_slice(&bytes).unwrap()
}

#[test]
fn a_container_is_a_service_without_what_its_image_says() {
    let told = told(
        json!({
            "Hostname": "0123456789ab", "Cmd": ["serve"], "WorkingDir": "/app",
            "Env": ["PATH=/bin", "PRICE=5$"],
        }),
        json!({
            "NetworkMode": "shop_default", "Memory": 1_048_576, "MemorySwap": 2_097_152, "NanoCpus": 500_000_000,
            "RestartPolicy": {"Name": "on-failure", "MaximumRetryCount": 3}, "ShmSize": 67_108_864,
            "PortBindings": {"80/tcp": [{"HostIp": "", "HostPort": "8080"}], "53/udp": [{"HostIp": "127.0.0.1", "HostPort": "53"}]},
            "LogConfig": {"Type": "json-file", "Config": {}}, "IpcMode": "private",
        }),
    );
    let live = compose(&told, "shop", &BTreeMap::new()).unwrap();
    let file = written(&live, "service web of the engine");
    let web = &file["services"]["web"];
    let expected: serde_yaml::Value = serde_yaml::from_str(
        r#"
image: web:1
environment: ["PRICE=5$$"]
labels: {kind: front}
volumes: [{type: volume, source: data, target: /data}]
secrets: [key]
networks: {default: {aliases: [www]}}
ports: [{target: 53, published: "53", host_ip: 127.0.0.1, protocol: udp}, {target: 80, published: "8080"}]
restart: on-failure:3
cpus: "0.5"
mem_limit: "1048576"
depends_on: {db: {condition: service_healthy, restart: true}, cache: {condition: service_started}}
"#,
    )
    .unwrap();
    assert_eq!(web, &expected);
    let codes: Vec<_> = live.findings.as_slice().iter().map(|f| f.code.0).collect();
    assert_eq!(codes, ["live-volume-data", "live-secret-content"]);
}

#[test]
fn a_setting_without_a_word_is_named() {
    let told = told(
        json!({}),
        json!({"NetworkMode": "host", "BlkioWeightDevice": [{"Path": "/dev/sda", "Weight": 5}]}),
    );
    let live = compose(
        &told,
        "shop",
        &BTreeMap::from([("key".to_owned(), b"\xff".to_vec())]),
    )
    .unwrap();
    let file = written(&live, "service web of the engine");
    assert_eq!(file["services"]["web"]["network_mode"], "host");
    let messages: Vec<_> = live
        .findings
        .as_slice()
        .iter()
        .map(|f| f.message.clone())
        .collect();
    assert!(
        messages
            .iter()
            .any(|text| text.contains("HostConfig.BlkioWeightDevice")),
        "{messages:?}"
    );
    let shared = written(&live, "what services of the engine share");
    assert_eq!(shared["secrets"]["key"]["file"], "./secrets/key");
}
