//! Single values: names, addresses, patterns, durations, numbers, paths.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;

use super::{BAD_VALUE, MISSING, Reader};
use crate::images::presync::rules::pattern::{Pattern, Patterns};
use crate::images::presync::rules::quantity::parse_duration;
use crate::source::{Fields, Item};

impl Reader<'_> {
    /// A mapping of names that the user chose.
    pub(super) fn named<T>(
        &mut self,
        fields: &mut Fields<'_>,
        root: &Item<'_>,
        key: &str,
        read: impl Fn(&mut Self, &Item<'_>) -> Option<T>,
    ) -> IndexMap<String, T> {
        let entries = fields
            .take(key)
            .map(|item| item.entries(self.ledger))
            .unwrap_or_default();
        if entries.is_empty() {
            let message = format!("`{key}` is missing");
            self.ledger.add(MISSING, &root.origin(), message);
        }
        let mut named = IndexMap::new();
        for (name, item) in entries {
            let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
            if name.value.is_empty() || name.value.len() > 63 || !name.value.bytes().all(plain) {
                let message = format!(
                    "`{}` is no name; letters, digits, `-`, `_` and `.` are expected, 63 at most",
                    name.value
                );
                self.ledger.add(BAD_VALUE, &name.origin, message);
            }
            if let Some(value) = read(self, &item) {
                named.insert(name.value, value);
            }
        }
        named
    }

    pub(super) fn address(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        default: SocketAddr,
    ) -> SocketAddr {
        self.parsed(fields, key, |text| {
            text.parse().map_err(|_| {
                format!("`{text}` is no address; IP:PORT is expected, such as 127.0.0.1:8480")
            })
        })
        .unwrap_or(default)
    }

    pub(super) fn patterns(&mut self, fields: &mut Fields<'_>, key: &str) -> Patterns {
        let items = fields
            .take(key)
            .map(|item| item.items_or_one(self.ledger))
            .unwrap_or_default();
        let mut patterns = Vec::new();
        for item in &items {
            let Some(text) = item.text(self.ledger) else {
                continue;
            };
            match Pattern::new(&text.value) {
                Ok(pattern) => patterns.push(pattern),
                Err(message) => self.ledger.add(BAD_VALUE, &text.origin, message),
            }
        }
        Patterns::new(patterns)
    }

    pub(super) fn duration(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        shortest: Duration,
    ) -> Option<Duration> {
        self.parsed(fields, key, |text| {
            let duration = parse_duration(text)?;
            if duration < shortest {
                return Err(format!("`{text}` is too short"));
            }
            Ok(duration)
        })
    }

    pub(super) fn bounded(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        default: usize,
        range: std::ops::RangeInclusive<usize>,
    ) -> usize {
        let Some(number) = fields.integer::<usize>(key, self.ledger) else {
            return default;
        };
        if !range.contains(&number.value) {
            let message = format!(
                "`{key}` has to lie between {} and {}",
                range.start(),
                range.end()
            );
            self.ledger.add(BAD_VALUE, &number.origin, message);
        }
        number.value
    }

    pub(super) fn path_of(&mut self, fields: &mut Fields<'_>, key: &str) -> Option<PathBuf> {
        let text = fields.text(key, self.ledger)?;
        Some(self.folder.join(text.value))
    }

    pub(super) fn parsed<T>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = fields.text(key, self.ledger)?;
        match parse(&text.value) {
            Ok(value) => Some(value),
            Err(message) => {
                self.ledger.add(BAD_VALUE, &text.origin, message);
                None
            }
        }
    }
}
