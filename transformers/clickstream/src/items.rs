//! Rows of `item_v2`: one per item of an event.

use crate::compat::Compat;
use crate::custom::CustomWriter;
use crate::event::Defect;
use crate::event_row::{Event, RunFacts, write_process_info};
use crate::fields::E;
use crate::rows::Rows;
use crate::tables::ITEM;
use crate::values;
use etl_sdk::json::{Kind, Reader, Token};
use etl_sdk::{Output, Result as Done};

const TEXT_KEYS: [&str; 12] = [
    "name",
    "brand",
    "currency",
    "creative_name",
    "creative_slot",
    "location_id",
    "category",
    "category2",
    "category3",
    "category4",
    "category5",
    "id",
];
const ID: usize = TEXT_KEYS.len() - 1;

/// Most items of an event: all are read before one becomes a row.
const MAX_ITEMS: usize = 50_000;

/// Buffers for items that are kept from one event to the next.
const ITEMS_HELD: usize = 1_024;

/// One item's tokens.
#[derive(Debug, Default)]
struct Item {
    texts: [Token; TEXT_KEYS.len()],
    price: Token,
    quantity: Token,
    extras: Vec<(Token, Token)>,
    /// Whether a text is none, or, in the reference, was none before another replaced it.
    misfits: bool,
}

/// Items seen and items without an id.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ItemCounts {
    pub read: u64,
    pub without_id: u64,
}

/// Writes rows of `item_v2`.
pub(crate) struct ItemRows {
    pub rows: Rows,
    custom: CustomWriter,
    compat: Compat,
    items: Vec<Item>,
    used: usize,
}

impl ItemRows {
    pub fn new(rows: Rows, compat: Compat) -> Self {
        Self { rows, custom: CustomWriter::new(compat), compat, items: Vec::new(), used: 0 }
    }

    /// Reads the items of an event. A defect makes the whole event a dead letter, as in the reference; no row is
    /// written before [`ItemRows::push`].
    pub fn read(&mut self, items: Token, source: &str, depth: u32) -> Result<(), Defect> {
        self.used = 0;
        if items.kind != Kind::Array {
            return Ok(());
        }
        let text = items.raw(source);
        let mut reader = Reader::new(text, depth);
        let mut first = true;
        let broken = |message| Defect { reason: "bad_item", key: "items".to_owned(), message };
        reader.enter().map_err(|fault| broken(fault.reason))?;
        self.items.truncate(ITEMS_HELD);
        while reader.next_element(&mut first).map_err(|fault| broken(fault.reason))? {
            if self.used == MAX_ITEMS {
                return Err(broken("more than 50,000 items"));
            }
            if reader.peek() != Some(b'{') {
                return Err(broken("an item that is no object"));
            }
            if self.items.len() == self.used {
                self.items.push(Item::default());
            }
            self.used += 1;
            let item = &mut self.items[self.used - 1];
            item.read(&mut reader, self.compat).map_err(|fault| broken(fault.reason))?;
            if item.misfits {
                return Err(broken("an array or object instead of text"));
            }
        }
        Ok(())
    }

    /// Writes the rows of the items that were read last, and hands them over as they become batches.
    pub fn push(&mut self, event: &Event<'_>, run: &RunFacts, out: &mut Output) -> Done<ItemCounts> {
        let mut counts = ItemCounts { read: self.used as u64, without_id: 0 };
        let source = event.parsed.event(E::Items).raw(event.source);
        for index in 0..self.used {
            let item = &self.items[index];
            let id = values::text(item.texts[ID], source).filter(|id| !id.is_empty());
            let Some(id) = id else {
                counts.without_id += 1;
                continue;
            };
            let rows = &mut self.rows;
            rows.timestamp(event.time());
            rows.text(Some(&event.id));
            rows.text(Some(&event.name));
            rows.text(Some(&event.platform));
            rows.text(event.user_pseudo_id.as_deref());
            rows.text(event.user_id.as_deref());
            rows.text(Some(&id));
            for token in &item.texts[..3] {
                rows.text(values::text(*token, source).as_deref());
            }
            rows.double(values::safe_double(item.price, source));
            rows.double(values::safe_double(item.quantity, source));
            for token in &item.texts[3..ID] {
                rows.text(values::text(*token, source).as_deref());
            }
            self.custom.item(&item.extras, source, rows);
            write_process_info(&[], run, rows);
            rows.text(Some(&event.app_id));
            // Each item has a number of its own, so that the first of several with one id is the same one every time.
            rows.long(Some(event.sequence + index as i64));
            rows.timestamp(run.now_msec);
            rows.end_row();
            if self.rows.is_full() {
                out.batch(ITEM, self.rows.finish()?);
            }
        }
        Ok(counts)
    }
}

impl Item {
    fn read(&mut self, reader: &mut Reader<'_>, compat: Compat) -> Result<(), etl_sdk::json::Fault> {
        let text = reader.text();
        self.texts.fill(Token::default());
        self.price = Token::default();
        self.quantity = Token::default();
        self.extras.clear();
        self.misfits = false;
        reader.enter()?;
        let is_text = |token: Token| !matches!(token.kind, Kind::Array | Kind::Object);
        let mut first = true;
        while let Some(key) = reader.next_key(&mut first)? {
            let value = reader.value()?;
            let key_name = values::key_text(key, text);
            let name = match key_name.as_ref() {
                "item_id" => "id",
                "item_name" => "name",
                name => name,
            };
            match name {
                "price" => self.price = value,
                "quantity" => self.quantity = value,
                _ => match TEXT_KEYS.iter().position(|known| *known == name) {
                    Some(index) => {
                        let before = std::mem::replace(&mut self.texts[index], values::as_sent(value, compat));
                        self.misfits |= compat.is_reference() && !is_text(before);
                    }
                    None => self.extras.push((key, value)),
                },
            }
        }
        self.misfits |= self.texts.iter().any(|token| !is_text(*token));
        Ok(())
    }
}
