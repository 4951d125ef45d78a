//! What the two programs of this crate share: generated events, the floors they are measured against, and the
//! processor time and memory a section of work takes.

pub mod calendar;
pub mod end_to_end;
pub mod floors;
pub mod generate;
pub mod measure;
pub mod random;
