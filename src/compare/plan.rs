//! What is compared: the columns that both sides have in common, and the form in which their values are.

use super::json::LeftOut;
use super::request::Side;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;
use strum::IntoStaticStr;

/// How the values of a column are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr)]
pub(super) enum Meaning {
    /// As integers.
    #[strum(serialize = "integers")]
    Int,
    /// As doubles.
    #[strum(serialize = "doubles")]
    Double,
    /// As decimal numbers of any length, in one form.
    #[strum(serialize = "numbers")]
    Number,
    /// As instants.
    #[strum(serialize = "instants")]
    Instant,
    /// As dates.
    #[strum(serialize = "dates")]
    Date,
    /// As texts.
    #[strum(serialize = "texts")]
    Text,
    /// As JSON in one form.
    #[strum(serialize = "JSON")]
    Json,
}

impl Meaning {
    /// For the report: `integers`, `JSON`.
    pub(super) fn name(self) -> &'static str {
        self.into()
    }
}

/// What the values of an aligned column are while they are sorted and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Physical {
    /// `Int64`: an integer, or microseconds, nanoseconds or days since 1970.
    Int,
    /// `Float64`
    Double,
    /// `Utf8`
    Text,
}

impl Physical {
    pub(super) fn data_type(self) -> DataType {
        match self {
            Self::Int => DataType::Int64,
            Self::Double => DataType::Float64,
            Self::Text => DataType::Utf8,
        }
    }
}

/// A column that is compared.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct AlignedColumn {
    pub(super) name: String,
    pub(super) meaning: Meaning,
    pub(super) physical: Physical,
    /// Whether an instant of physical type `Int` counts nanoseconds.
    pub(super) nanos: bool,
    pub(super) left_out: LeftOut,
    /// The type that JSON texts are read like: that of the side which has one.
    pub(super) like: Option<DataType>,
    /// The side whose JSON lines never name it: there it is null.
    pub(super) absent: Option<Side>,
}

/// What is compared.
#[derive(Clone, Debug)]
pub(super) struct ComparePlan {
    /// The key, then the columns that decide which row is the latest, then the others by name.
    pub(super) columns: Vec<AlignedColumn>,
    /// Columns at the front that are the key.
    pub(super) key: usize,
    /// Columns after the key that decide which row is the latest.
    pub(super) latest: usize,
}

impl ComparePlan {
    /// The columns while they are sorted: named by their index, with the hash of the row after them.
    pub(super) fn schema(&self) -> SchemaRef {
        let field =
            |(index, column): (usize, &AlignedColumn)| Field::new(index.to_string(), column.physical.data_type(), true);
        let fields = self.columns.iter().enumerate().map(field);
        let hash = Field::new("hash", DataType::UInt64, false);
        Arc::new(Schema::new(fields.chain([hash]).collect::<Vec<_>>()))
    }

    /// What rows are sorted by.
    pub(super) fn order(&self) -> Vec<String> {
        (0..self.key + self.latest).map(|index| index.to_string()).chain(["hash".to_owned()]).collect()
    }
}
