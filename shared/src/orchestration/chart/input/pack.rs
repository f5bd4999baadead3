//! A chart as one archive, for helm to render: hundreds of files take longer to write, and to read, than to render.

use flate2::Crc;

use super::files::ChartFiles;
use super::ignore::Ignored;

/// Largest file that helm takes from an archive (helm, `pkg/chart/loader/archive`).
const LARGEST_FILE: usize = 5 << 20;
/// Most that an archive may hold for us; helm takes 100 MB.
const MOST_BYTES: usize = 64 << 20;

impl ChartFiles {
    /// The archive in which helm sees the very files that it would see in a folder, archives of subcharts unpacked.
    /// `None`, if there is none: helm has names and sizes that it takes from folders only, and rules of `.helmignore`
    /// that only it understands.
    pub(crate) fn packed(&self) -> Option<Vec<u8>> {
        let ignored = match self.files.get(".helmignore") {
            Some(file) => Ignored::read(std::str::from_utf8(&file.bytes).ok()?)?,
            None => Ignored::read("")?,
        };
        let mut files: Vec<_> = self
            .files
            .iter()
            .filter(|(path, _)| !self.archives.contains_key(*path) && !ignored.has(path))
            .collect();
        // In the order in which a folder is read, in which CRDs are rendered.
        files.sort_by(|(a, _), (b, _)| a.split('/').cmp(b.split('/')));
        let mut total = 0;
        // A header for each, and what fills its last block.
        let sizes = files.iter().map(|(_, file)| file.bytes.len() + 1024);
        let mut archive = tar::Builder::new(Vec::with_capacity(sizes.sum::<usize>() + 1024));
        for (path, file) in files {
            total += file.bytes.len();
            if !is_plain(path) || file.bytes.len() >= LARGEST_FILE || total > MOST_BYTES {
                return None;
            }
            let mut header = tar::Header::new_gnu();
            header.set_size(u64::try_from(file.bytes.len()).ok()?);
            header.set_mode(file.mode);
            let path = format!("chart/{path}");
            archive.append_data(&mut header, path, &*file.bytes).ok()?;
        }
        Some(stored(&archive.into_inner().ok()?))
    }
}

/// A gzip file (RFC 1952) that holds bytes as they are (RFC 1951, section 3.2.4): helm takes no other archives, and nothing
/// is gained from making one small that is read once.
fn stored(bytes: &[u8]) -> Vec<u8> {
    const LARGEST_BLOCK: usize = 0xffff;
    let blocks = bytes.len() / LARGEST_BLOCK + 1;
    let mut out = Vec::with_capacity(bytes.len() + 5 * blocks + 18);
    out.extend([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    for number in 0..blocks {
        let start = number * LARGEST_BLOCK;
        let block = &bytes[start..bytes.len().min(start + LARGEST_BLOCK)];
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        out.push(u8::from(number + 1 == blocks));
        out.extend(length.to_le_bytes());
        out.extend((!length).to_le_bytes());
        out.extend(block);
    }
    let mut crc = Crc::new();
    crc.update(bytes);
    out.extend(crc.sum().to_le_bytes());
    out.extend(crc.amount().to_le_bytes());
    out
}

/// Whether a path is none of those that helm refuses in archives: from the times of another system's separators.
fn is_plain(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':');
    !path.contains('\\') && !path.starts_with("..") && !drive
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::super::archive::unpack;
    use super::*;

    fn chart(files: &[(&str, &str)]) -> ChartFiles {
        let mut chart = ChartFiles::default();
        for (path, text) in files {
            chart.set_text(path, (*text).to_owned());
        }
        chart
    }

    #[test]
    fn all_that_helm_sees_is_in_it() {
        let long = format!("templates/{}/a.yaml", "x".repeat(150));
        let mut whole = chart(&[
            ("Chart.yaml", "name: a"),
            (".helmignore", "*.bak\n"),
            ("a.bak", ""),
            (&long, "a"),
            ("charts/b.tgz", ""),
            ("charts/b/Chart.yaml", "name: b"),
        ]);
        whole
            .archives
            .insert("charts/b.tgz".into(), "charts/b".into());
        let seen = unpack("x", &whole.packed().unwrap()).unwrap();
        let paths: Vec<&str> = seen.keys().map(String::as_str).collect();
        let expected = [".helmignore", "Chart.yaml", "charts/b/Chart.yaml", &long];
        assert_eq!(paths, expected);
        assert_eq!(&*seen[&long].bytes, b"a");
    }

    #[test]
    fn stored_bytes_come_out_as_they_were() {
        for length in [0, 1, 0xffff, 0x1_0000, 200_000] {
            let bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            let mut read = Vec::new();
            flate2::read::GzDecoder::new(&*stored(&bytes))
                .read_to_end(&mut read)
                .unwrap();
            assert_eq!(read, bytes);
        }
    }

    #[test]
    fn what_an_archive_cannot_hold_stays_a_folder() {
        let large = "x".repeat(LARGEST_FILE);
        for (path, text) in [("a\\b", ""), ("c:/d", ""), ("..e", ""), ("f", &*large)] {
            assert!(chart(&[(path, text)]).packed().is_none(), "{path}");
        }
        assert!(chart(&[(".helmignore", "!a")]).packed().is_none());
    }
}
