//! Names beside the units' own: aliases, container names, aliases of links.

use std::collections::{BTreeMap, BTreeSet};

use super::mentions::Mentions;
use super::plan::{Plan, has_network};
use crate::finding::{Code, Findings};
use crate::orchestration::model::{Name, NameKind};
use crate::orchestration::names::{ROLE_ALIAS, ROLE_CONTAINER_NAME, ROLE_LINK, is_label};
use crate::source::Sourced;

/// One name beside the units' own, and all units that have it.
pub(super) struct Group<'a> {
    pub(super) name: String,
    pub(super) members: Vec<Member<'a>>,
    /// The label that all its Pods have, where there are several units.
    pub(super) label: Option<String>,
}

pub(super) struct Member<'a> {
    pub(super) role: &'static str,
    pub(super) unit: usize,
    pub(super) networks: BTreeSet<&'a str>,
    pub(super) link_from: Option<&'a str>,
    pub(super) declared: Option<&'a Name>,
}

impl Group<'_> {
    pub(super) fn units(&self) -> Vec<usize> {
        let units: BTreeSet<_> = self.members.iter().map(|member| member.unit).collect();
        units.into_iter().collect()
    }
}

/// Gathers aliases, container names and aliases of links by name, in the order in which they first stand.
pub(super) fn groups<'a>(
    plan: &Plan<'a>,
    mentions: &Mentions<'_>,
    findings: &mut Findings,
) -> Vec<Group<'a>> {
    let mut found: Vec<(&'a Sourced<String>, Member<'a>)> = Vec::new();
    let member = |role, unit| Member {
        role,
        unit,
        networks: BTreeSet::new(),
        link_from: None,
        declared: None,
    };
    for (index, unit) in plan.application.units.iter().enumerate() {
        if !has_network(unit) {
            continue;
        }
        for attachment in &unit.networks {
            for alias in &attachment.aliases {
                let mut member = member(ROLE_ALIAS, index);
                member.networks.insert(&attachment.network.value);
                found.push((alias, member));
            }
        }
        if let Some(name) = &unit.settings.instance_name {
            found.push((name, member(ROLE_CONTAINER_NAME, index)));
        }
    }
    for name in &plan.application.names {
        let (role, networks, link_from): (_, &[String], _) = match &name.kind {
            NameKind::Alias { networks } => (ROLE_ALIAS, networks, None),
            NameKind::ContainerName => (ROLE_CONTAINER_NAME, &[], None),
            NameKind::Link { from } => (ROLE_LINK, &[], Some(from.as_str())),
            NameKind::Unit | NameKind::Service | NameKind::External(_) => continue,
        };
        for unit in &name.units {
            let Some(index) = plan.unit(unit) else {
                continue;
            };
            let mut member = member(role, index);
            member.networks.extend(networks.iter().map(String::as_str));
            member.link_from = link_from;
            member.declared = Some(name);
            found.push((&name.name, member));
        }
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, member) in found {
        if !is_label(&name.value) {
            // A name that is the unit's own needs no second Service; the change of that name was reported already.
            let own = plan.application.units[member.unit].name.value == name.value;
            if !own && member.role == ROLE_CONTAINER_NAME && mentions.of(&name.value).is_none() {
                let message = format!(
                    "`{}` cannot be the name of a Service; nothing in this application asks for it",
                    name.value
                );
                findings.add(Code("alias-unused"), &name.origin, message);
            } else if !own {
                let message = format!(
                    "`{}` cannot be the name of a Service, so it does not resolve",
                    name.value
                );
                findings.add(Code("alias-impossible"), &name.origin, message);
            }
            continue;
        }
        if member.role == ROLE_LINK {
            let message = format!(
                "`{}` resolves for all units, not only for the linking one",
                name.value
            );
            findings.add(Code("alias-wider"), &name.origin, message);
        }
        let index = *by_name.entry(&name.value).or_insert_with(|| {
            groups.push(Group {
                name: name.value.clone(),
                members: Vec::new(),
                label: None,
            });
            groups.len() - 1
        });
        let members = &mut groups[index].members;
        match members
            .iter_mut()
            .find(|m| m.unit == member.unit && m.role == member.role)
        {
            Some(known) => {
                known.networks.extend(member.networks);
                known.declared = known.declared.or(member.declared);
            }
            None => members.push(member),
        }
    }
    groups
}

pub(super) fn networks_of(group: &Group<'_>, plan: &Plan<'_>) -> Option<String> {
    let first = group.members.first()?;
    if group
        .members
        .iter()
        .all(|member| member.networks == first.networks)
    {
        let networks: Vec<_> = first.networks.iter().copied().collect();
        return (!networks.is_empty()).then(|| networks.join(","));
    }
    let entries: Vec<_> = group
        .members
        .iter()
        .flat_map(|member| {
            let unit = &plan.application.units[member.unit].name.value;
            member
                .networks
                .iter()
                .map(move |network| format!("{unit}/{network}"))
        })
        .collect();
    Some(entries.join(","))
}
