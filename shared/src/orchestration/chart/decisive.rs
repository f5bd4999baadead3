//! Values that decided who can reach the application: that they decide nothing any more has to be said loudly.

use std::collections::BTreeSet;

use super::input::ChartFiles;
use super::output::lines::{Line, balance};
use crate::orchestration::provider::Provider;
use crate::orchestration::provider::catalog::Section;

/// The attributes that say who can reach a load balancer, and whether what is sent to it can be read on the way.
const ATTRIBUTES: [&str; 16] = [
    "scope",
    "existing",
    "acl",
    "acl-type",
    "source-ranges",
    "deny-ranges",
    "security-groups",
    "firewall",
    "certificate",
    "certificates",
    "client-auth",
    "protocol-ports",
    "ports",
    "plain-http",
    "ssl-redirect",
    "http-redirect",
];

/// The keys that say so at a provider.
pub(crate) fn keys(from: &Provider) -> BTreeSet<String> {
    let catalog = from.catalog();
    let ingress = &catalog.ingress;
    let mut keys = BTreeSet::from(["loadBalancerSourceRanges".to_owned()]);
    if ingress.internal_class.is_some() {
        // Of two classes, one is internal.
        keys.insert("kubernetes.io/ingress.class".to_owned());
        keys.insert("ingressClassName".to_owned());
    }
    for section in [&catalog.service, &ingress.settings] {
        keys.extend(of_section(section));
    }
    keys
}

fn of_section(section: &Section) -> impl Iterator<Item = String> {
    let rows = ATTRIBUTES
        .iter()
        .filter_map(|name| section.rows.get(*name))
        .flat_map(|rows| rows.iter())
        .filter_map(|row| row.annotation.clone());
    let rules = section.exposure.iter();
    let rules = rules.filter_map(|rule| rule.annotation.clone());
    rows.chain(rules).filter(|key| !key.contains('{'))
}

/// The key that a value decided in the templates of its chart: the line that has it asks for the value, or stands under
/// a condition that does. `value` is its path, behind the folder of a subchart: `charts/a: b.c`.
pub(crate) fn decided(chart: &ChartFiles, keys: &BTreeSet<String>, value: &str) -> Option<String> {
    let (folder, path) = value.split_once(": ").unwrap_or(("", value));
    let templates = match folder {
        "" => "templates/".to_owned(),
        folder => format!("{folder}/templates/"),
    };
    let name = format!(".Values.{path}");
    let files = chart.files.keys();
    files
        .filter(|file| file.starts_with(&templates) && !file.ends_with(".txt"))
        .find_map(|file| {
            let text = chart.text(file)?;
            let lines: Vec<&str> = text.lines().collect();
            let mut asking = lines
                .iter()
                .enumerate()
                .filter(|(_, line)| asks(line, &name));
            asking.find_map(|(at, _)| {
                let below = match balance(lines[at]) {
                    1.. => end_of(&lines, at),
                    _ => at,
                };
                lines[at..=below]
                    .iter()
                    .filter_map(|line| Line::of(line).key_text().map(str::to_owned))
                    .find(|key| keys.contains(key))
            })
        })
}

/// Whether a line asks for a value, or for a map that it is in.
fn asks(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let behind = line[at + name.len()..].chars().next();
        !behind.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// The last line of what an action opens.
fn end_of(lines: &[&str], first: usize) -> usize {
    let mut depth = 0;
    for (at, line) in lines.iter().enumerate().skip(first) {
        depth += balance(line);
        if depth <= 0 {
            return at;
        }
    }
    lines.len() - 1
}

#[cfg(test)]
mod tests {
    use super::super::input::ChartFile;
    use super::*;

    #[test]
    fn a_value_decides_by_its_line_and_by_its_condition() {
        let text = "a:\n  alb.ingress.kubernetes.io/scheme: {{ .Values.web.scheme }}\n  {{- if .Values.secure }}\n  alb.ingress.kubernetes.io/certificate-arn: x\n  {{- end }}\n  alb.ingress.kubernetes.io/tags: {{ .Values.tags }}\n  {{- with .Values.schemes }}\n  b: c\n  {{- end }}\n";
        let mut chart = ChartFiles::default();
        for path in ["templates/web.yaml", "charts/a/templates/web.yaml"] {
            let file = ChartFile {
                bytes: text.as_bytes().into(),
                mode: 0o644,
            };
            chart.files.insert(path.to_owned(), file);
        }
        let keys = keys(&Provider::named("aws").unwrap());
        let key = |value: &str| decided(&chart, &keys, value);
        let scheme = "alb.ingress.kubernetes.io/scheme".to_owned();
        assert_eq!(key("web.scheme"), Some(scheme.clone()));
        assert_eq!(key("charts/a: web.scheme"), Some(scheme));
        assert_eq!(
            key("secure").as_deref(),
            Some("alb.ingress.kubernetes.io/certificate-arn")
        );
        assert_eq!(key("tags"), None);
        assert_eq!(key("schemes"), None);
        assert_eq!(key("web.sch"), None);
    }
}
