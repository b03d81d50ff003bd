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

#[cfg(test)]
mod tests {
    /// The header promises it; C's compiler cannot hold it against the library, so Rust's does.
    #[test]
    fn handles_may_go_where_the_header_says() {
        fn by_several_at_once<T: Send + Sync>() {}
        fn by_one_at_a_time<T: Send>() {}
        by_several_at_once::<crate::database::Database>();
        by_several_at_once::<crate::collection::Collection>();
        by_several_at_once::<crate::collection::Snapshot>();
        by_several_at_once::<crate::search::Search>();
        by_several_at_once::<crate::search::Canceller>();
        by_several_at_once::<crate::stages::Rerank>();
        by_several_at_once::<crate::hits::Hits>();
        by_several_at_once::<crate::record::Record>();
        by_several_at_once::<crate::adapter::Adapter>();
        by_several_at_once::<crate::change::Change>();
        by_several_at_once::<crate::change::Pending>();
        by_one_at_a_time::<crate::answer::Answer>();
        by_one_at_a_time::<crate::batch::Batch>();
        by_one_at_a_time::<crate::scan::Scan>();
        by_one_at_a_time::<crate::fuse::Fuse>();
        by_one_at_a_time::<crate::schema::Schema>();
        by_one_at_a_time::<crate::options::Options>();
        by_one_at_a_time::<crate::change::Backfill>();
    }
}
