//! The file of the queue: one redb database, one process.

use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use redb::{Database, DatabaseError, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::Clock;

/// A table: keys are text, values JSON.
pub(super) type Table = &'static str;

/// Jobs by their keys.
pub(super) const JOBS: Table = "jobs";
/// Images that failed for good.
pub(super) const DEAD: Table = "dead";
/// What was done, by number.
pub(super) const HISTORY: Table = "history";
/// Digests that both sides had.
pub(super) const TAGS: Table = "tags";
/// Single facts: the format of the file.
pub(super) const FACTS: Table = "facts";

const TABLES: [Table; 5] = [JOBS, DEAD, HISTORY, TAGS, FACTS];
const FORMAT: &str = "1";
const FILE: &str = "queue.redb";
const LOCK: &str = "lock";
const OPENING: &str = "opening";
/// Pages that redb keeps in memory.
const CACHE: usize = 16 << 20;
/// Damaged files that are kept for those who want to look at them.
const KEPT: usize = 3;

/// Why the queue cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("{} is in use by {holder}", .folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// Who has it: `process 4711`.
        holder: String,
    },
    /// The folder or file cannot be used.
    #[error("the queue in {} cannot be opened: {reason}", .folder.display())]
    Unusable {
        /// The folder.
        folder: PathBuf,
        /// Why.
        reason: String,
    },
}

/// What opening found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Opened {
    /// The file was damaged and begun anew; where the damaged one is.
    pub rebuilt: Option<PathBuf>,
}

/// Why a commit failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file is damaged.
    #[error("the file is damaged: {0}")]
    Damaged(String),
    /// It cannot be written now.
    #[error("{0}")]
    Failed(String),
}

/// One record that changes.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) table: Table,
    pub(super) key: String,
    /// The new value; `None` removes.
    pub(super) value: Option<Vec<u8>>,
}

/// The open file.
#[derive(Debug)]
pub(super) struct Store {
    folder: PathBuf,
    clock: Clock,
    /// `None` after a failure, until the next try opens it again: redb refuses to go on after an I/O error.
    database: Option<Database>,
    /// Held as long as the store lives.
    _lock: std::fs::File,
}

impl Store {
    pub(super) fn open(folder: &Path, clock: &Clock) -> Result<(Self, Opened), OpenError> {
        let unusable = |reason: String| OpenError::Unusable {
            folder: folder.to_owned(),
            reason,
        };
        fs_err::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
        restrict(folder);
        let lock = lock(folder)?;
        let mut opened = Opened::default();
        let path = folder.join(FILE);
        let marker = folder.join(OPENING);
        // A file so damaged that opening it ends the process must not do so at every start.
        if marker.exists() && path.exists() {
            opened.rebuilt = Some(set_aside(folder, clock).map_err(&unusable)?);
        }
        fs_err::write(&marker, b"").map_err(|error| unusable(error.to_string()))?;
        let database = match open_database(&path) {
            Ok(database) => Ok(database),
            Err(StoreError::Damaged(reason)) => {
                tracing::error!(reason, "the queue's file is damaged; it is set aside");
                opened.rebuilt = Some(set_aside(folder, clock).map_err(&unusable)?);
                open_database(&path)
            }
            Err(error) => Err(error),
        };
        // An orderly failure, such as a full disk, says nothing about the file.
        let removed = fs_err::remove_file(&marker);
        let database = database.map_err(|error| unusable(error.to_string()))?;
        removed.map_err(|error| unusable(error.to_string()))?;
        Ok((
            Self {
                folder: folder.to_owned(),
                clock: clock.clone(),
                database: Some(database),
                _lock: lock,
            },
            opened,
        ))
    }

    /// Writes changes in one transaction, on disk when this returns.
    pub(super) fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => open_database(&self.folder.join(FILE))?,
        };
        write(&database, changes)?;
        self.database = Some(database);
        Ok(())
    }

    /// Sets a damaged file aside and begins a new one.
    pub(super) fn begin_anew(&mut self) -> Result<PathBuf, StoreError> {
        self.database = None;
        let aside = set_aside(&self.folder, &self.clock).map_err(StoreError::Failed)?;
        self.database = Some(open_database(&self.folder.join(FILE))?);
        Ok(aside)
    }

    pub(super) fn get(&self, table: Table, key: &str) -> Option<Vec<u8>> {
        let read = self.database.as_ref()?.begin_read().ok()?;
        let table = read.open_table(definition(table)).ok()?;
        let value = table.get(key).ok()??;
        Some(value.value().to_vec())
    }

    /// All records of a table, in the order of their keys.
    pub(super) fn all(&self, table: Table) -> Vec<(String, Vec<u8>)> {
        let read = || {
            let read = self.database.as_ref()?.begin_read().ok()?;
            let table = read.open_table(definition(table)).ok()?;
            let records = table
                .iter()
                .ok()?
                .map_while(Result::ok)
                .map(|(key, value)| (key.value().to_owned(), value.value().to_vec()))
                .collect();
            Some(records)
        };
        read().unwrap_or_default()
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static str, &'static [u8]> {
    TableDefinition::new(table)
}

fn open_database(path: &Path) -> Result<Database, StoreError> {
    let database = Database::builder()
        .set_cache_size(CACHE)
        // A plain open trusts the file, and damage can then end the process.
        .set_check_integrity_on_open(true)
        .create(path)
        .map_err(|error| match error {
            DatabaseError::Storage(error) => storage_error(error),
            DatabaseError::UpgradeRequired(version) => {
                StoreError::Damaged(format!("it has the format {version} of redb"))
            }
            other => StoreError::Failed(other.to_string()),
        })?;
    // Tables that cannot be read are found here and not in the middle of the night.
    let format = {
        let transaction = database.begin_write().map_err(failed)?;
        let mut format = None;
        for table in TABLES {
            let table = transaction.open_table(definition(table)).map_err(failed)?;
            for record in table.iter().map_err(storage_error)? {
                let (key, value) = record.map_err(storage_error)?;
                if key.value() == "format" {
                    format = Some(value.value().to_vec());
                }
            }
        }
        transaction.commit().map_err(failed)?;
        format
    };
    match format {
        Some(format) if format == FORMAT.as_bytes() => {}
        Some(other) => {
            return Err(StoreError::Failed(format!(
                "it was written by another version of this program (format {})",
                String::from_utf8_lossy(&other)
            )));
        }
        None => write(
            &database,
            &[Change {
                table: FACTS,
                key: "format".to_owned(),
                value: Some(FORMAT.into()),
            }],
        )?,
    }
    Ok(database)
}

fn write(database: &Database, changes: &[Change]) -> Result<(), StoreError> {
    let transaction = database.begin_write().map_err(failed)?;
    {
        let mut open: Option<(Table, redb::Table<'_, &str, &[u8]>)> = None;
        for change in changes {
            if open.as_ref().is_none_or(|(name, _)| *name != change.table) {
                drop(open.take());
                let table = transaction
                    .open_table(definition(change.table))
                    .map_err(failed)?;
                open = Some((change.table, table));
            }
            if let Some((_, table)) = &mut open {
                match &change.value {
                    Some(value) => {
                        table
                            .insert(change.key.as_str(), value.as_slice())
                            .map_err(storage_error)?;
                    }
                    None => {
                        table.remove(change.key.as_str()).map_err(storage_error)?;
                    }
                }
            }
        }
    }
    transaction.commit().map_err(failed)
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    match error.into() {
        redb::Error::Corrupted(reason) => StoreError::Damaged(reason),
        redb::Error::TableTypeMismatch { table, .. } => {
            StoreError::Damaged(format!("the table {table} has another type"))
        }
        other => StoreError::Failed(other.to_string()),
    }
}

fn storage_error(error: redb::StorageError) -> StoreError {
    match error {
        redb::StorageError::Corrupted(reason) => StoreError::Damaged(reason),
        // redb calls a file that does not begin like one of its own invalid data.
        redb::StorageError::Io(error)
            if matches!(
                error.kind(),
                std::io::ErrorKind::InvalidData | std::io::ErrorKind::UnexpectedEof
            ) =>
        {
            StoreError::Damaged(error.to_string())
        }
        other => StoreError::Failed(other.to_string()),
    }
}

/// Takes the lock of the folder, which names the process that has it.
fn lock(folder: &Path) -> Result<std::fs::File, OpenError> {
    let path = folder.join(LOCK);
    let unusable = |reason: String| OpenError::Unusable {
        folder: folder.to_owned(),
        reason,
    };
    let mut file = fs_err::OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(|error| unusable(error.to_string()))?;
    match file.file().try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Without its number it is just another process.
            let _ = file.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another process".to_owned(),
                number => format!("process {number}"),
            };
            return Err(OpenError::InUse {
                folder: folder.to_owned(),
                holder,
            });
        }
        Err(std::fs::TryLockError::Error(error)) => return Err(unusable(error.to_string())),
    }
    // The lock holds without the number in it: on a full disk it stays empty.
    let _ = file
        .set_len(0)
        .and_then(|()| file.seek(std::io::SeekFrom::Start(0)))
        .and_then(|_| write!(file, "{}", std::process::id()));
    Ok(file.into_parts().0)
}

/// Moves the file away and keeps it.
fn set_aside(folder: &Path, clock: &Clock) -> Result<PathBuf, String> {
    let prefix = format!("{FILE}.damaged-");
    let mut older: Vec<PathBuf> = fs_err::read_dir(folder)
        .map_err(|error| error.to_string())?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| {
            path.file_name()
                .and_then(|name| name.to_str())
                .is_some_and(|name| name.starts_with(&prefix))
        })
        .collect();
    older.sort();
    let surplus = (older.len() + 1).saturating_sub(KEPT);
    for path in older.into_iter().take(surplus) {
        fs_err::remove_file(path).map_err(|error| error.to_string())?;
    }
    let aside = folder.join(format!("{prefix}{}", clock.now_ms()));
    fs_err::rename(folder.join(FILE), &aside).map_err(|error| error.to_string())?;
    Ok(aside)
}

/// Others have no business in the folder: names of images can be confidential.
#[cfg(unix)]
fn restrict(folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    // A folder that belongs to somebody else, such as a mounted volume, keeps its mode.
    let _ = fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
}

#[cfg(not(unix))]
fn restrict(_: &Path) {}
