//! Chart archives, which come from strangers.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use tar::EntryType;

use super::super::ChartError;
use super::files::ChartFile;

/// Most bytes that an archive may unpack to (helm, `pkg/chart/loader`: the same limit).
const MOST_BYTES: u64 = 100 << 20;
/// Most entries.
const MOST_ENTRIES: usize = 20_000;

/// The files of an archive, without the one folder that holds them.
///
/// # Errors
/// Links, paths that leave the archive, more than a chart can be.
pub(crate) fn unpack(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, ChartFile>, ChartError> {
    let bad = |problem: String| ChartError::Archive {
        archive: name.to_owned(),
        problem,
    };
    let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes).take(MOST_BYTES + (32 << 20)));
    let mut files = BTreeMap::new();
    let mut total = 0;
    let entries = archive
        .entries()
        .map_err(|error| bad(format!("it is not a gzipped tar archive ({error})")))?;
    for (number, entry) in entries.enumerate() {
        let mut entry =
            entry.map_err(|error| bad(format!("it is damaged, or no chart archive ({error})")))?;
        if number >= MOST_ENTRIES {
            return Err(bad(format!("it has more than {MOST_ENTRIES} entries")));
        }
        let path = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|_| bad("a path in it is not UTF-8".into()))?;
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {}
            EntryType::Directory | EntryType::XGlobalHeader | EntryType::XHeader => continue,
            EntryType::Symlink | EntryType::Link => {
                return Err(bad(format!("`{path}` is a link")));
            }
            _ => return Err(bad(format!("`{path}` is neither a file nor a folder"))),
        }
        let clean = path.strip_prefix("./").unwrap_or(&path).replace('\\', "/");
        if clean.starts_with('/') || clean.contains(':') {
            return Err(bad(format!("`{path}` is an absolute path")));
        }
        if clean.split('/').any(|part| part == "..") {
            return Err(bad(format!("`{path}` leaves the archive")));
        }
        let Some((_, inner)) = clean.split_once('/') else {
            return Err(bad(format!(
                "`{path}` does not stand in the chart's folder"
            )));
        };
        total += entry.size();
        if total > MOST_BYTES {
            return Err(bad(format!(
                "it unpacks to more than {} MB",
                MOST_BYTES >> 20
            )));
        }
        let mode = entry.header().mode().unwrap_or(0o644) & 0o777;
        let mut content = Vec::new();
        entry
            .read_to_end(&mut content)
            .map_err(|error| bad(format!("`{path}` is damaged ({error})")))?;
        files.insert(
            inner.to_owned(),
            ChartFile {
                bytes: content.into(),
                mode: if mode == 0 { 0o644 } else { mode },
            },
        );
    }
    if files.is_empty() {
        return Err(bad("it is empty, or no chart archive".into()));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn archive(add: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        add(&mut builder);
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&builder.into_inner().unwrap()).unwrap();
        gzip.finish().unwrap()
    }

    fn file(builder: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]) {
        let mut header = tar::Header::new_gnu();
        let name = path.as_bytes();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        builder.append(&header, content).unwrap();
    }

    fn problem(bytes: &[u8]) -> String {
        unpack("x.tgz", bytes).unwrap_err().to_string()
    }

    #[test]
    fn files_come_out_without_their_folder() {
        let files = unpack("x.tgz", &archive(|b| file(b, "x/templates/a.yaml", b"a"))).unwrap();
        assert_eq!(&*files["templates/a.yaml"].bytes, b"a");
        assert_eq!(files["templates/a.yaml"].mode, 0o755);
    }

    #[test]
    fn what_leaves_the_archive_is_refused() {
        assert!(problem(&archive(|b| file(b, "x/../../etc/passwd", b""))).contains("leaves"));
        assert!(problem(&archive(|b| file(b, "/etc/passwd", b""))).contains("absolute"));
        let link = archive(|b| {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(EntryType::Symlink);
            header.set_size(0);
            header.set_cksum();
            b.append_link(&mut header, "x/a", "/etc/passwd").unwrap();
        });
        assert!(problem(&link).contains("`x/a` is a link"));
        assert!(problem(b"no archive").contains("no chart archive"));
        let bomb = archive(|b| {
            for index in 0..11 {
                file(b, &format!("x/{index}"), &vec![0; 10 << 20]);
            }
        });
        assert!(problem(&bomb).contains("more than 100 MB"));
    }
}
