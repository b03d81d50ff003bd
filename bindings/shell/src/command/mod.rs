//! The commands, one a file, and what they share: opening a database, reading an id.

pub mod bench;
pub mod check;
pub mod compact;
pub mod demo;
pub mod export;
pub mod get;
pub mod import;
pub mod optimize;
pub mod repair;
pub mod search;
pub mod stats;

use std::path::Path;

use foretaste::{Collection, Database, Error, Key, Record};
use serde_json::Value;

use crate::args::Target;
use crate::output::{Failure, Outcome, say};

/// Opens a database to read.
pub fn read(db: &Path) -> Outcome<Database> {
    Ok(Database::options().read_only(true).open(db)?)
}

/// Opens a database to read, if there is one.
pub fn read_if_there(db: &Path) -> Outcome<Option<Database>> {
    match Database::options().read_only(true).open(db) {
        Ok(database) => Ok(Some(database)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(e) => Err(e.into()),
    }
}

/// Opens a collection to read.
pub fn read_collection(target: &Target) -> Outcome<Collection> {
    Ok(read(&target.db)?.collection(&target.collection)?)
}

/// Opens a database to write, and says which.
pub fn write(db: &Path, create: bool) -> Outcome<Database> {
    let database = Database::options().create(create).open(db)?;
    say(format!("writing to {}", db.display()));
    Ok(database)
}

/// The row with the id that was typed: text in double quotes is text; an integer is one, or else text.
pub fn find(collection: &Collection, id: &str) -> Outcome<Record> {
    let snapshot = collection.snapshot();
    for key in keys(id)? {
        if let Some(record) = snapshot.get(key)? {
            return Ok(record);
        }
    }
    Err(Failure::new(format!("there is no row with id {id} in collection `{}`", collection.name())))
}

fn keys(id: &str) -> Outcome<Vec<Key>> {
    if id.starts_with('"') {
        let text: String = serde_json::from_str(id)
            .map_err(|e| Failure::usage(format!("the id {id} is no JSON string: {e}")))?;
        return Ok(vec![Key::from(text)]);
    }
    let number = id.parse::<i64>().ok().filter(|n| n.to_string() == id).map(Key::Int);
    Ok(number.into_iter().chain([Key::from(id)]).collect())
}

/// An id as JSON, of its own type.
pub fn id_json(id: &Key) -> Value {
    match id {
        Key::Int(i) => Value::from(*i),
        Key::Str(s) => Value::from(s.as_str()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_looked_for_as_what_it_looks_like() {
        assert_eq!(keys("7").unwrap(), [Key::Int(7), Key::from("7")]);
        assert_eq!(keys("007").unwrap(), [Key::from("007")]);
        assert_eq!(keys("\"7\"").unwrap(), [Key::from("7")]);
        assert_eq!(keys("-7").unwrap()[0], Key::Int(-7));
        assert!(keys("\"7").is_err());
    }
}
