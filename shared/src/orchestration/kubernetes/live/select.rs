//! Which objects a user means, in the words of `kubectl get`.

use super::kinds::{Kind, workloads};

/// What is read.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// `TYPE/NAME ...`, `TYPE[,TYPE] [NAME ...]`, or nothing for all that runs containers.
    pub words: Vec<String>,
    /// `-l`
    pub selector: Option<String>,
    /// Namespace; `None` is that of the context.
    pub namespace: Option<String>,
}

/// What the words mean.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// These very objects.
    Named(Vec<(&'static Kind, String)>),
    /// All objects of these kinds that the selector matches.
    Kinds(Vec<&'static Kind>),
}

impl Selection {
    /// Whether all of the namespace is meant.
    pub(super) fn is_whole(&self) -> bool {
        self.selector.is_none()
            && (self.words.is_empty() || (self.words.len() == 1 && self.words[0] == "all"))
    }

    pub(super) fn wanted(&self) -> Result<Wanted, String> {
        let kind = |word: &str| {
            Kind::meant(word).ok_or_else(|| {
                format!(
                    "`{word}` is no kind that can be read from a cluster; workloads are {}",
                    workloads()
                        .map(|kind| kind.plural)
                        .collect::<Vec<_>>()
                        .join(", ")
                )
            })
        };
        let wanted = match self.words.split_first() {
            None => Wanted::Kinds(workloads().collect()),
            Some((all, [])) if all == "all" => Wanted::Kinds(workloads().collect()),
            Some((first, _)) if first.contains('/') => {
                let named: Result<Vec<_>, String> = self
                    .words
                    .iter()
                    .map(|word| match word.split_once('/') {
                        Some((kind_word, name)) if !name.is_empty() => {
                            Ok((kind(kind_word)?, name.to_owned()))
                        }
                        _ => Err(format!(
                            "`{word}` is no TYPE/NAME, as the words before it are"
                        )),
                    })
                    .collect();
                Wanted::Named(named?)
            }
            Some((types, [])) => Wanted::Kinds(
                types
                    .split(',')
                    .filter(|word| !word.is_empty())
                    .map(kind)
                    .collect::<Result<_, _>>()?,
            ),
            Some((types, names)) => {
                let kind = kind(types)?;
                Wanted::Named(names.iter().map(|name| (kind, name.clone())).collect())
            }
        };
        match wanted {
            Wanted::Named(_) if self.selector.is_some() => {
                Err("names and --selector cannot be given together".to_owned())
            }
            wanted => Ok(wanted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(words: &[&str], selector: Option<&str>) -> Result<Wanted, String> {
        Selection {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            selector: selector.map(str::to_owned),
            namespace: None,
        }
        .wanted()
    }

    #[test]
    fn words_are_those_of_kubectl_get() {
        let named = |kind: &str, name: &str| {
            Wanted::Named(vec![(Kind::named(kind).unwrap(), name.to_owned())])
        };
        assert_eq!(
            wanted(&["deploy/web"], None),
            Ok(named("Deployment", "web"))
        );
        assert_eq!(wanted(&["sts", "db"], None), Ok(named("StatefulSet", "db")));
        assert_eq!(
            wanted(&["deploy,sts"], Some("app=a")),
            Ok(Wanted::Kinds(vec![
                Kind::named("Deployment").unwrap(),
                Kind::named("StatefulSet").unwrap()
            ]))
        );
        assert_eq!(wanted(&["all"], None), wanted(&[], None));
        assert!(wanted(&["deploy/web", "db"], None).is_err());
        assert!(wanted(&["deploy/web"], Some("a=b")).is_err());
        assert!(
            wanted(&["gateways"], None)
                .unwrap_err()
                .contains("statefulsets")
        );
    }
}
