//! What the verb `explain` answers.

use super::super::rows::{compose, kubernetes};
use super::super::{Explained, explain, explain_text};
use super::{COMPOSE_CODES, codes_of};

#[test]
fn explains_what_people_type() {
    for (query, best) in [
        ("ulimits-not-carried", "ulimits-not-carried"),
        ("ulimits", "services.*.ulimits"),
        ("services.web.ulimits", "services.*.ulimits"),
        ("services.*.ulimits", "services.*.ulimits"),
        ("Services.Web.ULIMITS", "services.*.ulimits"),
        ("`ulimits`", "services.*.ulimits"),
        ("services.web.ports[0].target", "services.*.ports[].target"),
        ("services.web.ports[0]", "services.*.ports[]"),
        ("deploy.placement", "services.*.deploy.placement"),
        ("services.web", "services.*"),
        ("services.web.labels.com_example", "services.*.labels.*"),
        ("networks.front.driver", "networks.*.driver"),
        ("PodSpec.hostNetwork", "PodSpec.hostNetwork"),
        ("podspec.hostnetwork", "PodSpec.hostNetwork"),
        ("spec.template.spec.hostNetwork", "PodSpec.hostNetwork"),
        ("spec.hostNetwork", "PodSpec.hostNetwork"),
        ("hostNetwork", "PodSpec.hostNetwork"),
        ("containers.lifecycle", "Container.lifecycle"),
        (
            "spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds",
            "SleepAction.seconds",
        ),
        ("deployment.spec.replicas", "DeploymentSpec.replicas"),
        ("statefulset.spec.replicas", "StatefulSetSpec.replicas"),
        (
            "spec.jobTemplate.spec.template.spec.nodeName",
            "PodSpec.nodeName",
        ),
        (
            "containers.securityContext.procMount",
            "SecurityContext.procMount",
        ),
        ("readinessProbe.httpGet.path", "HTTPGetAction.path"),
        ("volumes.nfs.server", "NFSVolumeSource.server"),
        ("resources.limits.cpu", "ResourceRequirements.limits.cpu"),
        ("HorizontalPodAutoscaler", "HorizontalPodAutoscaler"),
        ("serviceaccount", "ServiceAccount"),
        ("podAntiAffinity", "Affinity.podAntiAffinity"),
        (
            "TopologySpreadConstraint",
            "TopologySpreadConstraint.labelSelector",
        ),
    ] {
        let found = explain(query);
        assert_eq!(found.first().map(Explained::name), Some(best), "{query}");
    }
    for nonsense in [
        "",
        " ",
        ".",
        "....",
        "[]",
        "nothing-of-the-kind",
        &"a.".repeat(100_000),
        &"a".repeat(100_000),
    ] {
        assert_eq!(explain(nonsense), [], "{nonsense:.20}");
    }
}

#[test]
fn each_name_explains_itself() {
    for name in compose().paths().chain(kubernetes().paths()) {
        assert_eq!(explain(name).first().map(Explained::name), Some(name));
    }
}

#[test]
fn explanations_fit_the_screen() {
    let all = compose()
        .paths()
        .chain(kubernetes().paths())
        .chain(codes_of(COMPOSE_CODES))
        .chain(["name", "spec"]);
    for name in all {
        let text = explain_text(name).unwrap();
        for line in text.lines() {
            let breakable = line.trim_start().contains(' ');
            assert!(line.chars().count() <= 80 || !breakable, "{line}");
            assert_eq!(line, line.trim_end());
        }
        assert!(text.ends_with('\n') && !text.contains("\n\n\n"), "{text}");
    }
    let text = explain_text("ulimits").unwrap();
    for part in [
        "services.*.ulimits",
        "no counterpart",
        "honoured",
        "[loss]",
        "What to do:",
        "soft",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    assert!(
        explain_text("ulimit")
            .unwrap_err()
            .contains("did you mean `ulimits`?")
    );
    assert!(
        explain_text("PodSpec.hostNetwrk")
            .unwrap_err()
            .contains("did you mean `hostNetwork`?")
    );
    assert!(
        explain_text("zzzzzzzzz")
            .unwrap_err()
            .contains("finding code")
    );
}
