//! Placeholders that Swarm fills in for each task: in the values of variables, the host name and the sources of mounts
//! (swarmkit `template/expand.go`). Kubernetes knows the fields of a Pod instead, and in variables only.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::command::literal;
use super::plan::Plan;
use super::ports;
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Container, Dialect, EnvValue, EnvVar, NameKind, Unit, Volume};
use crate::source::{Origin, Sourced};

/// The label of `docker stack deploy` with the stack's name.
const STACK: &str = "com.docker.stack.namespace";

/// A piece of a text with placeholders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it is, or known now.
    Text(String),
    /// A field of the Pod.
    Field(Field),
    /// Nothing that a Pod knows, with what stands for it.
    Lost(String),
}

/// A field of the Pod that says what a placeholder says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    /// `{{.Node.Hostname}}`
    Node,
    /// `{{.Task.Name}}`
    Task,
}

impl Field {
    fn path(self) -> &'static str {
        match self {
            Self::Node => "spec.nodeName",
            Self::Task => "metadata.name",
        }
    }

    fn placeholder(self) -> &'static str {
        match self {
            Self::Node => "{{.Node.Hostname}}",
            Self::Task => "{{.Task.Name}}",
        }
    }

    /// The variable that holds it where it is a part of another one's value.
    fn variable(self) -> &'static str {
        match self {
            Self::Node => "MIGRATE_NODE_NAME",
            Self::Task => "MIGRATE_POD_NAME",
        }
    }
}

/// The pieces of a text, or `None` where nothing is to be filled in.
fn pieces(text: &str, unit: &Unit, service: &str, plan: &Plan<'_>) -> Option<Vec<Piece>> {
    if plan.application.dialect != Dialect::Swarm || !text.contains("{{") {
        return None;
    }
    let mut pieces = Vec::new();
    let mut push = |piece: Piece| match (pieces.last_mut(), piece) {
        (Some(Piece::Text(last)), Piece::Text(more)) => last.push_str(&more),
        (_, Piece::Text(text)) if text.is_empty() => {}
        (_, piece) => pieces.push(piece),
    };
    let (braces, rest) = split(text);
    for (before, whole) in braces {
        push(Piece::Text(before.to_owned()));
        push(piece(whole, unit, service, plan));
    }
    push(Piece::Text(rest.to_owned()));
    Some(pieces)
}

/// The placeholders of a text, each with the text before it, and the text behind the last one.
fn split(text: &str) -> (Vec<(&str, &str)>, &str) {
    let mut braces = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        // Swarm refuses a text whose braces are not closed.
        let Some(end) = end(&rest[start + 2..]) else {
            break;
        };
        let (with, behind) = rest.split_at(start + 2 + end + 2);
        braces.push(with.split_at(start));
        rest = behind;
    }
    (braces, rest)
}

/// Where the braces are closed; what stands in quotes closes nothing.
fn end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '`') => quote = Some(c),
            None if text[at..].starts_with("}}") => return Some(at),
            None => {}
        }
    }
    None
}

fn piece(whole: &str, unit: &Unit, service: &str, plan: &Plan<'_>) -> Piece {
    let inner = whole[2..whole.len() - 2].trim_matches(['-', ' ', '\t']);
    let stack = plan.application.name.as_ref().map(|name| &name.value);
    let quoted = |text: &str| -> Option<String> {
        let inner = text.strip_prefix('"')?.strip_suffix('"')?;
        (!inner.contains(['"', '\\'])).then(|| inner.to_owned())
    };
    if let Some(text) = quoted(inner) {
        return Piece::Text(text);
    }
    match inner {
        ".Node.Hostname" => return Piece::Field(Field::Node),
        ".Task.Name" => return Piece::Field(Field::Task),
        ".Service.Name" => {
            return Piece::Text(match stack {
                Some(stack) => format!("{stack}_{service}"),
                None => service.to_owned(),
            });
        }
        _ => {}
    }
    let label = inner
        .strip_prefix("index .Service.Labels ")
        .and_then(|key| quoted(key.trim()));
    match (label, stack) {
        (Some(key), Some(stack)) if key == STACK => Piece::Text(stack.clone()),
        (Some(key), _) => {
            let value = unit.metadata.labels.get(&key);
            Piece::Text(value.map(|value| value.value.clone()).unwrap_or_default())
        }
        (None, _) => Piece::Lost(whole.to_owned()),
    }
}

/// The text without placeholders, or the first one that only a task could fill in.
pub(super) fn settled<'t>(
    text: &'t str,
    unit: &Unit,
    plan: &Plan<'_>,
) -> Result<Cow<'t, str>, String> {
    let Some(pieces) = pieces(text, unit, &unit.name.value, plan) else {
        return Ok(Cow::Borrowed(text));
    };
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.push_str(&text),
            Piece::Field(field) => return Err(field.placeholder().to_owned()),
            Piece::Lost(whole) => return Err(whole),
        }
    }
    Ok(Cow::Owned(out))
}

/// The variables of a container with what can be filled in.
pub(super) fn environment<'c>(
    container: &'c Container,
    unit: &Unit,
    plan: &Plan<'_>,
    findings: &mut Findings,
) -> Cow<'c, [EnvVar]> {
    let all = &container.environment;
    let filled = |variable: &EnvVar| match &variable.value {
        EnvValue::Literal(text) => pieces(text, unit, &container.name.value, plan),
        _ => None,
    };
    if !all.iter().any(|variable| filled(variable).is_some()) {
        return Cow::Borrowed(all);
    }
    let mut taken: BTreeSet<&str> = all.iter().map(|v| v.name.value.as_str()).collect();
    let mut out: Vec<EnvVar> = Vec::new();
    for variable in all {
        let Some(pieces) = filled(variable) else {
            out.push(variable.clone());
            continue;
        };
        let name = &variable.name;
        report(&pieces, name, findings);
        let value = match pieces.as_slice() {
            [Piece::Field(field)] => EnvValue::Field(field.path().to_owned()),
            pieces if pieces.iter().any(|p| matches!(p, Piece::Field(_))) => {
                EnvValue::Composed(composed(pieces, name, &mut taken, &mut out))
            }
            pieces => EnvValue::Literal(
                pieces
                    .iter()
                    .map(|piece| match piece {
                        Piece::Text(text) | Piece::Lost(text) => text.as_str(),
                        Piece::Field(_) => "",
                    })
                    .collect(),
            ),
        };
        out.push(EnvVar {
            name: name.clone(),
            value,
        });
    }
    Cow::Owned(out)
}

/// A value with references to variables that hold the fields; they have to stand before it.
fn composed(
    pieces: &[Piece],
    name: &Sourced<String>,
    taken: &mut BTreeSet<&str>,
    out: &mut Vec<EnvVar>,
) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(part) | Piece::Lost(part) => text.push_str(&literal(part)),
            Piece::Field(field) => {
                let variable = field.variable();
                if taken.insert(variable) {
                    out.push(EnvVar {
                        name: Sourced::new(variable.to_owned(), name.origin.clone()),
                        value: EnvValue::Field(field.path().to_owned()),
                    });
                }
                // A dollar sign before the reference would make text of it.
                if text.ends_with('$') {
                    text.push('$');
                }
                let _ = write!(text, "$({variable})");
            }
        }
    }
    text
}

fn report(pieces: &[Piece], name: &Sourced<String>, findings: &mut Findings) {
    for piece in pieces {
        match piece {
            Piece::Text(_) | Piece::Field(Field::Node) => {}
            Piece::Field(Field::Task) => {
                let message = format!(
                    "`{}` in `{}` is the name of the Pod, which has another form",
                    Field::Task.placeholder(),
                    name.value
                );
                findings.add(Code("task-name"), &name.origin, message);
            }
            Piece::Lost(whole) => {
                let message = format!(
                    "`{whole}` in `{}` stays as it is, since nothing fills it in",
                    name.value
                );
                findings.add(Code("task-placeholder"), &name.origin, message);
            }
        }
    }
}

/// Says which host names in variables and commands only a Swarm resolves: `tasks.NAME`, the addresses of all tasks.
pub(super) fn host_names(container: &Container, plan: &Plan<'_>, findings: &mut Findings) {
    if plan.application.dialect != Dialect::Swarm {
        return;
    }
    let variables = container.environment.iter().filter_map(|v| match &v.value {
        EnvValue::Literal(text) => Some((text.as_str(), &v.name.origin)),
        _ => None,
    });
    let words = [&container.entrypoint, &container.command]
        .into_iter()
        .flatten()
        .flat_map(|words| words.value.iter().map(|w| (w.as_str(), &words.origin)));
    for (text, origin) in variables.chain(words) {
        for unit in tasks_of(text, plan) {
            let unit = &plan.application.units[unit];
            let (name, label) = (&unit.name.value, service(unit, plan));
            let message = if is_headless(unit, plan) {
                format!("`tasks.{name}` is `{label}` in a cluster, which is a headless Service")
            } else {
                format!(
                    "`tasks.{name}` does not resolve; with `endpoint_mode: dnsrr` the Service `{label}` is headless and \
                     has the addresses of all Pods"
                )
            };
            findings.add(Code("tasks-name"), origin, message);
        }
    }
}

fn service<'p>(unit: &Unit, plan: &'p Plan<'_>) -> &'p str {
    plan.unit(&unit.name.value)
        .map_or("", |index| plan.units[index].label.as_str())
}

/// Units whose tasks a text names.
fn tasks_of(text: &str, plan: &Plan<'_>) -> BTreeSet<usize> {
    let stack = plan.application.name.as_ref();
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let mut found = BTreeSet::new();
    for (at, word) in text.match_indices("tasks.") {
        if text[..at].ends_with(part) {
            continue;
        }
        let rest = &text[at + word.len()..];
        let name = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
        let name = name.trim_end_matches('.');
        let short = stack
            .and_then(|stack| name.strip_prefix(stack.value.as_str()))
            .and_then(|rest| rest.strip_prefix('_'));
        found.extend(plan.unit(name).or_else(|| plan.unit(short?)));
    }
    found
}

/// Whether the unit's own Service leads to the Pods themselves.
fn is_headless(unit: &Unit, plan: &Plan<'_>) -> bool {
    let wanted = plan
        .application
        .names
        .iter()
        .filter(|name| name.kind == NameKind::Unit && name.name.value == unit.name.value)
        .find_map(|name| name.headless.as_ref());
    wanted.is_some_and(|h| h.value) || ports::unit_ports(unit).is_empty()
}

/// How many volumes a name with placeholders stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spread {
    /// One for each task.
    Tasks,
    /// One for each node.
    Nodes,
}

/// What the placeholders of a volume's name spread it over, and the name without them.
pub(super) fn volume(volume: &Volume, dialect: Dialect) -> Option<(Spread, String)> {
    let name = volume.real_name.as_ref().unwrap_or(&volume.name);
    if dialect != Dialect::Swarm || !name.value.contains("{{") {
        return None;
    }
    let (mut spread, mut kept) = (None, String::new());
    let (braces, rest) = split(&name.value);
    for (before, whole) in braces {
        kept.push_str(before);
        if whole.contains(".Task.") {
            spread = Some(Spread::Tasks);
        } else if whole.contains(".Node.") {
            spread.get_or_insert(Spread::Nodes);
        }
    }
    kept.push_str(rest);
    let kept = kept.trim_matches(['-', '_', '.']);
    let kept = if kept.is_empty() {
        volume.name.value.clone()
    } else {
        kept.to_owned()
    };
    Some((spread?, kept))
}

/// Says what of a mount's source is not filled in.
pub(super) fn mount(
    path: &str,
    unit: &Unit,
    origin: &Origin,
    plan: &Plan<'_>,
    findings: &mut Findings,
) {
    if let Err(placeholder) = settled(path, unit, plan) {
        let message =
            format!("`{placeholder}` in `{path}` stays as it is, since nothing fills it in");
        findings.add(Code("task-placeholder"), origin, message);
    }
}
