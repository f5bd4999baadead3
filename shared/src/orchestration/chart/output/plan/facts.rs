//! All that the changes of one round follow from: the chart, what it renders, and what comes from each line and value.

use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use crate::orchestration::chart::identify::{Leaf, Place, Source, TextRef};
use crate::orchestration::chart::work::Work;
use crate::orchestration::chart::yaml::Step;

use super::condition::{Asking, asking};
use super::{Attempts, State};

/// What comes from a place or a value: variant, document and path.
pub(super) type User<'p> = (usize, usize, &'p [Step]);

/// For each value, what comes from it.
pub(super) type Leaves<'p> = HashMap<&'p Leaf, Vec<User<'p>>, RandomState>;

/// For each line of a text, what comes from it.
#[derive(Default)]
pub(super) struct Lines<'p> {
    texts: HashMap<&'p TextRef, usize, RandomState>,
    /// For each text, its lines in order.
    users: Vec<Vec<(usize, User<'p>)>>,
}

impl<'p> Lines<'p> {
    fn new(states: &'p [State]) -> Self {
        let mut lines = Self::default();
        let mut last: Option<(&Arc<TextRef>, usize)> = None;
        for (state, here) in states.iter().enumerate() {
            for (document, places) in here.places.iter().enumerate() {
                for (path, Place { text, line }) in places.iter() {
                    let number = match last {
                        Some((same, number)) if Arc::ptr_eq(same, text) => number,
                        _ => lines.number(text),
                    };
                    last = Some((text, number));
                    lines.users[number].push((*line, (state, document, path)));
                }
            }
        }
        for users in &mut lines.users {
            users.sort_by_key(|(line, _)| *line);
        }
        lines
    }

    fn number(&mut self, text: &'p TextRef) -> usize {
        let next = self.users.len();
        let number = *self.texts.entry(text).or_insert(next);
        if number == next {
            self.users.push(Vec::new());
        }
        number
    }

    pub(super) fn of(&self, place: &Place) -> impl Iterator<Item = User<'p>> {
        let users = self
            .texts
            .get(&*place.text)
            .map(|number| &self.users[*number]);
        let users = users.map(Vec::as_slice).unwrap_or_default();
        let begin = users.partition_point(|(line, _)| *line < place.line);
        let here = users[begin..].iter();
        here.take_while(|(line, _)| *line == place.line)
            .map(|(_, user)| *user)
    }
}

/// All that the changes of one round follow from.
pub(super) struct Facts<'p> {
    /// The chart as it is now.
    pub(super) work: &'p Work,
    /// The variants.
    pub(super) states: &'p [State],
    /// How often each difference was tried before this round.
    pub(super) attempts: &'p Attempts,
    /// Name of the target, for new files.
    pub(super) target: &'p str,
    /// What may compare values with texts.
    pub(super) asking: Vec<Asking<'p>>,
    pub(super) lines: Lines<'p>,
    pub(super) leaves: Leaves<'p>,
}

impl<'p> Facts<'p> {
    pub(super) fn new(
        work: &'p Work,
        states: &'p [State],
        attempts: &'p Attempts,
        target: &'p str,
    ) -> Self {
        let mut leaves = Leaves::default();
        for (state_index, state) in states.iter().enumerate() {
            for (document, sources) in state.sources.iter().enumerate() {
                for (path, parts) in sources {
                    for part in parts {
                        if let Source::Value(leaf) = part {
                            leaves
                                .entry(leaf)
                                .or_default()
                                .push((state_index, document, path));
                        }
                    }
                }
            }
        }
        Self {
            work,
            states,
            attempts,
            target,
            asking: asking(&work.chart),
            lines: Lines::new(states),
            leaves,
        }
    }
}
