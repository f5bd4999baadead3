//! What a run has done, written before it does it, so that another process can go on or undo it.
//!
//! Each run has a folder below the user's state. `record.json` is written whole under another name first; nothing in it
//! is secret.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::terms::Terms;
use crate::cli::state_folder;

/// Version of the file; others are refused.
const VERSION: u32 = 1;

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Images are being copied; the target's orchestration is untouched.
    Images,
    /// The target is being changed; what was there is in the record.
    Deploying,
    /// The native tool has done its part; the application is starting.
    Waiting,
    /// The application is ready.
    Done,
    /// It failed, and the target is as it was.
    Undone,
    /// It failed; the target may be changed.
    Failed,
    /// A user has undone it.
    RolledBack,
}

impl Status {
    /// For people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Images => "stopped while copying images",
            Self::Deploying => "stopped while changing the target",
            Self::Waiting => "stopped while waiting for the application",
            Self::Done => "done",
            Self::Undone => "failed, target as before",
            Self::Failed => "failed",
            Self::RolledBack => "rolled back",
        }
    }

    /// Whether `resume` can go on with it.
    #[must_use]
    pub fn is_resumable(self) -> bool {
        matches!(
            self,
            Self::Images | Self::Deploying | Self::Waiting | Self::Failed | Self::Undone
        )
    }

    /// Whether there is something to undo at the target.
    #[must_use]
    pub fn has_changes(self) -> bool {
        matches!(
            self,
            Self::Deploying | Self::Waiting | Self::Done | Self::Failed
        )
    }
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    version: u32,
    /// Its name: `20261126-081502-vote`.
    pub id: String,
    /// The program that ran it: `docker-migrate`.
    pub program: String,
    /// Its arguments, to run it again.
    pub arguments: Vec<String>,
    /// The folder that it ran in.
    pub folder: PathBuf,
    /// Name of the application.
    pub application: String,
    /// Where it goes, for people.
    pub target: String,
    /// What the target's own code needs to find it again.
    pub address: Value,
    /// How far it is.
    pub status: Status,
    /// What was at the target before it was changed.
    pub before: Value,
    /// What was changed.
    pub changed: Value,
    /// What was scaled down at the source, and where that is.
    #[serde(default)]
    pub source: Value,
    /// How long the parts took.
    pub terms: Terms,
    /// Why it failed.
    pub error: Option<String>,
}

/// The record of a run on disk.
#[derive(Debug)]
pub struct Journal {
    folder: PathBuf,
    /// What is in it.
    pub record: Record,
}

/// Why a record is not there.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// There is no home.
    #[error("there is no folder for the state of runs; set HOME or XDG_STATE_HOME")]
    NoFolder,
    /// No such run.
    #[error("there is no run `{0}`")]
    Unknown(String),
    /// There is none at all.
    #[error("there is no run yet")]
    None,
    /// The file is damaged or of another version.
    #[error("{path} cannot be understood: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file system refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
}

/// The folder of all runs.
fn runs() -> Result<PathBuf, JournalError> {
    Ok(state_folder().ok_or(JournalError::NoFolder)?.join("runs"))
}

impl Journal {
    /// Begins a run: makes its folder and writes its first record.
    ///
    /// # Errors
    /// The folder cannot be written to.
    pub fn begin(
        program: &str,
        arguments: Vec<String>,
        application: &str,
        target: &str,
        address: Value,
    ) -> Result<Self, JournalError> {
        let runs = runs()?;
        fs_err::create_dir_all(&runs)?;
        let now = jiff::Zoned::now().strftime("%Y%m%d-%H%M%S").to_string();
        let mut id = format!("{now}-{application}");
        let mut number = 1;
        // Making the folder is what decides who gets the name.
        while let Err(error) = fs_err::create_dir(runs.join(&id)) {
            if error.kind() != io::ErrorKind::AlreadyExists {
                return Err(error.into());
            }
            number += 1;
            id = format!("{now}-{application}-{number}");
        }
        let journal = Self {
            folder: runs.join(&id),
            record: Record {
                version: VERSION,
                id,
                program: program.to_owned(),
                arguments,
                folder: std::env::current_dir()?,
                application: application.to_owned(),
                target: target.to_owned(),
                address,
                status: Status::Images,
                before: Value::Null,
                changed: Value::Null,
                source: Value::Null,
                terms: Terms::default(),
                error: None,
            },
        };
        journal.write()?;
        Ok(journal)
    }

    /// The run of that name, or the newest one.
    ///
    /// # Errors
    /// There is none, or its record is damaged.
    pub fn open(id: Option<&str>) -> Result<Self, JournalError> {
        let runs = runs()?;
        let id = match id {
            Some(id) => id.to_owned(),
            None => ids(&runs)?.pop().ok_or(JournalError::None)?,
        };
        if id.contains(['/', '\\']) || id.starts_with('.') || !runs.join(&id).is_dir() {
            return Err(JournalError::Unknown(id));
        }
        let folder = runs.join(&id);
        let path = folder.join("record.json");
        let damaged = |reason: String| JournalError::Damaged {
            path: path.clone(),
            reason,
        };
        let bytes = fs_err::read(&path)?;
        let record: Record =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if record.version != VERSION {
            return Err(damaged(format!("it has version {}", record.version)));
        }
        Ok(Self { folder, record })
    }

    /// All runs, the oldest first; damaged ones as errors.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all() -> Result<Vec<Result<Self, JournalError>>, JournalError> {
        let runs = runs()?;
        Ok(ids(&runs)?.iter().map(|id| Self::open(Some(id))).collect())
    }

    /// Whether a run of this machine has ended, well or not, so that nothing it holds is needed any more. A run of another
    /// machine may still go on.
    #[must_use]
    pub fn is_over(id: &str) -> bool {
        Self::open(Some(id)).is_ok_and(|journal| {
            matches!(
                journal.record.status,
                Status::Done | Status::Undone | Status::RolledBack
            )
        })
    }

    /// The folder of the run.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Changes the record, and has it on disk before it returns.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn note(&mut self, change: impl FnOnce(&mut Record)) -> Result<(), JournalError> {
        change(&mut self.record);
        self.write()
    }

    fn write(&self) -> Result<(), JournalError> {
        let partial = self.folder.join("record.partial");
        let mut bytes = serde_json::to_vec_pretty(&self.record).map_err(io::Error::from)?;
        bytes.push(b'\n');
        let mut file = fs_err::File::create(&partial)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        drop(file);
        fs_err::rename(&partial, self.folder.join("record.json"))?;
        Ok(())
    }
}

fn ids(runs: &Path) -> Result<Vec<String>, JournalError> {
    let entries = match fs_err::read_dir(runs) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut ids: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("record.json").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    ids.sort();
    Ok(ids)
}
