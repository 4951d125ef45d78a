//! `dead-letters`: inspect what could not be used, replay it, or drop it.

mod choice;
mod drop;
mod errors;
mod list;
mod reasons;
mod replay;
mod request;
mod show;

pub use self::drop::run as drop;
pub use self::list::run as list;
pub use self::replay::run as replay;
pub use self::request::{DropRequest, LettersRequest, ListRequest, ReplayRequest, ShowRequest, WindowChoice};
pub use self::show::run as show;
