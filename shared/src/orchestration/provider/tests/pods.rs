//! Where pods run.

use serde_json::json;

use super::run;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  affinity: {nodeAffinity: AFFINITY}\n  containers: [{name: web, image: nginx}]\n";

fn affinity(from: &str, to: &str, affinity: &str) -> serde_json::Value {
    let done = run(from, to, &POD.replace("AFFINITY", affinity));
    done.of("Pod")["spec"]["affinity"].clone()
}

#[test]
fn a_term_without_expressions_would_match_no_node() {
    let gone =
        "{matchExpressions: [{key: eks.amazonaws.com/compute-type, operator: In, values: [db]}]}";
    let kept = "{matchExpressions: [{key: own/label, operator: Exists}]}";
    let required = "requiredDuringSchedulingIgnoredDuringExecution";
    let one = format!("{{{required}: {{nodeSelectorTerms: [{gone}]}}}}");
    assert_eq!(affinity("aws", "onprem", &one), json!(null));
    let two = format!("{{{required}: {{nodeSelectorTerms: [{gone}, {kept}]}}}}");
    assert_eq!(
        affinity("aws", "onprem", &two),
        json!({"nodeAffinity": {required: {"nodeSelectorTerms": [
            {"matchExpressions": [{"key": "own/label", "operator": "Exists"}]},
        ]}}})
    );
    let preferred = format!(
        "{{preferredDuringSchedulingIgnoredDuringExecution: [{{weight: 1, preference: {gone}}}]}}"
    );
    assert_eq!(affinity("aws", "onprem", &preferred), json!(null));
    // What matches by a field of the node stays.
    let fields = format!(
        "{{{required}: {{nodeSelectorTerms: [{{matchExpressions: [{{key: os.name, operator: Exists}}], matchFields: [{{key: metadata.name, operator: In, values: [a]}}]}}]}}}}"
    );
    assert_eq!(
        affinity("huawei", "ali", &fields)["nodeAffinity"][required]["nodeSelectorTerms"],
        json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["a"]}]}])
    );
    // What was empty is somebody's own.
    let empty = format!("{{{required}: {{nodeSelectorTerms: []}}}}");
    assert_eq!(
        affinity("aws", "onprem", &empty),
        json!({"nodeAffinity": {required: {"nodeSelectorTerms": []}}})
    );
}

#[test]
fn a_toleration_is_said_once() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec:\n  nodeSelector: {kubernetes.io/hostname: node-1}\n  tolerations: [{key: eks.tke.cloud.tencent.com/eklet, operator: Exists, effect: NoSchedule}]\n  containers: [{name: web, image: nginx}]\n";
    let done = run("tencent", "aws", text);
    assert_eq!(done.of("Pod")["spec"]["tolerations"], json!(null));
    assert!(done.says("provider-setting-dropped", "the toleration"));
    assert!(
        !done.says("provider-setting-replaced", ""),
        "{}",
        done.said()
    );
    assert!(done.says("provider-mark-left", "`node-1`"));
}

#[test]
fn an_identity_of_the_source_is_said() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {azure.workload.identity/use: 'true', aadpodidbinding: x}}\nspec:\n  containers: [{name: web, image: nginx}]\n";
    let done = run("azure", "aws", text);
    assert!(done.says("provider-mark-left", "azure.workload.identity/use"));
    assert!(done.says("provider-mark-left", "aadpodidbinding"));
}

#[test]
fn words_for_spot_nodes_are_translated() {
    let selected = |from: &str, to: &str, selector: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: web}}\nspec:\n  nodeSelector: {{{selector}}}\n  containers: [{{name: web, image: nginx}}]\n"
        );
        let done = run(from, to, &text);
        (
            done.of("Pod")["spec"]["nodeSelector"].clone(),
            done.says("node-label-lost", ""),
        )
    };
    let (aws, karpenter) = (
        "eks.amazonaws.com/capacityType",
        "karpenter.sh/capacity-type",
    );
    let (google, azure) = (
        "cloud.google.com/gke-spot",
        "kubernetes.azure.com/scalesetpriority",
    );
    for (from, to, selector, key, value) in [
        ("aws", "google", format!("{aws}: SPOT"), google, "true"),
        ("aws", "azure", format!("{karpenter}: spot"), azure, "spot"),
        ("azure", "google", format!("{azure}: spot"), google, "true"),
        ("google", "aws", format!("{google}: 'true'"), aws, "SPOT"),
    ] {
        assert_eq!(
            selected(from, to, &selector),
            (json!({ key: value }), false)
        );
    }
    for selector in [format!("{aws}: ON_DEMAND"), format!("{aws}: OTHER")] {
        assert_eq!(selected("aws", "google", &selector), (json!(null), true));
    }
    let asked = |from: &str, to: &str, expression: &str| {
        let required = "requiredDuringSchedulingIgnoredDuringExecution";
        let terms = format!(
            "{{{required}: {{nodeSelectorTerms: [{{matchExpressions: [{{{expression}}}]}}]}}}}"
        );
        affinity(from, to, &terms)["nodeAffinity"][required]["nodeSelectorTerms"][0]["matchExpressions"][0].clone()
    };
    assert_eq!(
        asked(
            "aws",
            "google",
            &format!("key: {aws}, operator: In, values: [ON_DEMAND]")
        ),
        json!({"key": google, "operator": "NotIn", "values": ["true"]})
    );
    assert_eq!(
        asked(
            "aws",
            "azure",
            &format!("key: {karpenter}, operator: NotIn, values: [spot]")
        ),
        json!({"key": azure, "operator": "NotIn", "values": ["spot"]})
    );
    assert_eq!(
        asked(
            "google",
            "aws",
            &format!("key: {google}, operator: DoesNotExist")
        ),
        json!({"key": aws, "operator": "NotIn", "values": ["SPOT"]})
    );
    assert_eq!(
        asked(
            "aws",
            "google",
            &format!("key: {aws}, operator: In, values: [SPOT, ON_DEMAND]")
        ),
        json!(null)
    );
}

#[test]
fn an_identity_does_not_move_and_is_said() {
    for (key, code) in [
        ("iam.amazonaws.com/role", "provider-setting-lost"),
        ("eks.amazonaws.com/role-arn", "credentials-needed"),
    ] {
        let pod = format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\nspec:\n  template:\n    metadata:\n      annotations: {{{key}: 'arn:aws:iam::1:role/x'}}\n    spec:\n      containers: [{{name: web, image: nginx}}]\n"
        );
        let account = format!(
            "apiVersion: v1\nkind: ServiceAccount\nmetadata:\n  name: web\n  annotations: {{{key}: 'arn:aws:iam::1:role/x'}}\n"
        );
        for text in [pod, account] {
            for to in ["huawei", "google", "azure", "onprem"] {
                let done = run("aws", to, &text);
                assert!(
                    done.says(code, "arn:aws:iam::1:role/x"),
                    "{to}\n{}",
                    done.said()
                );
                let left = done
                    .objects
                    .iter()
                    .any(|o| o.to_string().contains("arn:aws"));
                assert!(!left, "{to}: {:?}", done.objects);
            }
        }
    }
}
