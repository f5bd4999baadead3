//! Values of node labels that each provider has its own words for: whether a node is a spot instance.

use serde_json::Value as Json;

use super::catalog::Catalog;
use super::context::Context;
use super::edit::SourceKey;
use super::pod::{count, text};
use crate::source::KeyPath;

/// What the values of a label become.
pub(super) struct Words {
    /// Label of the source.
    label: String,
    /// Neutral word and value, at the source and at the target.
    from: Vec<(String, String)>,
    to: Vec<(String, String)>,
}

/// The words of a label at both providers, if it has any.
pub(super) fn words(ctx: &Context<'_>, from: &str, to: &str) -> Option<Words> {
    let of = |catalog: &Catalog, label: &str| -> Option<Vec<(String, String)>> {
        let words = catalog.pods.node_label_words.get(label)?;
        Some(words.iter().map(|(w, v)| (w.clone(), v.clone())).collect())
    };
    Some(Words {
        label: from.to_owned(),
        from: of(ctx.from, from)?,
        to: of(ctx.to, to)?,
    })
}

fn find(
    words: &[(String, String)],
    wanted: impl Fn(&(String, String)) -> bool,
) -> Option<&(String, String)> {
    words.iter().find(|pair| wanted(pair))
}

impl Words {
    /// The value at the target; nothing, if it has none, or if the value is no word of the source.
    pub(super) fn value(&self, value: &str) -> Option<&str> {
        let (word, _) = find(&self.from, |(_, v)| v == value)?;
        find(&self.to, |(w, _)| w == word).map(|(_, v)| v.as_str())
    }

    /// Whether the source knows the value.
    fn known(&self, value: &str) -> bool {
        find(&self.from, |(_, v)| v == value).is_some()
    }

    /// The operator and values that ask for the same nodes of the target.
    fn asked(&self, operator: &str, values: &[String]) -> Option<(&'static str, Vec<String>)> {
        let always = |words: &[(String, String)]| find(words, |(w, _)| w == "on-demand").is_some();
        let all_from: Vec<String> = self.from.iter().map(|(_, value)| value.clone()).collect();
        let (include, values) = match operator {
            "In" => (true, values),
            "NotIn" => (false, values),
            // Where only some nodes have the label, having it is one of its words.
            "Exists" if !always(&self.from) => (true, all_from.as_slice()),
            "DoesNotExist" if !always(&self.from) => (false, all_from.as_slice()),
            _ => return None,
        };
        if !values.iter().all(|value| self.known(value)) {
            return None;
        }
        let named: Vec<String> = values
            .iter()
            .filter_map(|value| self.value(value).map(str::to_owned))
            .collect();
        if named.len() == values.len() {
            return Some((if include { "In" } else { "NotIn" }, named));
        }
        // Nodes without the label are asked for: those that have none of the other words.
        let others: Vec<String> = self
            .to
            .iter()
            .map(|(_, value)| value.clone())
            .filter(|value| !named.contains(value))
            .collect();
        (!others.is_empty()).then_some((if include { "NotIn" } else { "In" }, others))
    }

    /// Gives a node selector the target's word; `false` if it has none, and the key has to go.
    pub(super) fn selector(&self, ctx: &mut Context<'_>, object: usize, path: &KeyPath) -> bool {
        let value = text(ctx, object, path).unwrap_or_default();
        if let Some(new) = self.value(&value) {
            let from = [SourceKey {
                object,
                path: path.clone(),
            }];
            ctx.put(object, path, &Json::from(new), &from);
            return true;
        }
        let why = if self.known(&value) {
            format!("nodes of {} that are so have no label", ctx.to.title)
        } else {
            format!("that is no word of {}", ctx.from.title)
        };
        let what = format!(
            "pods no longer ask for nodes with `{}: {value}`: {why}",
            self.label
        );
        ctx.note("node-label-lost", object, path, &what);
        false
    }

    /// Gives an expression of an affinity the target's words; `false` if it has to go.
    pub(super) fn expression(
        &self,
        ctx: &mut Context<'_>,
        object: usize,
        at: &KeyPath,
        required: bool,
    ) -> bool {
        let operator = text(ctx, object, &at.key("operator")).unwrap_or_default();
        let list = at.key("values");
        let values: Vec<String> = (0..count(ctx, object, &list))
            .filter_map(|index| text(ctx, object, &list.index(index)))
            .collect();
        let Some((new, values)) = self.asked(&operator, &values) else {
            let what = format!(
                "pods no longer {} nodes by `{}` ({operator} {}): {} has no words for that",
                if required { "choose" } else { "prefer" },
                self.label,
                values.join(", "),
                ctx.to.title
            );
            let code = if required {
                "node-label-lost"
            } else {
                "provider-setting-approximate"
            };
            ctx.note(code, object, at, &what);
            return false;
        };
        let key = |path: &KeyPath| SourceKey {
            object,
            path: path.clone(),
        };
        if new != operator {
            let path = at.key("operator");
            ctx.put(object, &path, &Json::from(new), &[key(&path)]);
        }
        ctx.put(object, &list, &Json::from(values), &[key(&list)]);
        true
    }
}
