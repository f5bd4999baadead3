//! Small files that outlive a process: written whole under another name first, so that they are there whole or not at
//! all.

use std::io;
use std::path::Path;

use serde::Serialize;

/// Writes a file that only its owner may read.
pub(super) fn keep(file: &Path, content: &impl Serialize) -> io::Result<()> {
    let bytes = serde_json::to_vec(content)?;
    let partial = file.with_extension(format!("{}.partial", std::process::id()));
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut out = options.open(&partial)?;
    io::Write::write_all(&mut out, &bytes)?;
    drop(out);
    fs_err::rename(&partial, file)
}
