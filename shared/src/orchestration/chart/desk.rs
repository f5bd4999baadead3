//! The folders that a chart is rendered from, and what is known of the documents that come out.

use std::sync::{Mutex, PoisonError};

use super::ChartError;
use super::input::ChartFiles;
use super::render::Known;
use super::work::{OnDisk, UserFile};

/// How a chart is written for a rendering.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// As it is, and it tells its values.
    Plain,
    /// With marks in its templates.
    Marked,
    /// With marks in its templates, for values that are marks: without schemas.
    Probed,
}

/// The folders, and the documents that all renderings in them have in common.
#[derive(Debug, Default)]
pub(crate) struct Desks {
    known: Known,
    disks: [Mutex<Option<OnDisk>>; 3],
}

impl Desks {
    /// What is known of documents.
    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    /// Removes all folders but one, and what is known of documents: nothing but that one is needed any more.
    pub(crate) fn keep(&self, form: Form) {
        self.known.forget();
        for (index, disk) in self.disks.iter().enumerate() {
            if index != form as usize {
                disk.lock().unwrap_or_else(PoisonError::into_inner).take();
            }
        }
    }

    /// Works with a chart on disk. A form is in use by one at a time.
    pub(crate) fn with<T>(
        &self,
        form: Form,
        chart: &ChartFiles,
        user: &[UserFile],
        work: impl FnOnce(&OnDisk) -> Result<T, ChartError>,
    ) -> Result<T, ChartError> {
        let (telling, schema) = (form == Form::Plain, form != Form::Probed);
        let mut slot = self.disks[form as usize]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let disk = match &mut *slot {
            Some(disk) => {
                disk.update(chart, user, telling, schema)?;
                disk
            }
            empty => {
                empty.insert(OnDisk::write(chart, user, telling, schema)?.knowing(&self.known))
            }
        };
        work(disk)
    }
}
