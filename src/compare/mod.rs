//! Compares two outputs by key, column by column, and says how they differ: those of two runs, or those of this program
//! and of the one it replaces.
//!
//! `request.rs` is what is asked for, `files.rs`, `parquet.rs` and `lines.rs` read a side, `side.rs` is one side,
//! `align.rs` decides which columns are compared and as what, `plan.rs` is what it decided, `convert.rs`, `json.rs` and
//! `value.rs` bring values to one form, `latest.rs` keeps the current row of each key, `join.rs` walks both sides,
//! `cells.rs` and `cause.rs` look at values, `report.rs` and `text.rs` are what comes out, and `run.rs` calls them in
//! turn. Both sides are sorted with [`Sorter`](crate::rows::sort::Sorter), which spills: memory does not grow with the rows.

mod align;
mod cause;
mod cells;
mod column;
mod convert;
mod files;
mod join;
mod json;
mod latest;
mod lines;
mod parquet;
mod plan;
mod report;
mod request;
mod resources;
mod run;
mod side;
mod text;
mod value;

pub use self::report::{ComparisonStatus, Key};
pub use self::request::{CompareRequest, CompareSetting};
pub use self::resources::CompareResources;
pub use self::run::compare;
