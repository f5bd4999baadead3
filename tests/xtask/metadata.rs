//! What the programs are made of: their dependencies, for the bill of materials and the texts of licences.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::Failure;

/// A crate that is linked into a program.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    checksum: Option<String>,
    folder: PathBuf,
}

/// The crates that are linked into the programs on a platform, sorted; the workspace's own are left out.
pub(crate) fn dependencies(root: &Path, triple: &str) -> Result<Vec<Package>, Failure> {
    let output = Command::new("cargo")
        .current_dir(root)
        .args([
            "metadata",
            "--format-version=1",
            "--locked",
            "--filter-platform",
            triple,
        ])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let linked = linked(&metadata);
    let checksums = checksums(&fs_err::read_to_string(root.join("Cargo.lock"))?);
    let mut packages: Vec<Package> = items(&metadata["packages"])
        .filter(|package| !package["source"].is_null() && linked.contains(text(&package["id"])))
        .map(|package| {
            let (name, version) = (text(&package["name"]), text(&package["version"]));
            Package {
                name: name.to_owned(),
                version: version.to_owned(),
                licence: package["license"].as_str().map(str::to_owned),
                checksum: checksums
                    .get(&(name.to_owned(), version.to_owned()))
                    .cloned(),
                folder: Path::new(text(&package["manifest_path"]))
                    .parent()
                    .map(Path::to_owned)
                    .unwrap_or_default(),
            }
        })
        .collect();
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    Ok(packages)
}

/// Ids of all packages that the three programs need at run time.
fn linked(metadata: &Value) -> BTreeSet<String> {
    let nodes: BTreeMap<&str, &Value> = items(&metadata["resolve"]["nodes"])
        .map(|node| (text(&node["id"]), node))
        .collect();
    let programs = ["kubectl-migrate", "docker-migrate", "helm-convert"];
    let mut open: Vec<&str> = items(&metadata["packages"])
        .filter(|package| programs.contains(&text(&package["name"])))
        .map(|package| text(&package["id"]))
        .collect();
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id.to_owned()) {
            continue;
        }
        let dependencies = nodes.get(id).map(|node| &node["deps"]);
        for dependency in dependencies.into_iter().flat_map(items) {
            // A kind is named for build and development dependencies only.
            if items(&dependency["dep_kinds"]).any(|kind| kind["kind"].is_null()) {
                open.push(text(&dependency["pkg"]));
            }
        }
    }
    seen
}

/// Checksums of Cargo.lock by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |block: &str, key: &str| {
        block.lines().find_map(|line| {
            let value = line.strip_prefix(key)?.strip_prefix(" = \"")?;
            value.strip_suffix('"').map(str::to_owned)
        })
    };
    lock.split("[[package]]")
        .filter_map(|block| {
            let key = (value(block, "name")?, value(block, "version")?);
            Some((key, value(block, "checksum")?))
        })
        .collect()
}

/// A bill of materials in CycloneDX 1.5.
pub(crate) fn bill_of_materials(version: &str, packages: &[Package]) -> String {
    let components: Vec<Value> = packages
        .iter()
        .map(|package| {
            let purl = format!("pkg:cargo/{}@{}", package.name, package.version);
            let mut component = json!({
                "type": "library",
                "bom-ref": purl,
                "name": package.name,
                "version": package.version,
                "purl": purl,
            });
            if let Some(licence) = &package.licence {
                // Old manifests separate licences by a slash, which SPDX spells OR.
                let expression = licence.replace('/', " OR ").replace("  ", " ");
                component["licenses"] = json!([{"expression": expression}]);
            }
            if let Some(checksum) = &package.checksum {
                component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
            }
            component
        })
        .collect();
    let bill = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": {
            "type": "application",
            "name": "migrate",
            "version": version,
            "licenses": [{"expression": "Apache-2.0"}],
        }},
        "components": components,
    });
    format!("{bill:#}\n")
}

/// The texts of all licences, as the licences themselves ask for.
pub(crate) fn licence_texts(packages: &[Package]) -> Result<String, Failure> {
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut out = String::from("Licences of the crates that are part of the programs.\n\n");
    for package in packages {
        let name = format!("{} {}", package.name, package.version);
        let licence = package.licence.as_deref().unwrap_or("see the text");
        writeln!(out, "{name}: {licence}")?;
        for file in licence_files(&package.folder)? {
            let text = String::from_utf8_lossy(&fs_err::read(&file)?)
                .trim()
                .to_owned();
            texts.entry(text).or_default().push(name.clone());
        }
    }
    for (text, names) in texts {
        write!(
            out,
            "\n{}\n{}\n\n{text}\n",
            "=".repeat(80),
            names.join(", ")
        )?;
    }
    Ok(out)
}

fn licence_files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut files: Vec<PathBuf> = fs_err::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .to_uppercase();
            path.is_file()
                && ["LICENSE", "LICENCE", "COPYING", "NOTICE"]
                    .iter()
                    .any(|p| name.starts_with(p))
        })
        .collect();
    files.sort();
    Ok(files)
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
