//! How many bytes rows take, whatever larger buffers they stand in.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::DataType;

/// Bytes of the rows of a batch.
pub(crate) fn batch_size(batch: &RecordBatch) -> usize {
    batch.columns().iter().map(|column| array_size(column)).sum()
}

/// Offsets and lengths that cut a batch into pieces of at most `target` bytes, or of one row.
pub(super) fn cuts(batch: &RecordBatch, target: usize) -> Vec<(usize, usize)> {
    let mut pieces = Vec::new();
    let mut open = vec![(0, batch.num_rows())];
    while let Some((offset, length)) = open.pop() {
        if length <= 1 || batch_size(&batch.slice(offset, length)) <= target {
            pieces.push((offset, length));
            continue;
        }
        let half = length / 2;
        open.push((offset + half, length - half));
        open.push((offset, half));
    }
    pieces
}

/// Bytes of the texts of each row, nested ones included: what makes one row larger than another.
pub(super) fn row_texts(batch: &RecordBatch) -> Vec<usize> {
    let mut sizes = vec![0; batch.num_rows()];
    for column in batch.columns() {
        add_texts(column, &mut sizes);
    }
    sizes
}

fn add_texts(array: &dyn Array, sizes: &mut [usize]) {
    let add = |offsets: &[i32], sizes: &mut [usize]| {
        for (size, ends) in sizes.iter_mut().zip(offsets.windows(2)) {
            *size += (ends[1] - ends[0]) as usize;
        }
    };
    match array.data_type() {
        DataType::Utf8 => add(array.as_string::<i32>().value_offsets(), sizes),
        DataType::Binary => add(array.as_binary::<i32>().value_offsets(), sizes),
        DataType::Map(..) => {
            let map = array.as_map();
            add_elements(map.entries(), map.value_offsets(), sizes);
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            add_elements(list.values(), list.value_offsets(), sizes);
        }
        DataType::Struct(_) => array.as_struct().columns().iter().for_each(|member| add_texts(member, sizes)),
        _ => {}
    }
}

fn add_elements(elements: &dyn Array, offsets: &[i32], sizes: &mut [usize]) {
    let start = offsets.first().map_or(0, |start| *start as usize);
    let end = offsets.last().map_or(start, |end| *end as usize);
    let mut of_elements = vec![0; end - start];
    add_texts(&elements.slice(start, end - start), &mut of_elements);
    for (size, ends) in sizes.iter_mut().zip(offsets.windows(2)) {
        *size += of_elements[ends[0] as usize - start..ends[1] as usize - start].iter().sum::<usize>();
    }
}

fn array_size(array: &dyn Array) -> usize {
    let length = array.len();
    let validity = if array.nulls().is_some() { length / 8 } else { 0 };
    let text = |offsets: &[i32]| offsets.last().zip(offsets.first()).map_or(0, |(end, start)| (end - start) as usize);
    let values = match array.data_type() {
        DataType::Utf8 => 4 * length + text(array.as_string::<i32>().value_offsets()),
        DataType::Binary => 4 * length + text(array.as_binary::<i32>().value_offsets()),
        DataType::Map(..) => {
            let map = array.as_map();
            let start = map.value_offsets().first().map_or(0, |start| *start as usize);
            4 * length + array_size(&map.entries().slice(start, text(map.value_offsets())))
        }
        DataType::List(_) => {
            let list = array.as_list::<i32>();
            let start = list.value_offsets().first().map_or(0, |start| *start as usize);
            4 * length + array_size(&list.values().slice(start, text(list.value_offsets())))
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(|member| array_size(member)).sum(),
        DataType::Boolean => length / 8,
        other => match other.primitive_width() {
            Some(width) => width * length,
            None => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
        },
    };
    validity + values
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array, ListArray, StringArray};
    use arrow::datatypes::Int64Type;
    use std::sync::Arc;

    #[test]
    fn the_texts_of_each_row_are_counted() {
        let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("ab"), None, Some("cdefg"), Some("")]));
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3, 4]));
        let lists: ArrayRef = Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(vec![Some(vec![Some(1)]); 4]));
        let batch = RecordBatch::try_from_iter([("t", texts), ("n", numbers), ("l", lists)]).unwrap();
        assert_eq!(row_texts(&batch), [2, 0, 5, 0]);
        assert_eq!(row_texts(&batch.slice(1, 2)), [0, 5]);
    }

    #[test]
    fn batches_are_cut_to_their_target() {
        let texts: ArrayRef = Arc::new(StringArray::from_iter_values((0..100).map(|row| "x".repeat(row))));
        let batch = RecordBatch::try_from_iter([("t", texts)]).unwrap();
        let pieces = cuts(&batch, 200);
        assert_eq!(pieces.iter().map(|(_, rows)| rows).sum::<usize>(), 100);
        assert!(pieces.iter().all(|(at, rows)| *rows == 1 || batch_size(&batch.slice(*at, *rows)) <= 200));
    }
}
