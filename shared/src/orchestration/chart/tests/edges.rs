//! Charts that ask for more than most: values that must be given, mappings in braces, keys that stand twice, objects
//! that nothing reaches.

use super::{convert, live};

#[test]
fn what_only_a_values_file_gives_is_the_base() {
    let template = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: {{ .Release.Name }}-data\nspec:\n  storageClassName: {{ required \"a class is needed\" .Values.class }}\n";
    let files = [
        ("templates/pvc.yaml", template),
        ("values.yaml", "other: a\n"),
    ];
    assert!(convert(&files, &[]).is_none_or(|solution| solution.is_err()));
    let user = [
        ("none.yaml", "other: b\n"),
        ("prod.yaml", "class: src-class\n"),
    ];
    let Some(solution) = convert(&files, &user) else {
        return;
    };
    let solution = solution.unwrap();
    assert!(solution.flattened.is_empty(), "{:?}", solution.flattened);
    assert_eq!(
        solution.work.chart.text("templates/pvc.yaml"),
        Some(template)
    );
    assert_eq!(solution.work.user[1].text, "class: dst-class\n");
}

#[test]
fn mappings_in_braces_are_changed() {
    let template = "apiVersion: v1\nkind: Service\nmetadata: {name: web, annotations: {src/kind: {{ .Values.kind | quote }}, src/nothing: x, own/key: 'a, b'}}\nspec: {type: LoadBalancer}\n";
    let files = [
        ("templates/svc.yaml", template),
        ("values.yaml", "kind: union\n"),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    assert_eq!(
        live(solution, "templates/svc.yaml"),
        "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\n  annotations:\n    dst/kind: {{ .Values.kind | quote }}\n    own/key: 'a, b'\nspec: {type: LoadBalancer}\n"
    );
}

const CLAIM: &str = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata:\n  name: data\n  labels:\nLABELSspec:\n  storageClassName: src-class\n";

#[test]
fn no_key_stands_twice_in_the_output() {
    let template = CLAIM.replace("LABELS", "    app: a\n    app: b\n");
    let Some(solution) = convert(&[("templates/pvc.yaml", &template)], &[]) else {
        return;
    };
    assert_eq!(
        live(solution, "templates/pvc.yaml"),
        template
            .replace("    app: a\n", "")
            .replace("src-class", "dst-class")
    );
    // Where values decide whether it does, nothing else becomes text for its sake.
    let template = CLAIM.replace(
        "LABELS",
        "    app: a\n    {{- with .Values.labels }}\n    {{- toYaml . | nindent 4 }}\n    {{- end }}\n",
    );
    let other =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: {{ .Values.a }}\n";
    let text = format!("{template}{other}");
    let files = [
        ("templates/pvc.yaml", text.as_str()),
        ("values.yaml", "a: b\nlabels:\n  app: c\n"),
    ];
    let Some(solution) = convert(&files, &[("plain.yaml", "labels: null\n")]) else {
        return;
    };
    let solution = solution.unwrap();
    let text = solution.work.chart.text("templates/pvc.yaml").unwrap();
    assert!(text.contains("a: {{ .Values.a }}"), "{text}");
    assert!(text.contains("toYaml"), "{text}");
    let said: Vec<&String> = solution.doubled.iter().collect();
    assert_eq!(said, ["PersistentVolumeClaim/data: metadata.labels.app"]);
}

#[test]
fn only_the_object_becomes_text_that_nothing_reaches() {
    let helper = "{{- define \"x.more\" }}\n{{- toYaml (dict \"annotations\" (dict (printf \"%s/kind\" \"src\") .Values.kind (printf \"%s/minutes\" \"src\") \"5\")) }}\n{{- end }}\n";
    let service = "{{- if .Values.enabled }}\napiVersion: v1\nkind: Service\nmetadata:\n  name: {{ .Release.Name }}-web\n  {{- include \"x.more\" . | nindent 2 }}\nspec:\n  type: LoadBalancer\n{{- end }}\n";
    let config =
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c\ndata:\n  a: {{ .Values.a }}\n";
    let text = format!("{service}{config}");
    let files = [
        ("templates/_x.tpl", helper),
        ("templates/all.yaml", text.as_str()),
        ("values.yaml", "a: b\nkind: c\nenabled: true\n"),
    ];
    let Some(solution) = convert(&files, &[]) else {
        return;
    };
    let solution = solution.unwrap();
    let text = solution.work.chart.text("templates/all.yaml").unwrap();
    assert!(text.contains("a: {{ .Values.a }}"), "{text}");
    assert!(text.contains("{{- if .Values.enabled }}"), "{text}");
    assert!(text.contains("dst/seconds: '300'"), "{text}");
    let objects: Vec<_> = solution
        .flattened
        .iter()
        .map(|f| f.object.is_some())
        .collect();
    assert_eq!(objects, [true], "{:?}\n{text}", solution.flattened);
}
