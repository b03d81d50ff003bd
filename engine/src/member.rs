//! Collections that are part of another one: its further vector fields.
//!
//! A member is a collection of its own, with segments and indexes, whose name nobody else can give. A commit to its owner is
//! one commit to all of them, members first: what a snapshot of the owner sees of it, it sees of its members.
//!
//! Reads from: names of the manifest. Writes to: memory. Never: a member that a caller reaches but through its owner.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::state::{CollectionCore, State};

/// Stands between the owner's name, the role and the member's; no name that a caller gives has it.
const SEPARATOR: char = '\u{1f}';
/// The role of a vector field.
const FIELD: &str = "field";

/// What a member is to its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// A further vector field, of this name.
    Field(String),
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
}

impl Role {
    /// The name that the member of `owner` has in the manifest.
    pub fn member_of(&self, owner: &str) -> String {
        match self {
            Role::Field(field) => format!("{owner}{SEPARATOR}{FIELD}{SEPARATOR}{field}"),
        }
    }

    fn of_name(name: &str) -> Option<(&str, Role)> {
        let (owner, rest) = name.split_once(SEPARATOR)?;
        let (role, name) = rest.split_once(SEPARATOR)?;
        (role == FIELD).then(|| (owner, Role::Field(name.to_string())))
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
        *core.members.write() = members.remove(name.as_str()).unwrap_or_default().into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_name_says_whose_it_is_and_what() {
        let role = Role::Field("image".into());
        let name = role.member_of("docs");
        assert!(is_member(&name) && !is_member("docs") && name.chars().any(char::is_control));
        assert_eq!(Role::of_name(&name), Some(("docs", role)));
        assert_eq!((Role::of_name("docs"), Role::of_name("docs\u{1f}new\u{1f}x")), (None, None));
        assert_eq!(readable(&name), "docs, field image");
    }
}
