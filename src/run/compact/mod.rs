//! Compaction: the committed windows of a period become one, of the files that they have.
//!
//! It is a commit of the longer window that supersedes the shorter ones. Its rows are theirs, read from their files in the
//! order of the windows; nothing is read of the raw input, and nothing is judged again. It takes over the list of their
//! input, their dead letters by name with what became of them, and what they left to merged tables.

mod compacted;
mod execute;
mod gathered;
mod periods;
mod rewrite;

pub use self::compacted::{Compacted, Merging};
pub use self::execute::{CompactPlan, compact, rehearse};
pub use self::gathered::FileCount;
pub use self::periods::{Left, Period, PeriodSpan, advice, periods};
