//! Processes of this system, told apart from others that get their numbers later.

/// When a process began, as its system counts it: with its number, this names it for ever. `None` if there is none, or
/// if it has ended and only waits for its parent to notice.
pub(crate) fn began(process: u32) -> Option<String> {
    let text = fs_err::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name before can hold anything, blanks and brackets too (proc_pid_stat(5)).
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    if state == "Z" {
        return None;
    }
    fields.nth(18).map(str::to_owned)
}

/// Whether an entry is a folder of this user's, and no link to one.
#[cfg(unix)]
pub(crate) fn is_own_folder(entry: &std::fs::DirEntry) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // Not through a link.
    entry.metadata().is_ok_and(|metadata| {
        metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw()
    })
}

/// Who owns a folder is not known here.
#[cfg(not(unix))]
pub(crate) fn is_own_folder(_: &std::fs::DirEntry) -> bool {
    false
}
