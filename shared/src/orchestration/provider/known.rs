//! The providers that there are: the built-in catalogs and those that a user brings.

use std::sync::{Arc, LazyLock, OnceLock};

use super::catalog::Catalog;
use crate::finding::{Code, Finding, Findings};
use crate::parallel;
use crate::source::{FileId, Limits, Origin, parse};

/// The built-in catalogs: files called as their providers.
pub(super) const CATALOGS: [(&str, &str); 7] = [
    ("huawei.yaml", include_str!("catalog/huawei.yaml")),
    ("ali.yaml", include_str!("catalog/ali.yaml")),
    ("aws.yaml", include_str!("catalog/aws.yaml")),
    ("google.yaml", include_str!("catalog/google.yaml")),
    ("azure.yaml", include_str!("catalog/azure.yaml")),
    ("tencent.yaml", include_str!("catalog/tencent.yaml")),
    ("onprem.yaml", include_str!("catalog/onprem.yaml")),
];

static BUILT_IN: LazyLock<Vec<Provider>> = LazyLock::new(|| {
    let all = parallel::tasks(CATALOGS.len(), built_in);
    all.into_iter().flatten().collect()
});

/// One of [`CATALOGS`]. Each takes milliseconds to read, and most conversions need two.
fn built_in(index: usize) -> Option<Provider> {
    static READ: [OnceLock<Option<Provider>>; CATALOGS.len()] =
        [const { OnceLock::new() }; CATALOGS.len()];
    let read = || {
        let catalog = serde_yaml::from_str::<Catalog>(CATALOGS[index].1);
        catalog.ok().map(Provider::new)
    };
    READ[index].get_or_init(read).clone()
}

/// A cloud provider, or a cluster without one.
#[derive(Debug, Clone)]
pub struct Provider {
    catalog: Arc<Catalog>,
}

impl PartialEq for Provider {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Provider {
    fn new(mut catalog: Catalog) -> Self {
        catalog.expand();
        Self {
            catalog: Arc::new(catalog),
        }
    }

    /// The built-in providers: Huawei CCE, Alibaba ACK, AWS EKS, Google GKE, Azure AKS, Tencent TKE, on-premises.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &BUILT_IN
    }

    /// The built-in provider of a name or alias, in any case: `huawei`, `Ali`, `cce`, `eks`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let name = name.to_lowercase();
        let file = format!("{name}.yaml");
        if let Some(index) = CATALOGS.iter().position(|(called, _)| *called == file) {
            return built_in(index);
        }
        let fits = |p: &&Self| p.name() == name || p.aliases().contains(&name);
        Self::all().iter().find(fits).cloned()
    }

    /// The provider of a user's own catalog file (`--provider-file`).
    ///
    /// # Errors
    /// The file is not YAML, or not of the form that `catalog/schema.json` describes; with the place where the parser
    /// gave up.
    pub fn from_text(file: FileId, text: &str, limits: &Limits) -> Result<Self, Findings> {
        let nodes = parse(file, text, limits).map_err(|f| Findings::from(*f))?;
        let bad = |message: String| Finding::new(Code("bad-provider-file"), message);
        let Some(node) = nodes.first() else {
            let origin = Origin::file(file);
            return Err(
                bad("a catalog file is one document, but this is empty".into())
                    .at(&origin)
                    .into(),
            );
        };
        let at = node.at;
        let catalog = serde_yaml::from_str::<Catalog>(text).map_err(|error| {
            let mut place = at;
            if let Some(location) = error.location() {
                place.line = u32::try_from(location.line()).unwrap_or(place.line);
                place.column = u32::try_from(location.column()).unwrap_or(place.column);
            }
            Findings::from(bad(error.to_string()).at_position(place))
        })?;
        let faults = super::check::check(&catalog);
        if faults.is_empty() {
            return Ok(Self::new(catalog));
        }
        let mut findings = Findings::default();
        for fault in faults {
            findings.push(bad(fault).at_position(at));
        }
        Err(findings)
    }

    /// The name on the command line.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.catalog.name
    }

    /// The name for people.
    #[must_use]
    pub fn title(&self) -> &str {
        &self.catalog.title
    }

    /// Other names on the command line.
    #[must_use]
    pub fn aliases(&self) -> &[String] {
        &self.catalog.aliases
    }

    /// What the provider's objects look like.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Sources;

    #[test]
    fn each_built_in_catalog_is_of_the_form() {
        for (name, text) in CATALOGS {
            let file = Sources::default().add(name, text);
            let read = Provider::from_text(file, text, &Limits::default());
            let findings = read.err().unwrap_or_default();
            assert!(findings.is_empty(), "{name}: {findings:#?}");
            let called = name.strip_suffix(".yaml").and_then(Provider::named);
            assert_eq!(
                called.map(|p| format!("{}.yaml", p.name())).as_deref(),
                Some(name)
            );
        }
        assert_eq!(Provider::all().len(), CATALOGS.len());
    }

    #[test]
    fn names_and_aliases() {
        for (name, of) in [
            ("Huawei", "huawei"),
            ("cce", "huawei"),
            ("Ali", "ali"),
            ("ACK", "ali"),
            ("eks", "aws"),
            ("gke", "google"),
            ("aks", "azure"),
            ("tke", "tencent"),
            ("onprem", "onprem"),
        ] {
            let found = Provider::named(name);
            assert_eq!(found.as_ref().map(Provider::name), Some(of));
        }
        assert!(Provider::named("nowhere").is_none());
    }

    #[test]
    fn a_bad_catalog_says_where() {
        let text = "schema: 1\nname: x\ntitles: X\n";
        let file = Sources::default().add("x.yaml", text);
        let findings = Provider::from_text(file, text, &Limits::default()).err();
        let at = findings.and_then(|f| f.as_slice()[0].at);
        assert_eq!(at.map(|at| at.line), Some(3));
    }
}
