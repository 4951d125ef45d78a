//! Rows of `item_v2` of a third party's event.

use super::declared::{Object, each_of_list};
use super::occurrence::{Element, ItemIndexes, Visit};
use crate::custom::CustomWriter;
use crate::event_row::{RunFacts, write_process_info};
use crate::items::ItemCounts;
use crate::rows::Rows;
use crate::tables::ITEM;
use etl_sdk::json::Kind;
use etl_sdk::{Output, Result};

/// What the rows of an event's items are made of, and where they go.
pub(crate) struct ItemWriter<'a> {
    pub visit: Visit<'a>,
    pub indexes: ItemIndexes,
    pub run: &'a RunFacts,
    pub custom: &'a mut CustomWriter,
    pub rows: &'a mut Rows,
    pub out: &'a mut Output,
}

impl ItemWriter<'_> {
    /// Writes the items of an element, which have passed [`Object::misfit`]. An item that is null counts as one without
    /// an id.
    pub fn write(&mut self, element: &Element<'_>) -> Result<ItemCounts> {
        let mut counts = ItemCounts::default();
        let mut handed = Ok(());
        let list = element.object.value(self.indexes.list);
        // The array has been read before, under the payload's depth.
        let compat = element.object.compat;
        let _ = each_of_list(list, self.indexes.declared, element.source, u32::MAX, compat, |item, source| {
            counts.read += 1;
            let written = item.token.kind == Kind::Object && self.write_one(item, source, counts.read);
            counts.without_id += u64::from(!written);
            if self.rows.is_full() && handed.is_ok() {
                handed = self.rows.finish().map(|batch| self.out.batch(ITEM, batch));
            }
        });
        handed.map(|()| counts)
    }

    fn write_one(&mut self, item: &Object, source: &str, number: u64) -> bool {
        let Some(id) = item.text(self.indexes.id, source).filter(|id| !id.is_empty()) else { return false };
        let Self { visit, indexes, run, rows, .. } = self;
        let event = visit.occurrence;
        rows.timestamp(visit.time());
        rows.text(Some(visit.id));
        rows.text(Some(visit.name));
        rows.text(Some(&event.platform));
        rows.text(event.user_pseudo_id.as_deref());
        rows.text(event.user_id.as_deref());
        rows.text(Some(&id));
        rows.text(item.text(indexes.name, source).as_deref());
        rows.nulls(1); // brand
        rows.text(event.currency.as_deref());
        rows.double(Some(item.double(indexes.price, source)));
        rows.nulls(9); // quantity, creative_, location_id, category to category5
        self.custom.item(&item.unknown, source, rows);
        write_process_info(&[], run, rows);
        rows.text(Some(visit.app_id));
        // Each item has a number of its own, so that the first of several with one id is the same one every time.
        rows.long(Some(visit.sequence + number as i64));
        rows.timestamp(run.now_msec);
        rows.end_row();
        true
    }
}
