//! Objects that come and go.

use std::collections::BTreeSet;

use crate::orchestration::chart::target::Wanted;

use super::{Op, Planner, file_name};

impl Planner<'_> {
    pub(super) fn objects(&mut self, state: usize) {
        let here = &self.states[state];
        let paired: BTreeSet<usize> = here.pairs.iter().flatten().copied().collect();
        for (index, wanted) in here.wanted.iter().enumerate() {
            if !paired.contains(&index) && wanted.base.is_none() {
                self.source.clone_from(&wanted.source);
                let level = self.attempt(&wanted.identity, &[]);
                self.add_object(state, wanted, level);
            }
        }
        for document in 0..here.documents.len() {
            if here.pairs[document].is_none() {
                let identity = here.documents[document].identity();
                self.source.clone_from(&here.documents[document].source);
                let level = self.attempt(identity, &[]);
                if !self.unhoist_object(state, document) && level == 0 {
                    self.remove_object(state, document);
                }
            }
        }
    }

    /// Puts an object that the target needs into the chart.
    pub(super) fn add_object(&mut self, state: usize, wanted: &Wanted, level: usize) {
        let release = self.states[state].variant.release.clone();
        let text = crate::orchestration::chart::output::lines::as_template(
            &crate::source::emit(&wanted.value),
            &release,
        );
        let same = self.is_same_everywhere(state, wanted);
        if level == 0 && same && self.add_before_cause(state, wanted, &text) {
            return;
        }
        let everywhere = same && self.is_wanted_everywhere(state, wanted);
        if level <= 1 && !everywhere && self.hoist_object(wanted, state, level) {
            return;
        }
        if level > 2 {
            return;
        }
        let folder = self
            .work
            .chart
            .file_of_source(&wanted.source)
            .and_then(|file| file.rsplit_once("templates/").map(|(f, _)| f.to_owned()))
            .unwrap_or_default();
        let folder = if self.work.chart.archive_of(&format!("{folder}x")).is_some() {
            String::new()
        } else {
            folder
        };
        let name = file_name(&wanted.identity, &release);
        self.push(Op::NewFile(
            format!("{folder}templates/{}-{name}.yaml", self.target),
            text,
        ));
    }
}
