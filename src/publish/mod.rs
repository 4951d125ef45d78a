//! Publishing: what a commit decided becomes visible, is announced, and what it replaced goes.
//!
//! All of it follows from the commit's detail, so any process does it, and does it again. The order is:
//!
//! 1. The commit's files are made visible.
//! 2. Each [`Target`] is told of the commit, in the order of the job's list; an entry of the log says so for each
//!    (`announced`). Targets do not depend on each other: one that fails, after it was tried again within `limits.retry`,
//!    does not keep the commit from the others or from being published.
//! 3. Each target takes back what was announced of the commits that this one replaces.
//! 4. The files of those commits are removed.
//! 5. An entry says that the commit is `published`, and to which targets it is still to be announced.
//!
//! **A failing announcement is owed, not fatal.** The rows are published, the run ends `partly`, and the next command of
//! the job, or `recover`, announces what is owed; the window is not run again for it. The watermark follows `published`: it
//! says which rows are there, and a catalog that is down must not hold up the schedule. A commit that replaces another
//! replaces what is owed of it.
//!
//! **A failing retraction keeps the commit unpublished**, with the replaced files in place: nothing that was announced ever
//! leads to a file that is gone. Step 2 is not repeated for targets that have their entry.
//!
//! **A target that is not in the job file any more** is told of nothing. What a commit owes it stays owed, and each command
//! that finds it says so, until the target is back or a later commit replaces the window's rows.

mod announce;
mod publisher;
mod recovered;
mod target;

pub use self::announce::Announcer;
pub use self::publisher::{Publisher, Urls};
pub use self::recovered::{CommitId, Owed, Recovered, first_error, left_behind};
pub use self::target::{Replacing, Target, records};
