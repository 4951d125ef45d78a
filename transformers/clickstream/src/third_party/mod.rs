//! What the payloads of Google Tag Manager and of Sensors Analytics have in common.
//!
//! Both are JSON whose typed members are read with the coercions of Jackson ([`declared`]). An element becomes an
//! [`Occurrence`]: its values in the words of our columns. The time of an event is the time of its request, and neither
//! age nor app leaves one out.

mod declared;
mod elements;
mod item_rows;
mod json;
mod occurrence;
mod parameters;
mod properties;
mod rows;

pub(crate) use declared::{Declared, Member, Object, Shape, each_of_list};
pub(crate) use elements::{Elements, Next, count_elements};
pub(crate) use item_rows::ItemWriter;
pub(crate) use json::write_object;
pub(crate) use occurrence::{Element, Format, ItemIndexes, Occurrence, Visit, column_name};
pub(crate) use parameters::{Parameters, Value};
pub(crate) use properties::PropertiesWriter;
pub(crate) use rows::write_event;
