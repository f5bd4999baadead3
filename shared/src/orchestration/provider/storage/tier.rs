//! Kinds of disks by what they do, not by their names.

use crate::orchestration::provider::attribute::{Attribute, Bag};
use crate::orchestration::provider::catalog::{Formula, OneOrMany, SizeLimits, StorageKind, Tier};

/// Less than this part of the asked throughput is too little: formulas of equal disks differ in their last digits.
const ENOUGH: f64 = 0.9;

/// What a disk does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Performance {
    pub(super) iops: f64,
    /// MB/s; 0 where nobody tells.
    pub(super) throughput: f64,
}

/// A tier of the target for a disk.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Choice {
    pub(super) name: String,
    /// Attributes of the catalog that make the tier.
    pub(super) values: Vec<(String, String)>,
    /// IOPS to ask for.
    pub(super) iops: Option<u64>,
    /// MB/s to ask for.
    pub(super) throughput: Option<u64>,
    /// What it does then.
    pub(super) gives: Option<Performance>,
    /// GiB.
    pub(super) size: u64,
}

impl Formula {
    /// The performance of a disk of so many GiB.
    pub(super) fn at(&self, size: u64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "sizes of disks are small numbers"
        )]
        let gib = size as f64;
        let step = self.steps.iter().rev().find(|(from, _)| size >= *from);
        let value = step.map_or(self.base + self.per_gib * gib, |(_, value)| *value);
        let value = self.min.map_or(value, |min| value.max(min));
        self.max.map_or(value, |max| value.min(max))
    }
}

impl Tier {
    /// What a disk of so many GiB does without being asked for more.
    pub(super) fn baseline(&self, size: u64) -> Option<Performance> {
        let iops = self.iops.as_ref()?.at(size);
        let throughput = self.throughput.as_ref().map_or(0.0, |f| f.at(size));
        Some(Performance { iops, throughput })
    }

    fn is(&self, bag: &Bag) -> bool {
        self.is.iter().all(|(name, words)| {
            let value = bag.get(name).unwrap_or_default();
            // A list is an order of preference: the first one counts.
            let value = value.split(',').next().unwrap_or_default();
            words.iter().any(|word| word == value)
        })
    }
}

/// The tier that attributes of the source name, with its name.
pub(super) fn named<'k>(kind: &'k StorageKind, bag: &Bag) -> Option<(&'k str, &'k Tier)> {
    let found = kind.tiers.iter().find(|(_, tier)| tier.is(bag));
    found.map(|(name, tier)| (name.as_str(), tier))
}

/// The names of the attributes that tell the tiers of a kind apart.
pub(super) fn attributes(kind: &StorageKind) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in kind.tiers.values().flat_map(|tier| tier.is.keys()) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// What a disk of the source does, with what was asked for on top.
pub(super) fn needed(tier: &Tier, size: u64, bag: &Bag, extra: bool) -> Option<Performance> {
    let mut needs = tier.baseline(size)?;
    let number = |name: &str| bag.get(name).and_then(|v| v.parse::<f64>().ok());
    if let Some(iops) = number("iops") {
        let more = if extra { needs.iops + iops } else { iops };
        needs.throughput += (more - needs.iops).max(0.0) * tier.throughput_per_extra_iops;
        needs.iops = needs.iops.max(more);
    }
    if let Some(throughput) = number("throughput") {
        needs.throughput = needs.throughput.max(throughput);
    }
    Some(needs)
}

/// The cheapest tier that does what is needed. Where none does, the fastest.
pub(super) fn choose(
    kind: &StorageKind,
    size: u64,
    needs: Option<Performance>,
    less_throughput: bool,
) -> Option<Choice> {
    let Some(needs) = needs else {
        let name = kind.default_tier.as_ref()?;
        let tier = kind.tiers.get(name)?;
        return Some(with(kind, name, tier, size, None));
    };
    let choices = kind
        .tiers
        .iter()
        .filter(|(_, tier)| !tier.read_only && tier.iops.is_some())
        .map(|(name, tier)| (tier, with(kind, name, tier, size, Some(needs))));
    let choices: Vec<(&Tier, Choice)> = choices
        .filter(|(tier, choice)| {
            let limits = merged(kind.size, tier.size);
            limits.max.is_none_or(|max| choice.size <= max)
        })
        .collect();
    let enough = |choice: &Choice| {
        choice.gives.is_some_and(|gives| {
            gives.iops + 0.5 >= needs.iops
                && (less_throughput
                    || gives.throughput <= 0.0
                    || needs.throughput <= 0.0
                    || gives.throughput >= needs.throughput * ENOUGH)
        })
    };
    // A disk should not grow tenfold to be of a faster kind.
    let fits = |choice: &Choice| enough(choice) && choice.size <= size.max(20) * 2;
    let pick = |ready: &dyn Fn(&Tier, &Choice) -> bool| {
        let found = choices.iter().find(|(tier, choice)| ready(tier, choice));
        found.map(|(_, choice)| choice.clone())
    };
    pick(&|tier, choice| !tier.on_request && fits(choice))
        .or_else(|| pick(&|_, choice| fits(choice)))
        .or_else(|| pick(&|_, choice| enough(choice)))
        .or_else(|| {
            let speed = |choice: &Choice| choice.gives.map_or(0.0, |g| g.iops);
            let best = choices
                .iter()
                .max_by(|a, b| speed(&a.1).total_cmp(&speed(&b.1)));
            best.map(|(_, choice)| choice.clone())
        })
}

/// A tier for a disk, with what must be asked for.
fn with(
    kind: &StorageKind,
    name: &str,
    tier: &Tier,
    size: u64,
    needs: Option<Performance>,
) -> Choice {
    let size = fit(size, merged(kind.size, tier.size));
    let mut gives = tier.baseline(size);
    let (mut iops, mut throughput) = (None, None);
    if let (Some(gives), Some(needs)) = (&mut gives, needs) {
        #[expect(
            clippy::cast_precision_loss,
            reason = "sizes of disks are small numbers"
        )]
        let gib = size as f64;
        if let Some(limits) = &tier.provisioned_iops
            && (limits.always || needs.iops > gives.iops)
        {
            let mut asked = needs.iops.max(limits.min).min(limits.max);
            asked = limits
                .per_gib
                .map_or(asked, |per| asked.min((per * gib).max(limits.min)));
            asked = limits
                .extra
                .map_or(asked, |extra| asked.min(gives.iops + extra));
            if limits.always || asked > gives.iops {
                gives.throughput += (asked - gives.iops).max(0.0) * tier.throughput_per_extra_iops;
                gives.iops = asked;
                iops = Some(whole(asked));
            }
        }
        if let Some(limits) = &tier.provisioned_throughput
            && (limits.always || needs.throughput > gives.throughput)
        {
            let mut asked = needs.throughput.max(limits.min).min(limits.max);
            asked = limits
                .per_iops
                .map_or(asked, |per| asked.min((per * gives.iops).max(limits.min)));
            if limits.always || asked > gives.throughput {
                gives.throughput = asked;
                throughput = Some(whole(asked));
            }
        }
    }
    let first = |words: &OneOrMany<String>| words.iter().next().cloned().unwrap_or_default();
    Choice {
        name: name.to_owned(),
        values: tier
            .is
            .iter()
            .map(|(name, words)| (name.clone(), first(words)))
            .filter(|(_, value)| !value.is_empty())
            .collect(),
        iops,
        throughput,
        gives,
        size,
    }
}

fn whole(value: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "performance is a positive number below a million"
    )]
    let whole = value.max(0.0).ceil() as u64;
    whole
}

/// The limits of a tier, or those of its kind.
pub(super) fn merged(kind: SizeLimits, tier: SizeLimits) -> SizeLimits {
    SizeLimits {
        min: tier.min.or(kind.min),
        max: tier.max.or(kind.max),
        step: tier.step.or(kind.step),
    }
}

/// A size between the limits and of the right step; never smaller than asked, unless the largest is passed.
pub(super) fn fit(size: u64, limits: SizeLimits) -> u64 {
    let mut size = size.max(limits.min.unwrap_or(1));
    if let Some(step) = limits.step.filter(|step| *step > 1) {
        size = size.div_ceil(step) * step;
    }
    limits.max.map_or(size, |max| size.min(max))
}

/// Puts a choice among the attributes.
pub(super) fn apply(choice: &Choice, kind: &StorageKind, bag: &mut Bag, cause: &Attribute) {
    let set = |bag: &mut Bag, name: &str, value: String| {
        let mut attribute = cause.clone();
        attribute.value = value;
        bag.set(name, attribute);
    };
    for (name, value) in &choice.values {
        set(bag, name, value.clone());
    }
    let extra = |name: &str, asked: u64, base: f64| {
        let rows = kind.rows.get(name).into_iter().flat_map(|rows| rows.iter());
        let above = rows
            .filter(|row| !row.read_only)
            .any(|row| row.form == crate::orchestration::provider::catalog::Form::AboveBaseline);
        if above {
            asked.saturating_sub(whole(base))
        } else {
            asked
        }
    };
    let base = kind
        .tiers
        .get(&choice.name)
        .and_then(|tier| tier.baseline(choice.size));
    if let (Some(iops), Some(base)) = (choice.iops, base) {
        set(bag, "iops", extra("iops", iops, base.iops).to_string());
    }
    if let (Some(throughput), Some(base)) = (choice.throughput, base) {
        let value = extra("throughput", throughput, base.throughput);
        set(bag, "throughput", value.to_string());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestration::provider::Provider;

    fn kind(provider: &str) -> StorageKind {
        let provider = Provider::named(provider);
        let kinds = provider.map(|p| p.catalog().storage.kinds.clone());
        kinds
            .unwrap_or_default()
            .swap_remove("block")
            .unwrap_or_else(|| unreachable!("no block"))
    }

    /// The tier of the target for a tier of the source.
    fn from_to(from: &str, tier: &str, size: u64, to: &str) -> Choice {
        let source = kind(from);
        let needs = source.tiers.get(tier).and_then(|t| t.baseline(size));
        choose(&kind(to), size, needs, false).unwrap_or_else(|| unreachable!("no tier"))
    }

    #[test]
    fn equal_formulas_meet() {
        for (from, tier, size, to, expected) in [
            ("huawei", "SATA", 100, "ali", "cloud_efficiency"),
            ("huawei", "SAS", 100, "ali", "cloud_efficiency"),
            ("huawei", "SAS", 1000, "ali", "cloud_efficiency"),
            ("huawei", "SSD", 100, "ali", "PL1"),
            ("huawei", "SSD", 2000, "ali", "PL1"),
            ("huawei", "ESSD", 460, "ali", "PL1"),
            ("huawei", "ESSD", 1000, "ali", "PL2"),
            ("huawei", "ESSD", 1300, "ali", "PL2"),
            // PL2 has the operations, but three quarters of the throughput.
            ("huawei", "ESSD", 1964, "ali", "PL3"),
            ("huawei", "ESSD", 3000, "ali", "PL3"),
            ("huawei", "GPSSD", 700, "ali", "PL1"),
            ("ali", "cloud", 40, "huawei", "SAS"),
            ("ali", "cloud_efficiency", 100, "huawei", "SAS"),
            ("ali", "cloud_essd_entry", 100, "huawei", "GPSSD"),
            ("ali", "cloud_ssd", 100, "huawei", "SSD"),
            ("ali", "PL0", 100, "huawei", "GPSSD"),
            ("ali", "PL1", 100, "huawei", "SSD"),
            ("ali", "PL2", 600, "huawei", "SSD"),
            ("ali", "PL2", 1500, "huawei", "ESSD"),
            ("huawei", "SAS", 100, "tencent", "CLOUD_PREMIUM"),
            ("huawei", "SSD", 100, "tencent", "CLOUD_HSSD"),
            ("huawei", "SSD", 100, "aws", "gp3"),
            ("huawei", "SAS", 100, "google", "pd-balanced"),
            ("huawei", "SAS", 100, "azure", "PremiumV2_LRS"),
        ] {
            let choice = from_to(from, tier, size, to);
            assert_eq!(
                choice.name, expected,
                "{from} {tier} {size} GiB to {to}: {choice:?}"
            );
        }
    }

    #[test]
    fn less_throughput_is_taken_when_asked_for() {
        let needs = kind("huawei").tiers["ESSD"].baseline(1964);
        let choice = choose(&kind("ali"), 1964, needs, true);
        assert_eq!(choice.map(|choice| choice.name).as_deref(), Some("PL2"));
    }

    #[test]
    fn never_slower_where_it_can_be_had() {
        for from in ["huawei", "ali", "aws", "google", "azure", "tencent"] {
            for (name, tier) in &kind(from).tiers {
                for to in ["huawei", "ali", "aws", "google", "azure", "tencent"] {
                    for size in [10, 40, 100, 461, 1000, 4000] {
                        let Some(needs) = tier.baseline(size) else {
                            continue;
                        };
                        let choice = from_to(from, name, size, to);
                        let Some(gives) = choice.gives else { continue };
                        let best = kind(to)
                            .tiers
                            .values()
                            .filter(|t| !t.read_only)
                            .map(|t| with(&kind(to), "", t, size, Some(needs)))
                            .filter_map(|c| c.gives)
                            .any(|g| g.iops + 0.5 >= needs.iops);
                        if best {
                            assert!(
                                gives.iops + 0.5 >= needs.iops,
                                "{from} {name} {size} to {to} {choice:?}"
                            );
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_asked_for_is_asked_for() {
        let choice = from_to("huawei", "SSD", 100, "aws");
        assert_eq!((choice.iops, choice.throughput), (Some(6800), Some(170)));
        let needs = Performance {
            iops: 60000.0,
            throughput: 350.0,
        };
        let choice = choose(&kind("ali"), 200, Some(needs), false);
        assert_eq!(
            choice.map(|c| (c.name, c.iops)),
            Some(("cloud_auto".into(), Some(60000)))
        );
        let size = fit(
            33,
            SizeLimits {
                min: Some(10),
                max: Some(32000),
                step: Some(10),
            },
        );
        assert_eq!(size, 40);
    }
}
