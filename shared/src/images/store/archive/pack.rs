//! Packing an OCI layout into one file. The same layout always gives the same bytes.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use crate::images::rewrite::ImageName;
use crate::images::store::contents::{Part, blob_path};
use crate::images::store::layout::Layout;
use crate::images::store::layout::read::{Entry, FULL_NAME, REF_NAME, Reader};
use crate::images::store::{Name, host_architecture};
use crate::images::{Descriptor, Digest, ImageError, Platform};

/// What is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::images::store) enum PackForm {
    /// An OCI layout.
    Oci,
    /// An OCI layout that `docker load` of every version understands: one platform for each image, and `manifest.json`.
    Docker,
}

/// Writes a layout into `file`: beside its place first, then into it. Returns what has to be known about it.
pub(in crate::images::store) fn pack(
    layout: &Layout,
    file: &Path,
    form: PackForm,
) -> Result<Vec<String>, ImageError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".partial");
    let failed = |error: io::Error| ImageError::Local(format!("{}: {error}", file.display()));
    let out = fs_err::File::create(&beside).map_err(failed)?;
    let is_gzip = file.file_name().is_some_and(|name| {
        [".gz", ".tgz"]
            .iter()
            .any(|end| name.to_string_lossy().ends_with(end))
    });
    let notes = if is_gzip {
        // Layers are compressed already: more effort would not make them smaller.
        let mut encoder = GzEncoder::new(
            io::BufWriter::with_capacity(1 << 20, out),
            Compression::fast(),
        );
        let notes = write(layout, &mut encoder, form)?;
        let out = encoder.finish().map_err(failed)?;
        let out = out
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        out.sync_all().map_err(failed)?;
        notes
    } else {
        let mut out = io::BufWriter::with_capacity(1 << 20, out);
        let notes = write(layout, &mut out, form)?;
        let out = out
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        out.sync_all().map_err(failed)?;
        notes
    };
    fs_err::rename(&beside, file).map_err(failed)?;
    Ok(notes)
}

fn write(layout: &Layout, out: &mut dyn Write, form: PackForm) -> Result<Vec<String>, ImageError> {
    let failed =
        |error: io::Error| ImageError::Local(format!("the archive cannot be written: {error}"));
    let reader = layout.reader();
    let mut notes = Vec::new();
    let entries = reader.entries()?;
    let mut blobs = BTreeSet::new();
    let mut tar = tar::Builder::new(out);
    add(
        &mut tar,
        "oci-layout",
        b"{\"imageLayoutVersion\":\"1.0.0\"}",
    )
    .map_err(failed)?;
    match form {
        PackForm::Oci => {
            for entry in &entries {
                collect(reader, &entry.descriptor, &mut blobs)?;
            }
            let index = serde_json::to_vec_pretty(&reader.index()?).unwrap_or_default();
            add(&mut tar, "index.json", &index).map_err(failed)?;
        }
        PackForm::Docker => {
            let (index, saved) = for_docker(reader, &entries, &mut blobs, &mut notes)?;
            add(
                &mut tar,
                "index.json",
                &serde_json::to_vec_pretty(&index).unwrap_or_default(),
            )
            .map_err(failed)?;
            add(
                &mut tar,
                "manifest.json",
                &serde_json::to_vec(&saved).unwrap_or_default(),
            )
            .map_err(failed)?;
        }
    }
    for digest in blobs {
        let path = blob_path(&digest);
        if let Some(part) = reader.contents.open(&path)? {
            add_part(&mut tar, &path, &part).map_err(failed)?;
        }
    }
    tar.finish().map_err(failed)?;
    Ok(notes)
}

/// All blobs of an image, its manifests among them. What is not there (a platform that was not copied, a foreign layer)
/// is left out.
fn collect(
    reader: &Reader,
    root: &Descriptor,
    blobs: &mut BTreeSet<Digest>,
) -> Result<(), ImageError> {
    let mut open = vec![root.digest.clone()];
    while let Some(digest) = open.pop() {
        if !blobs.insert(digest.clone()) {
            continue;
        }
        let Some(manifest) = reader.manifest("", &Name::Digest(digest))? else {
            continue;
        };
        if let Ok(content) = manifest.content() {
            blobs.extend(content.blobs.into_iter().map(|blob| blob.digest));
            open.extend(content.manifests.into_iter().map(|child| child.digest));
        }
    }
    Ok(())
}

/// `index.json` and `manifest.json` for docker: each image with one platform.
fn for_docker(
    reader: &Reader,
    entries: &[Entry],
    blobs: &mut BTreeSet<Digest>,
    notes: &mut Vec<String>,
) -> Result<(Value, Value), ImageError> {
    let mut index = Vec::new();
    let mut saved: Vec<(Digest, Value)> = Vec::new();
    for entry in entries {
        let Some(manifest) = reader.manifest("", &Name::Digest(entry.descriptor.digest.clone()))?
        else {
            continue;
        };
        let content = manifest.content().map_err(|reason| ImageError::Invalid {
            place: reader.contents.place().to_owned(),
            reason,
        })?;
        if content.subject.is_some() {
            notes.push(format!(
                "{}@{} is about another image; docker keeps no such thing, so it is left out",
                entry.repository, entry.descriptor.digest
            ));
            continue;
        }
        let shown = match &entry.name {
            Name::Tag(tag) => format!("{}:{tag}", entry.repository),
            Name::Digest(digest) => format!("{}@{digest}", entry.repository),
        };
        let chosen = if content.manifests.is_empty() {
            entry.descriptor.clone()
        } else {
            let there: Vec<&Descriptor> = content
                .manifests
                .iter()
                .filter(|child| {
                    child
                        .platform
                        .as_ref()
                        .is_none_or(|platform| platform.os != "unknown")
                })
                .filter(|child| {
                    reader
                        .manifest("", &Name::Digest(child.digest.clone()))
                        .is_ok_and(|m| m.is_some())
                })
                .collect();
            let Some(chosen) = choose(&there) else {
                continue;
            };
            if there.len() > 1 {
                let platform = chosen
                    .platform
                    .as_ref()
                    .map_or_else(String::new, Platform::to_string);
                notes.push(format!(
                    "{shown} has {} platforms and docker keeps one: {platform} is written (--platform chooses)",
                    there.len()
                ));
            }
            chosen.clone()
        };
        collect(reader, &chosen, blobs)?;
        let Some(image) = reader.manifest("", &Name::Digest(chosen.digest.clone()))? else {
            continue;
        };
        let value: Value = serde_json::from_slice(&image.bytes).unwrap_or_default();
        let path = |descriptor: &Value| {
            let digest: Option<Digest> = descriptor["digest"].as_str()?.parse().ok();
            digest.map(|digest| blob_path(&digest))
        };
        let layers: Vec<String> = value["layers"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(path)
            .collect();
        let tag = match &entry.name {
            Name::Tag(_) => shown.parse::<ImageName>().ok().map(|name| name.familiar()),
            Name::Digest(_) => None,
        };
        match saved
            .iter_mut()
            .find(|(digest, _)| *digest == chosen.digest)
        {
            Some((_, image)) => {
                if let (Some(tags), Some(tag)) = (image["RepoTags"].as_array_mut(), tag) {
                    tags.push(json!(tag));
                }
            }
            None => {
                let tags: Vec<String> = tag.into_iter().collect();
                let image =
                    json!({"Config": path(&value["config"]), "RepoTags": tags, "Layers": layers});
                saved.push((chosen.digest.clone(), image));
            }
        }
        index.push(json!({
            "mediaType": image.media_type,
            "digest": image.digest,
            "size": image.bytes.len(),
            "annotations": { FULL_NAME: shown, REF_NAME: shown },
        }));
    }
    let saved: Vec<Value> = saved.into_iter().map(|(_, image)| image).collect();
    Ok((
        json!({
            "schemaVersion": 2,
            "mediaType": crate::images::descriptor::media_type::OCI_INDEX,
            "manifests": index,
        }),
        Value::Array(saved),
    ))
}

fn choose<'d>(there: &[&'d Descriptor]) -> Option<&'d Descriptor> {
    let own = there.iter().find(|child| {
        child.platform.as_ref().is_some_and(|platform| {
            platform.os == "linux" && platform.architecture == host_architecture()
        })
    });
    own.or(there.first()).copied()
}

fn header(size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_mtime(0);
    header
}

fn add(tar: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(bytes.len() as u64), path, bytes)
}

fn add_part(tar: &mut tar::Builder<impl Write>, path: &str, part: &Part) -> io::Result<()> {
    tar.append_data(&mut header(part.size), path, part.reader())
}
