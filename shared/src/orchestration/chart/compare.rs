//! What tells two objects apart, and the law: what the converted chart renders is what was rendered, converted.

use std::collections::BTreeSet;

use serde_json::Value as Json;

use super::yaml::Step;

/// One difference between what is and what shall be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Difference {
    /// Where.
    pub path: Vec<Step>,
    /// What.
    pub change: Change,
}

/// What has to happen at a path.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Change {
    /// Another value.
    Replace {
        /// What is there.
        have: Json,
        /// What shall be there.
        want: Json,
    },
    /// A key or an item has to go.
    Remove {
        /// What is there.
        have: Json,
    },
    /// A key or an item is missing.
    Add {
        /// What shall be there.
        want: Json,
    },
}

/// Longest lists that are compared item by item where items came or went.
const LONGEST_LIST: usize = 400;

/// All differences, in the order of `have`; removed items of lists from the last to the first. Paths in `ignored` are
/// not looked at. A key without a value counts as absent, as it does for the API server, and so do empty annotations
/// and labels.
pub(crate) fn compare(have: &Json, want: &Json, ignored: &BTreeSet<Vec<Step>>) -> Vec<Difference> {
    let mut found = Vec::new();
    walk(have, want, ignored, &mut Vec::new(), &mut found);
    found
}

fn walk(
    have: &Json,
    want: &Json,
    ignored: &BTreeSet<Vec<Step>>,
    path: &mut Vec<Step>,
    found: &mut Vec<Difference>,
) {
    if have == want || ignored.contains(path) {
        return;
    }
    match (have, want) {
        (Json::Object(old), Json::Object(new)) => {
            for (key, value) in old {
                path.push(Step::Key(key.clone()));
                match new.get(key) {
                    Some(other) => walk(value, other, ignored, path, found),
                    None if is_nothing(key, value) || ignored.contains(path) => {}
                    None => found.push(Difference {
                        path: path.clone(),
                        change: Change::Remove {
                            have: value.clone(),
                        },
                    }),
                }
                path.pop();
            }
            for (key, value) in new {
                path.push(Step::Key(key.clone()));
                if !old.contains_key(key) && !is_nothing(key, value) && !ignored.contains(path) {
                    found.push(Difference {
                        path: path.clone(),
                        change: Change::Add {
                            want: value.clone(),
                        },
                    });
                }
                path.pop();
            }
        }
        (Json::Array(old), Json::Array(new)) if old.len() == new.len() => {
            for (index, (a, b)) in old.iter().zip(new).enumerate() {
                path.push(Step::Index(index));
                walk(a, b, ignored, path, found);
                path.pop();
            }
        }
        (Json::Array(old), Json::Array(new))
            if old.len() <= LONGEST_LIST
                && new.len() <= LONGEST_LIST
                && !old.is_empty()
                && !new.is_empty() =>
        {
            list(old, new, path, found);
        }
        (Json::Null, _) | (_, Json::Null) if is_empty(have) && is_empty(want) => {}
        _ => found.push(Difference {
            path: path.clone(),
            change: Change::Replace {
                have: have.clone(),
                want: want.clone(),
            },
        }),
    }
}

/// Items that came or went, by the longest common part.
fn list(old: &[Json], new: &[Json], path: &mut Vec<Step>, found: &mut Vec<Difference>) {
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] = if old[i] == new[j] {
                longest[i + 1][j + 1] + 1
            } else {
                longest[i + 1][j].max(longest[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut removed = Vec::new();
    let mut added = Vec::new();
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            i += 1;
            j += 1;
        } else if j >= new.len() || (i < old.len() && longest[i + 1][j] >= longest[i][j + 1]) {
            removed.push(i);
            i += 1;
        } else {
            added.push(j);
            j += 1;
        }
    }
    for index in removed.iter().rev() {
        path.push(Step::Index(*index));
        found.push(Difference {
            path: path.clone(),
            change: Change::Remove {
                have: old[*index].clone(),
            },
        });
        path.pop();
    }
    for index in added {
        path.push(Step::Index(index));
        found.push(Difference {
            path: path.clone(),
            change: Change::Add {
                want: new[index].clone(),
            },
        });
        path.pop();
    }
}

fn is_empty(value: &Json) -> bool {
    match value {
        Json::Null => true,
        Json::Object(map) => map.is_empty(),
        Json::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// Whether a key with this value says nothing.
fn is_nothing(key: &str, value: &Json) -> bool {
    value.is_null() || (matches!(key, "annotations" | "labels") && is_empty(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::yaml::path_text;
    use super::*;

    fn paths(have: &Json, want: &Json) -> Vec<String> {
        compare(have, want, &BTreeSet::new())
            .iter()
            .map(|d| {
                let sign = match d.change {
                    Change::Replace { .. } => '~',
                    Change::Remove { .. } => '-',
                    Change::Add { .. } => '+',
                };
                format!("{sign}{}", path_text(&d.path))
            })
            .collect()
    }

    #[test]
    fn differences_are_small() {
        let have = json!({"a": 1, "b": {"c": 2, "d": null}, "l": [1, 2, 3], "annotations": {}});
        let want = json!({"a": 1, "b": {"c": 3, "e": 4}, "l": [1, 3]});
        assert_eq!(paths(&have, &want), ["~b.c", "+b.e", "-l[1]"]);
        assert!(paths(&have, &have).is_empty());
        assert_eq!(paths(&json!({"l": [1]}), &json!({"l": [1, 2]})), ["+l[1]"]);
    }
}
