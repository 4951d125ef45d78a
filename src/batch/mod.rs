//! Many windows of one job, one after the other or side by side. Each is a run of its own, and ends alone. Listeners are told
//! how far it is; nothing here prints.

mod ahead;
mod board;
mod executor;
mod item;
mod listener;
mod memory;
mod pending;
mod queue;
mod report;
mod result;
mod settings;
mod windows;

pub use self::board::Board;
pub use self::item::Item;
pub use self::listener::BatchListener;
pub use self::memory::divide_memory;
pub use self::pending::{PendingWindows, pending};
pub use self::report::BatchReport;
pub use self::result::{ResultStatus, WindowResult};
pub use self::settings::RunSettings;
pub use self::windows::Batch;
