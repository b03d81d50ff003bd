//! The C interface of foretaste: databases, collections and answers as opaque handles over the facade.
//!
//! `include/foretaste.h` is made of these files by cbindgen; `tests/header.rs` says how, and that it is not stale. Each call takes
//! what it needs out of C's arguments, does what the facade does, and gives a status; what C gives is looked at in `ptr` alone.
//!
//! Reads from: the caller's arguments. Writes to: the facade. Never: a search or a commit of its own; a panic passed on.

mod adapter;
mod answer;
mod batch;
mod building;
mod change;
mod collection;
mod database;
mod explain;
mod fuse;
mod hits;
mod id;
mod import;
mod options;
mod progress;
mod ptr;
mod record;
mod run;
mod scan;
mod schema;
mod search;
mod spaces;
mod stages;
mod status;
