//! The space that a collection's vectors are of, and the rules for queries of others.
//!
//! Reads from: the caller. Writes to: `foretaste::Collection`. Never: an adapter whose worth was not looked at.
#![expect(unsafe_code, reason = "functions have the names that C knows")]

use std::mem::MaybeUninit;

use foretaste::Rule;

use crate::adapter::Adapter;
use crate::collection::Collection;
use crate::ptr::{Given, Text, null};
use crate::schema::space_of;
use crate::status::{Result, Status, c_string, entry, give_text, some};

/// The space that its vectors are of, as "model@version"; NULL when it says none. It is freed by `ft_string_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_space(
    collection: Option<&Collection>,
    space: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| {
        let space = space.ok_or_else(|| null("space"))?.write(Given::none());
        let schema = some(collection, "collection")?.0.schema();
        if let Some(own) = schema.vector_space() {
            *space = Given::new(c_string(own.to_string())?);
        }
        Ok(())
    })
}

/// Says which space its vectors are of, as "model@version", when it was created without one; durably.
///
/// FT_STATUS_EXISTS when it says another one; FT_STATUS_BAD_REQUEST, FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_set_space(collection: Option<&Collection>, space: Text) -> Status {
    entry(|| Ok(some(collection, "collection")?.0.set_space(&space_of(space)?)?))
}

/// Says that the first `dims` numbers of queries of another space are what the rows' first `dims` numbers are: those of a model trained
/// to be compatible, or with more dimensions. Durable, and in place of the rule there was for that space; `ft_search_space` asks by it.
///
/// FT_STATUS_BAD_REQUEST when the collection says no space, or the same one, or `dims` is not as long as a level;
/// FT_STATUS_LIMIT_EXCEEDED, FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_set_rule_prefix(
    collection: Option<&Collection>,
    space: Text,
    dims: usize,
) -> Status {
    set(collection, space, || Ok(Rule::prefix(dims)))
}

/// Says that queries of another space are mapped by an adapter, which may be freed. Its report must say that of the ten nearest rows
/// at least `least_retention` are found, by the lower end of the interval: from 0 (whatever it is worth) to 1.
///
/// FT_STATUS_BAD_REQUEST with the figures when it is worth less; otherwise as `ft_collection_set_rule_prefix`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_set_rule_adapter(
    collection: Option<&Collection>,
    space: Text,
    adapter: Option<&Adapter>,
    least_retention: f64,
) -> Status {
    set(collection, space, || {
        let adapter = some(adapter, "adapter")?;
        Ok(Rule::adapter(adapter.map.clone(), &adapter.report, least_retention)?)
    })
}

/// Forgets the rule for queries of that space, if there is one. FT_STATUS_READ_ONLY, FT_STATUS_IO.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_remove_rule(collection: Option<&Collection>, space: Text) -> Status {
    entry(|| Ok(some(collection, "collection")?.0.remove_rule(&space_of(space)?)?))
}

/// The spaces whose queries it has a rule for, as a JSON array of strings. The text is freed by `ft_string_free`.
#[unsafe(no_mangle)]
pub extern "C" fn ft_collection_rules(
    collection: Option<&Collection>,
    json: Option<&mut MaybeUninit<Given>>,
) -> Status {
    entry(|| {
        give_text(json, "json", || {
            let rules = some(collection, "collection")?.0.rules()?;
            crate::status::json(&rules.iter().map(|(space, _)| space.to_string()).collect::<Vec<_>>())
        })
    })
}

fn set(collection: Option<&Collection>, space: Text, rule: impl FnOnce() -> Result<Rule>) -> Status {
    entry(|| {
        let (collection, space) = (&some(collection, "collection")?.0, space_of(space)?);
        Ok(collection.set_rule(&space, &rule()?)?)
    })
}
