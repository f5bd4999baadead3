//! Variables of a container.

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::document::{Map, put, put_list, put_map};
use super::env_file::render;
use super::keys::file_name;
use super::names::list;
use super::service::Site;
use super::writer::Writer;
use crate::orchestration::model::{ComposedWord, EnvFrom, EnvValue, EnvVar, ObjectKind};
use crate::orchestration::reference;
use crate::source::Origin;

/// A variable on its way.
pub(super) enum Variable {
    /// For everybody to see.
    Plain(String),
    /// With a template that Swarm fills in, which it does in variables alone.
    Template(String),
    /// For the service's own file.
    Secret(String),
    /// Stands in the file of a whole secret.
    InFile(String),
    /// Taken from the caller.
    Passed,
}

impl Variable {
    /// The text, where there is one.
    fn text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) | Self::Template(text) | Self::Secret(text) | Self::InFile(text) => {
                Some(text)
            }
            Self::Passed => None,
        }
    }

    fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_) | Self::InFile(_))
    }
}

/// What the variables of a container come to.
#[derive(Default)]
pub(super) struct Variables {
    by_name: IndexMap<String, Variable>,
    /// Entries of `env_file`.
    files: Vec<Value>,
}

impl<'a> Writer<'a> {
    /// Finds out the value of each variable.
    pub(super) fn variables(&mut self, site: &Site<'a>) -> Variables {
        let mut variables = Variables::default();
        let Variables { by_name, files } = &mut variables;
        for from in &site.container.environment_from {
            self.take_object(site, from, by_name, files);
        }
        for variable in &site.container.environment {
            let EnvVar { name, value } = variable;
            if let Some(value) = self.resolve(site, &name.value, value, &name.origin, by_name) {
                by_name.insert(name.value.clone(), value);
            }
        }
        variables
    }

    /// `environment` and `env_file`.
    pub(super) fn write_environment(
        &mut self,
        site: &Site<'a>,
        variables: Variables,
        service: &mut Map,
    ) {
        let Variables {
            by_name: variables,
            mut files,
        } = variables;
        let swarm = self.is_swarm();
        let mut environment = Map::new();
        let mut own = Vec::new();
        let mut empty = Vec::new();
        for (name, variable) in variables {
            match variable {
                Variable::Plain(text) | Variable::Template(text) => {
                    if swarm && text.is_empty() {
                        empty.push(name.clone());
                    }
                    put(&mut environment, &name, text);
                }
                Variable::Passed => put(&mut environment, &name, Value::Null),
                Variable::Secret(text) => own.push((name, text)),
                Variable::InFile(_) => {}
            }
        }
        if !own.is_empty() {
            let path = format!("secrets/{}.env", file_name(site.key()));
            files.push(self.env_file(site, &path, &own, &site.container.origin));
        }
        if !empty.is_empty() && self.from_kubernetes() {
            let message = format!(
                "`docker stack deploy` fills the empty {} of `{}` from its own environment",
                list(&empty),
                site.key()
            );
            self.note("empty-variable", &site.container.origin, message);
        }
        if !files.is_empty() && self.from_kubernetes() && site.is_first() {
            let message = format!(
                "`docker inspect` shows the secrets in the variables of `{}`",
                site.key()
            );
            self.note("secrets-in-variables", &site.container.origin, message);
        }
        put_list(service, "env_file", files);
        put_map(service, "environment", environment);
    }

    /// Writes a file of variables and gives its entry in `env_file`.
    fn env_file(
        &mut self,
        site: &Site<'a>,
        path: &str,
        variables: &[(String, String)],
        origin: &Origin,
    ) -> Value {
        let file = render(variables, self.is_swarm());
        if !file.rejected.is_empty() {
            let message = format!(
                "no file of variables can hold {} of `{}`",
                list(&file.rejected),
                site.key()
            );
            self.note("variable-not-in-file", origin, message);
        }
        let path = self.files.add(path, file.text.as_bytes(), true);
        let path = format!("./{path}");
        match (self.is_swarm(), file.raw) {
            (true, _) => json!(path),
            (false, true) => json!({ "path": path, "format": "raw" }),
            (false, false) => json!({ "path": path }),
        }
    }

    /// All keys of a config or secret.
    fn take_object(
        &mut self,
        site: &Site<'a>,
        from: &EnvFrom,
        variables: &mut IndexMap<String, Variable>,
        files: &mut Vec<Value>,
    ) {
        let EnvFrom {
            secret,
            object,
            prefix,
            optional,
        } = from;
        let kind = if *secret {
            ObjectKind::Secret
        } else {
            ObjectKind::Config
        };
        let prefix = prefix.as_ref().map_or("", |p| p.value.as_str());
        let folder = if *secret { "secrets" } else { "configs" };
        let dot = if prefix.is_empty() { "" } else { "." };
        let path = format!(
            "{folder}/{}{dot}{}.env",
            file_name(&object.value),
            if prefix.is_empty() {
                String::new()
            } else {
                file_name(prefix)
            }
        );
        let Some(index) = self.objects.find(kind, &object.value, site.namespace()) else {
            if optional.as_ref().is_some_and(|o| o.value) {
                self.note_optional(site, &object.value, &object.origin);
                return;
            }
            let (place, swarm) = (format!("./{path}"), self.is_swarm());
            let how = if swarm {
                String::new()
            } else {
                format!("; put them into `{place}`")
            };
            let message = format!(
                "the variables of `{}` are not part of the input{how}",
                object.value
            );
            self.note("object-not-in-input", &object.origin, message);
            if !swarm {
                files.push(json!({ "path": place, "required": false, "format": "raw" }));
            }
            return;
        };
        let mut pairs = Vec::new();
        for (key, data) in self.objects.data(index) {
            self.objects.mark_variable(index, key);
            let name = format!("{prefix}{key}");
            let text = std::str::from_utf8(&data.bytes)
                .ok()
                .filter(|text| !text.contains('\0'));
            let Some(text) = text.filter(|_| is_variable(&name)) else {
                let message = format!(
                    "key `{key}` of `{}` cannot be a variable of `{}`",
                    object.value,
                    site.key()
                );
                self.note("key-no-variable", &object.origin, message);
                continue;
            };
            pairs.push((name, self.without_templates(text)));
        }
        if *secret && !self.options.inline_secrets {
            for (name, text) in &pairs {
                variables.insert(name.clone(), Variable::InFile(text.clone()));
            }
            if !pairs.is_empty() {
                let entry = self.env_file(site, &path, &pairs, &object.origin);
                // The last file wins, as the last object does in Kubernetes.
                files.retain(|file| *file != entry);
                files.push(entry);
            }
        } else {
            if *secret {
                self.note_inlined(site, &object.value, &object.origin);
            }
            for (name, text) in pairs {
                variables.insert(name, Variable::Plain(text));
            }
        }
    }

    fn note_optional_key(&mut self, site: &Site<'a>, object: &str, key: &str, origin: &Origin) {
        let message = format!(
            "`{object}` has no key `{key}`, which `{}` may use",
            site.key()
        );
        self.note("optional-objects", origin, message);
    }

    fn note_optional(&mut self, site: &Site<'a>, object: &str, origin: &Origin) {
        let message = format!(
            "`{object}`, which `{}` may use, is not part of the input",
            site.key()
        );
        self.note("optional-objects", origin, message);
    }

    fn note_inlined(&mut self, site: &Site<'a>, object: &str, origin: &Origin) {
        let message = format!(
            "values of Secret `{object}` stand in the variables of `{}`",
            site.key()
        );
        self.note("secret-inlined", origin, message);
    }

    /// The value of one variable.
    fn resolve(
        &mut self,
        site: &Site<'a>,
        name: &str,
        value: &EnvValue,
        origin: &Origin,
        known: &IndexMap<String, Variable>,
    ) -> Option<Variable> {
        match value {
            EnvValue::Literal(text) => Some(Variable::Plain(self.without_templates(text))),
            EnvValue::Unset => Some(Variable::Passed),
            EnvValue::Composed(text) => {
                let Expanded {
                    text,
                    secret,
                    template,
                    unknown,
                } = expand(&self.without_templates(text), known);
                if !unknown.is_empty() {
                    let message = format!(
                        "`{name}` of `{}` refers to {}, which has no value here",
                        site.key(),
                        list(&unknown)
                    );
                    self.note("reference-unresolved", origin, message);
                }
                Some(if secret && !self.options.inline_secrets {
                    Variable::Secret(text)
                } else if template {
                    Variable::Template(text)
                } else {
                    Variable::Plain(text)
                })
            }
            EnvValue::Object {
                secret,
                object,
                key,
                optional,
            } => {
                let kind = if *secret {
                    ObjectKind::Secret
                } else {
                    ObjectKind::Config
                };
                let found = self.objects.find(kind, object, site.namespace());
                let data = found.and_then(|index| {
                    self.objects.mark_variable(index, key);
                    self.objects.data(index).get(key)
                });
                let Some(data) = data else {
                    if optional.unwrap_or(false) {
                        match found {
                            Some(_) => self.note_optional_key(site, object, key, origin),
                            None => self.note_optional(site, object, origin),
                        }
                        return None;
                    }
                    let message = format!(
                        "key `{key}` of `{object}` is not part of the input; `{name}` of `{}` comes from the shell instead",
                        site.key()
                    );
                    self.note("object-not-in-input", origin, message);
                    return Some(Variable::Passed);
                };
                let Some(text) = std::str::from_utf8(&data.bytes)
                    .ok()
                    .filter(|text| !text.contains('\0'))
                else {
                    let message = format!(
                        "key `{key}` of `{object}` is no text and cannot be `{name}` of `{}`",
                        site.key()
                    );
                    self.note("key-no-variable", origin, message);
                    return None;
                };
                let text = self.without_templates(text);
                if !*secret {
                    return Some(Variable::Plain(text));
                }
                if self.options.inline_secrets {
                    self.note_inlined(site, object, origin);
                    return Some(Variable::Plain(text));
                }
                Some(Variable::Secret(text))
            }
            EnvValue::Field(field) => {
                let text = self.field(site, field, true, origin)?;
                Some(if self.is_swarm() && text.starts_with("{{") {
                    Variable::Template(text)
                } else {
                    Variable::Plain(text)
                })
            }
            EnvValue::Resource {
                resource,
                container,
                divisor,
            } => {
                let text = super::fields::resource(
                    site,
                    resource,
                    container.as_deref(),
                    divisor.as_deref(),
                );
                if text.is_none() {
                    let message = format!(
                        "`{name}` of `{}` cannot be `{resource}`, which is not set",
                        site.key()
                    );
                    self.note("field-unknown", origin, message);
                }
                text.map(Variable::Plain)
            }
        }
    }

    /// Text in which Swarm finds no template of its own: it fills templates in the values of variables (swarmkit
    /// `template/expand.go`).
    pub(super) fn without_templates(&self, text: &str) -> String {
        let swarm_source = self.app.dialect == crate::orchestration::model::Dialect::Swarm;
        if !self.is_swarm() || swarm_source || !text.contains('{') {
            return text.to_owned();
        }
        // A brace before a reference would become a part of the template that is filled in there.
        text.replace("{{", LITERAL_BRACES)
            .replace("{$(", &format!("{LITERAL_BRACE}$("))
    }

    /// Fills the references in that the reader left open in a command line, as far as their values are known.
    pub(super) fn composed_words(
        &mut self,
        site: &Site<'a>,
        of_entrypoint: bool,
        words: &[String],
        variables: &Variables,
    ) -> Vec<String> {
        let mut words = words.to_vec();
        let inline = self.options.inline_secrets;
        for composed in &site.container.composed {
            let ComposedWord {
                of_entrypoint: of,
                index,
                text,
                for_shell,
                origin,
            } = composed;
            if *of != of_entrypoint {
                continue;
            }
            let mut hidden = Vec::new();
            let (text, unknown) = reference::expand(text, |name| {
                let variable = variables.by_name.get(name)?;
                if variable.is_secret() && !inline {
                    hidden.push(name.to_owned());
                    return None;
                }
                // Templates are filled in variables only.
                if matches!(variable, Variable::Template(_)) {
                    return None;
                }
                Some(
                    variable
                        .text()?
                        .replace(LITERAL_BRACES, "{{")
                        .replace(LITERAL_BRACE, "{"),
                )
            });
            if let Some(word) = words.get_mut(*index) {
                *word = text;
            }
            let left = |name: &&String| !for_shell.contains(*name) && !hidden.contains(*name);
            let named = |names: Vec<&String>| {
                let names: Vec<_> = names.iter().map(|name| format!("$({name})")).collect();
                (!names.is_empty()).then(|| list(&names))
            };
            // One finding for each text; one that matters goes first.
            if let Some(names) = named(unknown.iter().filter(left).collect()) {
                let message = format!(
                    "`{}` has {names} on its command line, and no value is known before it runs: the text stays as it is written",
                    site.key()
                );
                self.note("reference-unresolved", origin, message);
            } else if let Some(names) = named(hidden.iter().collect()) {
                let message = format!(
                    "`{}` has {names} on its command line, where no secret is written: the text stays as it is",
                    site.key()
                );
                self.note("reference-unresolved", origin, message);
            } else if let Some(names) = named(for_shell.iter().collect()) {
                let message = format!(
                    "{names} is no variable of the container: the shell runs it as a command, as in the cluster"
                );
                self.note("reference-of-shell", origin, message);
            }
        }
        words
    }
}

/// Two braces as text, for Swarm, and one.
const LITERAL_BRACES: &str = r#"{{"{{"}}"#;
const LITERAL_BRACE: &str = r#"{{"{"}}"#;

/// Whether a name may be that of a variable.
fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains('=') && !name.chars().any(char::is_control)
}

/// A text with its references filled in.
#[derive(Debug, Default, PartialEq)]
struct Expanded {
    text: String,
    /// Whether something confidential went in.
    secret: bool,
    /// Whether a template of Swarm went in.
    template: bool,
    /// Names that can be variables and are not known.
    unknown: Vec<String>,
}

/// Fills references `$(NAME)` in.
fn expand(text: &str, known: &IndexMap<String, Variable>) -> Expanded {
    let mut expanded = Expanded::default();
    let (text, unknown) = reference::expand(text, |name| {
        let variable = known.get(name)?;
        let value = variable.text()?;
        expanded.secret |= variable.is_secret();
        expanded.template |= matches!(variable, Variable::Template(_));
        Some(value)
    });
    Expanded {
        text,
        unknown,
        ..expanded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_filled_in() {
        let known: IndexMap<String, Variable> = [
            ("A".to_owned(), Variable::Plain("1".to_owned())),
            ("S".to_owned(), Variable::Secret("x".to_owned())),
            (
                "T".to_owned(),
                Variable::Template("{{.Task.Name}}".to_owned()),
            ),
            ("P".to_owned(), Variable::Passed),
        ]
        .into_iter()
        .collect();
        for (text, expected, secret, template, unknown) in [
            ("a$(A)b", "a1b", false, false, vec![]),
            ("$$(A) $x $", "$(A) $x $", false, false, vec![]),
            ("u:$(S)@$(N)", "u:x@$(N)", true, false, vec!["N"]),
            ("//$(T):1", "//{{.Task.Name}}:1", false, true, vec![]),
            ("$(P)", "$(P)", false, false, vec!["P"]),
            ("$(A", "$(A", false, false, vec![]),
        ] {
            let expected = Expanded {
                text: expected.to_owned(),
                secret,
                template,
                unknown: unknown.into_iter().map(str::to_owned).collect(),
            };
            assert_eq!(expand(text, &known), expected, "{text}");
        }
    }
}
