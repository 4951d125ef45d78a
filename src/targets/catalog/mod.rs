//! The catalog as a target of commits: each partition that a commit writes is registered, and one that it leaves empty is
//! removed. And beside commits: how far the catalog agrees with all of them, and bringing it to agree.

mod agreement;
mod ahead;
mod record;
mod target;

pub use self::agreement::{Look, TableAgreement, committed};
pub use self::ahead::ahead;
pub use self::record::{CatalogRules, RawTable};
pub use self::target::CatalogTarget;
