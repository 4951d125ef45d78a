//! Which columns an enrichment fills: the ones a table has are overwritten in place, the others are added at the end.

use crate::{Error, Result};
use arrow::array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// The indexes of an enrichment's columns in the table as it is afterwards.
#[derive(Clone, Debug)]
pub struct Fill {
    schema: SchemaRef,
    indexes: Vec<usize>,
}

impl Fill {
    /// `columns` are names and types in the order their arrays come in later. Filled columns are nullable.
    ///
    /// Fails when a name comes twice, or when the table has the column with another type.
    pub fn new<'a>(input: &SchemaRef, columns: impl IntoIterator<Item = (&'a str, DataType)>) -> Result<Self> {
        let mut fields = input.fields().to_vec();
        let mut indexes = Vec::new();
        for (name, data_type) in columns {
            let index = match fields.iter().position(|field| field.name() == name) {
                Some(index) if indexes.contains(&index) => {
                    return Err(Error::config("choose the columns to fill").with("twice", name));
                }
                Some(index) if *fields[index].data_type() != data_type => {
                    return Err(Error::config("choose the columns to fill")
                        .with("column", name)
                        .with("type", fields[index].data_type())
                        .with("needed", data_type));
                }
                Some(index) => {
                    fields[index] = Arc::new(fields[index].as_ref().clone().with_nullable(true));
                    index
                }
                None => {
                    fields.push(Arc::new(Field::new(name, data_type, true)));
                    fields.len() - 1
                }
            };
            indexes.push(index);
        }
        let schema = Schema::new_with_metadata(fields, input.metadata().clone());
        Ok(Self { schema: Arc::new(schema), indexes })
    }

    /// The table afterwards.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// What the batch holds now in the column of the given index in the list; `None` when the column is a new one.
    pub fn existing<'a>(&self, batch: &'a RecordBatch, column: usize) -> Option<&'a ArrayRef> {
        batch.columns().get(self.indexes[column])
    }

    /// The batch with one array per column of the list, in its order.
    pub fn apply(&self, batch: &RecordBatch, arrays: Vec<ArrayRef>) -> Result<RecordBatch> {
        let mut columns = batch.columns().to_vec();
        for (index, array) in self.indexes.iter().zip(arrays) {
            if *index < columns.len() {
                columns[*index] = array;
            } else {
                columns.push(array);
            }
        }
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns)?)
    }
}

/// The index of a text column that a step reads. Fails with its name when the table lacks it or it is no text.
pub fn text_column(schema: &SchemaRef, name: &str) -> Result<usize> {
    let Some((index, field)) = schema.column_with_name(name) else {
        return Err(Error::config("find the column to read").with("column", name));
    };
    if *field.data_type() != DataType::Utf8 {
        return Err(Error::config("find the column to read")
            .with("column", name)
            .with("type", field.data_type())
            .with("needed", DataType::Utf8));
    }
    Ok(index)
}

/// A batch's column as text. The step has checked its type with [`text_column`].
pub fn as_text(array: &dyn Array) -> Result<&StringArray> {
    array.as_any().downcast_ref().ok_or_else(|| Error::internal("read a text column").with("type", array.data_type()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::Int64Array;

    fn batch() -> RecordBatch {
        let schema = Schema::new(vec![
            Field::new("a", DataType::Int64, false),
            Field::new("b", DataType::Utf8, false),
            Field::new("c", DataType::Int64, false),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![1])),
            Arc::new(StringArray::from(vec!["old"])),
            Arc::new(Int64Array::from(vec![2])),
        ];
        RecordBatch::try_new(Arc::new(schema), columns).unwrap()
    }

    #[test]
    fn existing_columns_keep_their_place_and_new_ones_follow() {
        let batch = batch();
        let fill = Fill::new(&batch.schema(), [("x", DataType::Utf8), ("b", DataType::Utf8)]).unwrap();
        assert!(fill.existing(&batch, 0).is_none());
        assert_eq!(as_text(fill.existing(&batch, 1).unwrap()).unwrap().value(0), "old");
        let arrays: Vec<ArrayRef> =
            vec![Arc::new(StringArray::from(vec![None::<&str>])), Arc::new(StringArray::from(vec![None::<&str>]))];
        let filled = fill.apply(&batch, arrays).unwrap();
        let schema = filled.schema();
        assert_eq!(schema.fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), ["a", "b", "c", "x"]);
        assert!(filled.column(1).is_null(0) && filled.column(3).is_null(0));
        assert!(schema.field(1).is_nullable() && !schema.field(0).is_nullable());
    }

    #[test]
    fn a_wrong_type_or_a_name_given_twice_is_refused() {
        let schema = batch().schema();
        let error = Fill::new(&schema, [("c", DataType::Utf8)]).unwrap_err().to_string();
        assert!(error.contains("column=c") && error.contains("type=Int64"), "{error}");
        assert!(Fill::new(&schema, [("n", DataType::Utf8), ("n", DataType::Utf8)]).is_err());
        assert!(text_column(&schema, "a").unwrap_err().to_string().contains("column=a"));
        assert!(text_column(&schema, "nope").unwrap_err().to_string().contains("column=nope"));
    }
}
