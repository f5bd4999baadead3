//! The keys of a mapping in their order, kept small.
//!
//! Documents are trees of many mappings with a few keys each. For those a list is smaller than a hash table and found
//! through faster; a mapping with many keys gets an index beside its list, so that no size makes it slow.

use std::fmt;
use std::hash::BuildHasher as _;

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// So many keys are compared one by one.
const FEW: usize = 12;

/// Values by name, in the order in which the names came.
#[derive(Clone)]
pub struct Keyed<V> {
    entries: Vec<(String, V)>,
    index: Option<Box<Index>>,
}

/// Where each key stands. Seeded anew each time, so that no file can be made to collide.
#[derive(Clone, Default)]
struct Index {
    state: RandomState,
    places: HashTable<usize>,
}

impl<V> Default for Keyed<V> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            index: None,
        }
    }
}

impl<V> Keyed<V> {
    fn place(&self, key: &str) -> Option<usize> {
        match &self.index {
            None => self.entries.iter().position(|(name, _)| name == key),
            Some(index) => index
                .places
                .find(index.state.hash_one(key), |&place| {
                    self.entries[place].0 == key
                })
                .copied(),
        }
    }

    /// Makes the index again after places have changed.
    fn reindex(&mut self) {
        self.index = None;
        if self.entries.len() <= FEW {
            return;
        }
        let mut index = Box::<Index>::default();
        let Index { state, places } = &mut *index;
        for (place, (name, _)) in self.entries.iter().enumerate() {
            let hash = |&place: &usize| state.hash_one(&self.entries[place].0);
            places.insert_unique(state.hash_one(name), place, hash);
        }
        self.index = Some(index);
    }

    /// Puts a key that is not there behind the others.
    fn push(&mut self, key: String, value: V) {
        self.entries.push((key, value));
        let last = self.entries.len() - 1;
        match self.index.as_deref_mut() {
            Some(Index { state, places }) => {
                let hash = |&place: &usize| state.hash_one(&self.entries[place].0);
                places.insert_unique(hash(&last), last, hash);
            }
            None if self.entries.len() > FEW => self.reindex(),
            None => {}
        }
    }

    /// Keys of which none comes twice, as those of another map; nothing is looked for.
    #[must_use]
    pub(crate) fn of_distinct(pairs: impl Iterator<Item = (String, V)>) -> Self {
        let mut keyed = Self {
            entries: pairs.collect(),
            index: None,
        };
        keyed.reindex();
        debug_assert!(
            (0..keyed.len()).all(|place| keyed.place(&keyed.entries[place].0) == Some(place)),
            "a key came twice"
        );
        keyed
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.get_full(key).map(|(_, _, value)| value)
    }

    /// The value of a key, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let place = self.place(key)?;
        Some(&mut self.entries[place].1)
    }

    /// Where a key stands in the order, with its name and value.
    #[must_use]
    pub fn get_full(&self, key: &str) -> Option<(usize, &str, &V)> {
        let place = self.place(key)?;
        let (name, value) = &self.entries[place];
        Some((place, name, value))
    }

    /// Whether a key is there.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.place(key).is_some()
    }

    /// Sets a key, and gives the value that it had. A key that is there keeps its place.
    pub fn insert(&mut self, key: String, value: V) -> Option<V> {
        match self.place(&key) {
            Some(place) => Some(std::mem::replace(&mut self.entries[place].1, value)),
            None => {
                self.push(key, value);
                None
            }
        }
    }

    /// The value of a key, which gets one if it has none.
    pub fn get_or_insert_with(&mut self, key: &str, value: impl FnOnce() -> V) -> &mut V {
        let place = match self.place(key) {
            Some(place) => place,
            None => {
                self.push(key.to_owned(), value());
                self.entries.len() - 1
            }
        };
        &mut self.entries[place].1
    }

    /// Takes a key out; the order of the others stays.
    pub fn shift_remove(&mut self, key: &str) -> Option<V> {
        let place = self.place(key)?;
        let (_, value) = self.entries.remove(place);
        if self.index.is_some() {
            self.reindex();
        }
        Some(value)
    }

    /// Keeps only what is wanted; the order stays.
    pub fn retain(&mut self, mut wanted: impl FnMut(&str, &mut V) -> bool) {
        let before = self.entries.len();
        self.entries.retain_mut(|(key, value)| wanted(key, value));
        if self.index.is_some() && self.entries.len() != before {
            self.reindex();
        }
    }

    /// Keys and values in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &V)> + DoubleEndedIterator {
        self.entries
            .iter()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// Keys and values in order, to change the values.
    pub fn iter_mut(&mut self) -> impl ExactSizeIterator<Item = (&str, &mut V)> {
        self.entries
            .iter_mut()
            .map(|(key, value)| (key.as_str(), value))
    }

    /// The keys in order.
    #[must_use]
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.iter().map(|(key, _)| key.as_str())
    }

    /// The values in order, to change them.
    pub fn values_mut(&mut self) -> impl ExactSizeIterator<Item = &mut V> {
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl<V> IntoIterator for Keyed<V> {
    type Item = (String, V);
    type IntoIter = std::vec::IntoIter<(String, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.entries.into_iter()
    }
}

/// A key that comes again takes the place of the first one, with the later value.
impl<V> FromIterator<(String, V)> for Keyed<V> {
    fn from_iter<I: IntoIterator<Item = (String, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let mut keyed = Self {
            entries: Vec::with_capacity(pairs.size_hint().0),
            index: None,
        };
        for (key, value) in pairs {
            keyed.insert(key, value);
        }
        keyed
    }
}

/// The order does not matter.
impl<V: PartialEq> PartialEq for Keyed<V> {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, value)| other.get(key).is_some_and(|there| there == value))
    }
}

impl<V: fmt::Debug> fmt::Debug for Keyed<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;
    use proptest::prelude::*;

    use super::Keyed;

    #[derive(Debug, Clone)]
    enum Act {
        Insert(u8, u16),
        Remove(u8),
        GetOrInsert(u8, u16),
        Retain(u8),
    }

    fn acts() -> impl Strategy<Value = Vec<Act>> {
        let act = prop_oneof![
            6 => (0..40_u8, any::<u16>()).prop_map(|(key, value)| Act::Insert(key, value)),
            2 => (0..40_u8).prop_map(Act::Remove),
            2 => (0..40_u8, any::<u16>()).prop_map(|(key, value)| Act::GetOrInsert(key, value)),
            1 => (1..20_u8).prop_map(Act::Retain),
        ];
        prop::collection::vec(act, 0..80)
    }

    proptest! {
        /// It does what a map that is known to be right does, below and above the size that has an index.
        #[test]
        fn as_an_ordered_map(acts in acts()) {
            let mut keyed = Keyed::default();
            let mut model: IndexMap<String, u16> = IndexMap::new();
            for act in acts {
                match act {
                    Act::Insert(key, value) => {
                        let key = key.to_string();
                        prop_assert_eq!(keyed.insert(key.clone(), value), model.insert(key, value));
                    }
                    Act::Remove(key) => {
                        let key = key.to_string();
                        prop_assert_eq!(keyed.shift_remove(&key), model.shift_remove(&key));
                    }
                    Act::GetOrInsert(key, value) => {
                        let key = key.to_string();
                        let got = *keyed.get_or_insert_with(&key, || value);
                        prop_assert_eq!(got, *model.entry(key).or_insert(value));
                    }
                    Act::Retain(by) => {
                        keyed.retain(|_, value| *value % u16::from(by) != 0);
                        model.retain(|_, value| *value % u16::from(by) != 0);
                    }
                }
                let pairs: Vec<_> = model.iter().map(|(key, value)| (key.as_str(), value)).collect();
                prop_assert_eq!(keyed.iter().collect::<Vec<_>>(), pairs);
                for key in 0..40_u8 {
                    let key = key.to_string();
                    prop_assert_eq!(keyed.get(&key), model.get(&key));
                }
            }
            let again: Keyed<u16> = keyed.clone().into_iter().rev().collect();
            prop_assert_eq!(again, keyed);
        }
    }
}
