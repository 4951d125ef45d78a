//! How many bytes values take, without making them.

use arrow::array::{Array, ArrayRef, AsArray, OffsetSizeTrait};
use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::ColumnarValue;

/// What a place of a list or a text takes beside its value.
const PLACE: u64 = 4;

/// Bytes of all values of an array, as they would be copied: of a slice only what it shows.
pub(super) fn bytes_of(array: &dyn Array) -> u64 {
    let rows = array.len() as u64;
    match array.data_type() {
        DataType::Utf8 => texts(array.as_string::<i32>().value_offsets()) + rows * PLACE,
        DataType::Binary => texts(array.as_binary::<i32>().value_offsets()) + rows * PLACE,
        DataType::LargeUtf8 => texts(array.as_string::<i64>().value_offsets()) + rows * PLACE,
        DataType::LargeBinary => texts(array.as_binary::<i64>().value_offsets()) + rows * PLACE,
        DataType::Utf8View => views(array.as_string_view().views()),
        DataType::BinaryView => views(array.as_binary_view().views()),
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            bytes_between(list.values(), list.value_offsets()) + rows * PLACE
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            bytes_between(list.values(), list.value_offsets()) + rows * PLACE
        }
        DataType::Map(..) => {
            let map = array.as_map();
            let (start, end) = ends(map.value_offsets());
            bytes_of(&map.entries().slice(start, end - start)) + rows * PLACE
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|column| bytes_of(column)).sum(),
        _ => array.to_data().get_slice_memory_size().map_or(u64::MAX, |bytes| bytes as u64),
    }
}

/// Values that are no lists, of all rows of a column of lists.
pub(super) fn leaves_of(array: &dyn Array) -> u64 {
    let of = |values: &ArrayRef, start: usize, end: usize| leaves_of(&values.slice(start, end - start));
    match array.data_type() {
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let (start, end) = ends(list.value_offsets());
            of(list.values(), start, end)
        }
        DataType::LargeList(_) => {
            let list = array.as_list::<i64>();
            let (start, end) = ends(list.value_offsets());
            of(list.values(), start, end)
        }
        DataType::FixedSizeList(_, size) => {
            let size = usize::try_from(*size).unwrap_or_default();
            array.as_fixed_size_list().values().len().min(array.len() * size) as u64
        }
        _ => array.len() as u64,
    }
}

fn bytes_between<O: OffsetSizeTrait>(values: &ArrayRef, offsets: &[O]) -> u64 {
    let (start, end) = ends(offsets);
    bytes_of(&values.slice(start, end - start))
}

fn ends<O: OffsetSizeTrait>(offsets: &[O]) -> (usize, usize) {
    match offsets {
        [first, .., last] => (first.as_usize(), last.as_usize()),
        _ => (0, 0),
    }
}

fn texts<O: OffsetSizeTrait>(offsets: &[O]) -> u64 {
    let (start, end) = ends(offsets);
    (end - start) as u64
}

/// The length of a value stands in the lowest bits of its view.
fn views(views: &[u128]) -> u64 {
    views.iter().map(|view| u64::from(*view as u32) + size_of::<u128>() as u64).sum()
}

/// Bytes of a constant, as one value of an array.
pub(super) fn bytes_of_constant(value: &ScalarValue) -> u64 {
    let beside = (value.size() - size_of::<ScalarValue>()) as u64;
    beside + value.data_type().primitive_width().map_or(PLACE, |width| width as u64)
}

/// Bytes of an argument for all rows.
pub(super) fn bytes_of_argument(argument: &ColumnarValue, rows: usize) -> u64 {
    match argument {
        ColumnarValue::Array(array) => bytes_of(array),
        ColumnarValue::Scalar(value) => bytes_of_constant(value).saturating_mul(rows as u64),
    }
}

/// The widest a missing value of a type is.
pub(super) fn bytes_of_null(data_type: &DataType) -> u64 {
    match data_type {
        DataType::FixedSizeBinary(width) => u64::try_from(*width).unwrap_or_default(),
        DataType::FixedSizeList(element, size) => {
            u64::try_from(*size).unwrap_or_default().saturating_mul(bytes_of_null(element.data_type()))
        }
        DataType::Struct(members) => members.iter().map(|member| bytes_of_null(member.data_type())).sum(),
        other => other.primitive_width().map_or(2 * PLACE, |width| width as u64),
    }
}

/// The widest fixed size in a type, in values or bytes.
pub(super) fn fixed_size(data_type: &DataType) -> u64 {
    let wide = |size: i32| u64::try_from(size).unwrap_or_default();
    match data_type {
        DataType::FixedSizeBinary(width) => wide(*width),
        DataType::FixedSizeList(element, size) => wide(*size).max(fixed_size(element.data_type())),
        DataType::List(element)
        | DataType::LargeList(element)
        | DataType::ListView(element)
        | DataType::LargeListView(element)
        | DataType::Map(element, _) => fixed_size(element.data_type()),
        DataType::Struct(members) => members.iter().map(|member| fixed_size(member.data_type())).max().unwrap_or(0),
        DataType::Dictionary(_, values) => fixed_size(values),
        DataType::RunEndEncoded(_, values) => fixed_size(values.data_type()),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, ListArray, StringArray, StringViewArray, StructArray};
    use arrow::datatypes::{Field, Int32Type};
    use std::sync::Arc;

    #[test]
    fn a_slice_has_the_bytes_that_it_shows() {
        let text = StringArray::from(vec!["a", "bcd", "", "e"]);
        assert_eq!(bytes_of(&text), 5 + 4 * PLACE);
        assert_eq!(bytes_of(&text.slice(1, 1)), 3 + PLACE);
        assert_eq!(bytes_of(&text.slice(0, 0)), 0);
        let view = StringViewArray::from(vec!["a", "a text that is not in the view"]);
        assert_eq!(bytes_of(&view), 1 + 30 + 2 * 16);
        assert_eq!(bytes_of(&view.slice(0, 1)), 1 + 16);
        let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1); 10]), None, Some(vec![None])]);
        assert_eq!(bytes_of(&list.slice(0, 1)), 10 * 4 + PLACE);
        assert_eq!((leaves_of(&list), leaves_of(&list.slice(1, 2))), (11, 1));
        let number: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let pair = StructArray::from(vec![(Arc::new(Field::new("n", DataType::Int64, true)), number)]);
        assert_eq!(bytes_of(&pair), 16);
        assert_eq!(bytes_of(&pair.slice(1, 1)), 8);
    }

    #[test]
    fn fixed_sizes_are_found_in_any_depth() {
        let element = |data_type| Arc::new(Field::new_list_field(data_type, true));
        let wide = DataType::FixedSizeBinary(1_000);
        assert_eq!(fixed_size(&DataType::List(element(wide.clone()))), 1_000);
        assert_eq!(fixed_size(&DataType::FixedSizeList(element(wide.clone()), 3)), 1_000);
        assert_eq!(fixed_size(&DataType::Utf8), 0);
        assert_eq!(bytes_of_null(&DataType::FixedSizeList(element(wide), 3)), 3_000);
        assert_eq!(bytes_of_null(&DataType::Int64), 8);
    }
}
