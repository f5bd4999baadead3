//! Charts in the styles that people write.

use super::{convert, live};

const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {{ .Release.Name }}-data\nspec:\n  accessModes: [ReadWriteOnce]\n  storageClassName: CLASS\n  resources:\n    requests:\n      storage: 1Gi\n";

fn claim(class: &str) -> String {
    CLAIM.replace("CLASS", class)
}

#[test]
fn a_value_changes_where_it_stands() {
    let template = claim("{{ .Values.persistence.storageClass | quote }}");
    let values = "# Disks\npersistence:\n  storageClass: src-class # fast\n  other: src-class-x\n";
    let Some(solution) = convert(
        &[("templates/pvc.yaml", &template), ("values.yaml", values)],
        &[],
    ) else {
        return;
    };
    let solution = solution.unwrap();
    assert_eq!(
        solution.work.chart.text("templates/pvc.yaml"),
        Some(template.as_str())
    );
    assert_eq!(
        solution.work.chart.text("values.yaml").unwrap(),
        values.replace("src-class #", "dst-class #")
    );
}

#[test]
fn text_changes_in_the_template() {
    let template = claim("\"src-class\" # fast");
    let Some(solution) = convert(&[("templates/pvc.yaml", &template)], &[]) else {
        return;
    };
    assert_eq!(
        live(solution, "templates/pvc.yaml"),
        template.replace("src-class", "dst-class")
    );
}

#[test]
fn a_default_in_an_action_changes() {
    let template = claim("{{ .Values.class | default \"src-class\" }}");
    let Some(solution) = convert(&[("templates/pvc.yaml", &template)], &[]) else {
        return;
    };
    assert_eq!(
        live(solution, "templates/pvc.yaml"),
        template.replace("src-class", "dst-class")
    );
}

#[test]
fn a_value_with_two_meanings_is_converted_in_the_template() {
    let template = claim("{{ .Values.class }}");
    let other = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  used: \"it is {{ .Values.class }}\"\n";
    let files = [
        ("templates/pvc.yaml", template.as_str()),
        ("templates/cm.yaml", other),
        ("values.yaml", "class: src-class\n"),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    assert_eq!(
        solution.work.chart.text("values.yaml"),
        Some("class: src-class\n")
    );
    let text = solution.work.chart.text("templates/pvc.yaml").unwrap();
    assert!(
        text.contains(
            "{{ dig (toString .Values.class) .Values.class (dict \"src-class\" \"dst-class\") }}"
        ),
        "{text}"
    );
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  labels:\n    app: web\n  {{- with .Values.service.annotations }}\n  annotations:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\nspec:\n  type: {{ .Values.service.type }}\n  ports:\n  - port: 80\n";

#[test]
fn annotations_that_come_from_the_values() {
    let values = "service:\n  type: LoadBalancer\n  annotations:\n    # what kind\n    src/kind: union\n    src/minutes: \"30\" # long\n    own/key: a\n    src/json: '{\"bw\":5}'\n    src/nothing: x\n";
    let Some(solution) = convert(
        &[("templates/svc.yaml", SERVICE), ("values.yaml", values)],
        &[],
    ) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    assert_eq!(
        solution.work.chart.text("templates/svc.yaml"),
        Some(SERVICE)
    );
    assert_eq!(
        solution.work.chart.text("values.yaml").unwrap(),
        "service:\n  type: LoadBalancer\n  annotations:\n    # what kind\n    dst/kind: union\n    dst/seconds: \"1800\" # long\n    own/key: a\n    dst/bandwidth: '5'\n    dst/type: public\n"
    );
}

#[test]
fn new_annotations_go_where_a_user_would_put_them() {
    let values = "service:\n  type: LoadBalancer\n  annotations: {}\n";
    let Some(solution) = convert(
        &[("templates/svc.yaml", SERVICE), ("values.yaml", values)],
        &[("prod.yaml", "service:\n  annotations:\n    own/key: a\n")],
    ) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    assert_eq!(
        solution.work.chart.text("templates/svc.yaml"),
        Some(SERVICE)
    );
    assert_eq!(
        solution.work.chart.text("values.yaml").unwrap(),
        "service:\n  type: LoadBalancer\n  annotations:\n    dst/internal: 'true'\n"
    );
}

#[test]
fn annotations_come_below_a_key_with_nothing_but_a_condition() {
    let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    {{- with .Values.more }}\n    {{- tpl (toYaml .) $ | nindent 4 }}\n    {{- end }}\nspec:\n  type: LoadBalancer\n";
    let Some(solution) = convert(
        &[("templates/svc.yaml", template), ("values.yaml", "a: b\n")],
        &[("more.yaml", "more:\n  own/key: a\n")],
    ) else {
        return;
    };
    let text = live(solution, "templates/svc.yaml");
    let expected = template.replace("annotations:\n", "annotations:\n    dst/internal: 'true'\n");
    assert_eq!(text, expected);
}

#[test]
fn annotations_in_the_template_keep_their_actions() {
    let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    {{- if .Values.lb }}\n    src/kind: {{ .Values.kind | quote }}\n    src/minutes: {{ .Values.minutes | quote }}\n    src/json: '{\"bw\":5}'\n    {{- end }}\n    src/nothing: x\nspec:\n  type: {{ if .Values.lb }}LoadBalancer{{ else }}ClusterIP{{ end }}\n";
    let values = "lb: true\nkind: union\nminutes: 30\n";
    let Some(solution) = convert(
        &[("templates/svc.yaml", template), ("values.yaml", values)],
        &[("off.yaml", "lb: false\n")],
    ) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    let text = solution.work.chart.text("templates/svc.yaml").unwrap();
    assert!(text.contains("    {{- if .Values.lb }}\n    dst/kind: {{ .Values.kind | quote }}\n    dst/seconds: {{ .Values.minutes | quote }}\n"), "{text}");
    assert_eq!(
        solution.work.chart.text("values.yaml"),
        Some("lb: true\nkind: union\nminutes: 1800\n")
    );
}

#[test]
fn ranges_and_named_templates() {
    let template = "{{- range .Values.claims }}\n---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {{ .name }}\n  labels:\n    {{- include \"shop.labels\" $ | nindent 4 }}\nspec:\n  storageClassName: {{ .class }}\n{{- end }}\n";
    let helpers = "{{- define \"shop.labels\" -}}\napp: shop\nrelease: {{ .Release.Name }}\n{{- end }}\n{{- define \"shop.claim\" }}\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {{ .Release.Name }}-lib\nspec:\n  storageClassName: src-class\n{{- end }}\n";
    let values = "claims:\n- name: a\n  class: src-class\n- {name: b, class: keep}\n- name: c\n  class: \"src-class\"\n";
    let files = [
        ("templates/pvc.yaml", template),
        ("templates/_helpers.tpl", helpers),
        ("templates/lib.yaml", "{{ include \"shop.claim\" . }}\n"),
        ("values.yaml", values),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    assert_eq!(
        solution.work.chart.text("values.yaml").unwrap(),
        values.replace("src-class", "dst-class")
    );
    assert_eq!(
        solution.work.chart.text("templates/_helpers.tpl").unwrap(),
        helpers.replace("src-class", "dst-class")
    );
}

#[test]
fn objects_come_and_go() {
    let class = "{{- if .Values.class.create }}\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: mine\nprovisioner: src.csi\nparameters:\n  type: {{ .Values.class.type }}\n{{- end }}\n";
    let template = format!(
        "{{{{- if .Values.persistence }}}}\n{}{{{{- end }}}}\n",
        claim("{{ .Values.kind }}")
    );
    let files = [
        ("templates/class.yaml", class),
        ("templates/pvc.yaml", template.as_str()),
        (
            "values.yaml",
            "class:\n  create: true\n  type: fast\npersistence: true\nkind: src-encrypted\n",
        ),
    ];
    let Some(solution) = convert(&files, &[("off.yaml", "persistence: false\n")]) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    assert!(
        !solution
            .work
            .chart
            .files
            .contains_key("templates/class.yaml")
    );
    let text = solution.work.chart.text("templates/pvc.yaml").unwrap();
    assert!(
        text.contains("{{- if .Values.persistence }}\napiVersion: storage.k8s.io/v1\nkind: StorageClass\nmetadata:\n  name: {{ $.Release.Name }}-data-dst\n"),
        "{text}"
    );
}

#[test]
fn images_and_pull_secrets() {
    let template = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  annotations:\n    checksum/config: {{ include (print $.Template.BasePath \"/cm.yaml\") . | sha256sum }}\nspec:\n  template:\n    spec:\n      imagePullSecrets:\n      - name: src-secret\n      {{- range .Values.pullSecrets }}\n      - name: {{ . }}\n      {{- end }}\n      containers:\n      - name: a\n        image: \"{{ .Values.image.registry }}/{{ .Values.image.repository }}:{{ .Values.image.tag }}\"\n      - name: b\n        image: src.example.com/b:{{ .Values.image.tag }}\n";
    let files = [
        ("templates/web.yaml", template),
        (
            "templates/cm.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\n  annotations:\n    src/kind: x\n    password: {{ randAlphaNum 10 | quote }}\n",
        ),
        (
            "values.yaml",
            "image:\n  registry: src.example.com\n  repository: team/web\n  tag: \"1.0\"\npullSecrets: [src-secret, own]\n",
        ),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    let text = solution.work.chart.text("templates/web.yaml").unwrap();
    assert!(
        text.contains("image: dst.example.com/b:{{ .Values.image.tag }}"),
        "{text}"
    );
    assert!(!text.contains("- name: src-secret"), "{text}");
    let values = solution.work.chart.text("values.yaml").unwrap();
    assert_eq!(
        values,
        "image:\n  registry: dst.example.com\n  repository: team/web\n  tag: \"1.0\"\npullSecrets: [own]\n"
    );
}

#[test]
fn parts_that_are_off_are_converted_as_well() {
    let template = format!(
        "{{{{- if .Values.backup.enabled }}}}\n{}{{{{- end }}}}\n",
        claim("{{ .Values.backup.class }}")
    );
    let files = [
        ("templates/pvc.yaml", template.as_str()),
        (
            "values.yaml",
            "backup:\n  enabled: false\n  class: src-class\n",
        ),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    assert_eq!(
        live(solution, "values.yaml"),
        "backup:\n  enabled: false\n  class: dst-class\n"
    );
}

#[test]
fn text_that_templates_evaluate() {
    let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    {{- tpl .Values.annotations . | nindent 4 }}\nspec:\n  type: LoadBalancer\n";
    let values = "annotations: |\n  src/kind: {{ .Release.Name }}\n  own: b\nextra:\n- apiVersion: v1\n  kind: PersistentVolumeClaim\n  metadata: {name: e}\n  spec:\n    storageClassName: src-class\n";
    let files = [
        ("templates/svc.yaml", template),
        (
            "templates/extra.yaml",
            "{{- range .Values.extra }}\n---\n{{ tpl (toYaml .) $ }}\n{{- end }}\n",
        ),
        ("values.yaml", values),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    assert_eq!(live(solution, "values.yaml"), values.replace("src", "dst"));
}

#[test]
fn what_nothing_reaches_becomes_text() {
    let template = "{{- $kind := \"Persistent\" }}\n{{ printf \"apiVersion: v1\\nkind: %sVolumeClaim\\nmetadata:\\n  name: %s-x\\nspec:\\n  storageClassName: %s-%s\\n\" $kind .Release.Name \"src\" \"class\" }}\n";
    let Some(solution) = convert(&[("templates/pvc.yaml", template)], &[]) else {
        return;
    };
    let solution = solution.unwrap();
    assert_eq!(solution.flattened.len(), 1);
    let text = solution.work.chart.text("templates/pvc.yaml").unwrap();
    assert!(text.contains("name: {{ $.Release.Name }}-x"), "{text}");
    assert!(text.contains("storageClassName: dst-class"), "{text}");
}

#[test]
fn a_schema_allows_what_the_values_become() {
    let template = claim("{{ .Values.class }}");
    let schema = "{\n  \"properties\": {\n    \"class\": {\n      \"enum\": [\n        \"src-class\"\n      ]\n    }\n  }\n}\n";
    let files = [
        ("templates/pvc.yaml", template.as_str()),
        ("values.yaml", "class: src-class\n"),
        ("values.schema.json", schema),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    let solution = solution.unwrap();
    assert_eq!(
        solution.work.chart.text("values.yaml"),
        Some("class: dst-class\n")
    );
    assert_eq!(solution.schemas, ["values.schema.json"]);
}

#[test]
fn a_key_stands_once_beside_those_of_a_loop() {
    let template = "apiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}-web\n  annotations:\n    {{- range $key, $value := .Values.annotations }}\n    {{ $key }}: {{ $value | quote }}\n    {{- end }}\nspec:\n  type: LoadBalancer\n  ports:\n  - port: 80\n";
    let values = "annotations:\n  own/a: x\n  own/b: x\n  src/kind: union\n  src/release: x\n";
    let Some(solution) = convert(
        &[("templates/svc.yaml", template), ("values.yaml", values)],
        &[],
    ) else {
        return;
    };
    let text = live(solution, "templates/svc.yaml");
    let added = text.find("dst/release").unwrap_or(usize::MAX);
    assert!(added < text.find("{{- range").unwrap_or_default(), "{text}");
}

#[test]
fn no_values_render_a_key_twice() {
    // One map fills two objects, and only one of them wants more.
    let headless = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web-hl\n  labels:\n    app: web\n  {{- with .Values.service.annotations }}\n  annotations:\n    {{- toYaml . | nindent 4 }}\n  {{- end }}\nspec:\n  type: ClusterIP\n  ports:\n  - port: 80\n";
    let files = [
        ("templates/svc.yaml", SERVICE),
        ("templates/headless.yaml", headless),
        (
            "values.yaml",
            "service:\n  type: LoadBalancer\n  annotations: {}\n",
        ),
    ];
    let Some(solution) = convert(&files, &[("off.yaml", "service:\n  type: ClusterIP\n")]) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    let text = solution.work.chart.text("templates/svc.yaml").unwrap();
    assert_eq!(text.matches("annotations:").count(), 1, "{text}");
    assert!(
        text.contains("{{- with merge (dict) (.Values.service.annotations | default dict) ("),
        "{text}"
    );
}
