//! Collections that are part of another one: its further vector fields, its rows in another space, rules for queries of others.
//!
//! A member is a collection of its own, with segments and indexes, whose name nobody else can give. A commit to its owner is
//! one commit to all of them, members first: what a snapshot of the owner sees of it, it sees of its members.
//!
//! Reads from: names of the manifest. Writes to: memory. Never: a member that a caller reaches but through its owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use foretaste_query::space::Calibration;
use foretaste_storage::sync::Mutex;

use crate::space::{Rule, Space};
use crate::state::{CollectionCore, State};

/// Stands between the owner's name, the role and the member's; no name that a caller gives has it.
const SEPARATOR: char = '\u{1f}';
const FIELD: &str = "field";
const CHANGE: &str = "change";
const RULE: &str = "rule";

/// What a member is to its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// A further vector field, of this name.
    Field(String),
    /// Its rows in another space, as far as they are there.
    Change,
    /// How queries of this space are compared with its rows.
    Rule(Space),
}

/// Scores of the old space on the scale of the new one.
#[derive(Debug)]
pub(crate) struct Scale {
    pub calibration: Calibration,
    /// Of the scores from what the calibration makes of them.
    pub deviation: f64,
}

/// What was found out about a member and need not be found out again.
#[derive(Debug, Default)]
pub(crate) struct Known {
    /// What a rule's collection keeps: where it leads, and the rule.
    pub rule: Mutex<Option<(Space, Rule)>>,
    /// Of a change: how many rows were in both spaces when it was measured, and what came out.
    pub scale: Mutex<Option<(u64, Option<Arc<Scale>>)>>,
}

/// A collection that is part of another one.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub role: Role,
    pub core: Arc<CollectionCore>,
}

/// The members of a collection as one snapshot shows them.
#[derive(Debug)]
pub(crate) struct Shown {
    pub role: Role,
    pub state: Arc<State>,
    pub core: Arc<CollectionCore>,
}

impl Role {
    /// The name that the member of `owner` has in the manifest.
    pub fn member_of(&self, owner: &str) -> String {
        let (role, name) = match self {
            Role::Field(field) => (FIELD, field.clone()),
            Role::Change => (CHANGE, String::new()),
            Role::Rule(space) => (RULE, space.to_string()),
        };
        format!("{owner}{SEPARATOR}{role}{SEPARATOR}{name}")
    }

    fn of_name(name: &str) -> Option<(&str, Role)> {
        let (owner, rest) = name.split_once(SEPARATOR)?;
        let (role, name) = rest.split_once(SEPARATOR)?;
        let role = match role {
            FIELD => Role::Field(name.to_string()),
            CHANGE => Role::Change,
            RULE => Role::Rule(name.parse().ok()?),
            _ => return None,
        };
        Some((owner, role))
    }
}

/// Whether a collection is part of another one.
pub(crate) fn is_member(name: &str) -> bool {
    name.contains(SEPARATOR)
}

/// The name as a caller reads it.
pub(crate) fn readable(name: &str) -> String {
    match Role::of_name(name) {
        Some((owner, Role::Field(field))) => format!("{owner}, field {field}"),
        Some((owner, Role::Change)) => format!("{owner}, rows in another space"),
        Some((owner, Role::Rule(space))) => format!("{owner}, rule for {space}"),
        None => name.to_string(),
    }
}

/// Tells every collection its members.
pub(crate) fn link(collections: &BTreeMap<String, Arc<CollectionCore>>) {
    let mut members: BTreeMap<&str, Vec<Member>> = BTreeMap::new();
    for (name, core) in collections {
        if let Some((owner, role)) = Role::of_name(name) {
            members.entry(owner).or_default().push(Member { role, core: Arc::clone(core) });
        }
    }
    for (name, core) in collections {
        let members = members.remove(name.as_str()).unwrap_or_default();
        // Views of the owner are at the owner's number. What is open is durable; a log that lost the owner's part of a commit
        // must not make them wait for ever.
        core.publish(members.iter().map(|member| member.core.state().floor).max().unwrap_or(0));
        *core.members.write() = members.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_name_says_whose_it_is_and_what() {
        for role in [Role::Field("image".into()), Role::Change, Role::Rule(Space::new("a@b", "1"))] {
            let name = role.member_of("docs");
            assert!(is_member(&name) && !is_member("docs") && name.chars().any(char::is_control));
            assert!(!readable(&name).chars().any(char::is_control));
            assert_eq!(Role::of_name(&name), Some(("docs", role)));
        }
        assert_eq!((Role::of_name("docs"), Role::of_name("docs\u{1f}new\u{1f}x")), (None, None));
    }
}
