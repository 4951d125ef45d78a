//! Pieces: cut and read by key, merged, taken out.

use super::*;
use crate::commit::objects::Objects;
use crate::window::Window;
use arrow::array::{Array, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use hashbrown::HashSet;
use object_store::memory::InMemory;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::runtime::Runtime;

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn objects() -> (Runtime, Objects) {
    let runtime = runtime();
    let objects = Objects::over(Arc::new(InMemory::new()), runtime.handle().clone());
    (runtime, objects)
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new("app", DataType::Utf8, true),
        Field::new("user", DataType::Utf8, true),
        Field::new("value", DataType::Int64, true),
    ]))
}

/// Users `from..to`; the user of the first row is unknown.
fn rows(from: i64, to: i64) -> RecordBatch {
    let users: StringArray = (from..to).map(|user| (user > from).then(|| format!("user{user}"))).collect();
    let apps: StringArray = (from..to).map(|_| Some("shop")).collect();
    let values: Int64Array = (from..to).map(Some).collect();
    RecordBatch::try_new(schema(), vec![Arc::new(apps), Arc::new(users), Arc::new(values)]).unwrap()
}

fn window(hour: u32) -> Window {
    Window::parse(&format!("2026-11-20T{hour:02}")).unwrap()
}

fn piece(objects: &Objects, hour: u32, bits: u32) -> Piece {
    piece_of(objects, hour, bits, &rows(0, 100))
}

fn piece_of(objects: &Objects, hour: u32, bits: u32, batch: &RecordBatch) -> Piece {
    let run = format!("job-{}", window(hour).id());
    let mut writer = PieceWriter::new(objects, &stem(&run, "token"), &schema(), bits);
    writer.write(batch, &key_hashes(batch, &[0, 1]).unwrap()).unwrap();
    let (rows, parts) = writer.finish().unwrap();
    Piece { run: Some(run), level: 0, window: window(hour), stamp: i64::from(hour), rows, parts, made_of: None }
}

#[test]
fn hashes_stay_what_they_were() {
    // They are in files: another hash would make all of them unreadable.
    let hashes = key_hashes(&rows(0, 2), &[0, 1]).unwrap();
    assert_eq!(hashes, [9_925_478_764_816_588_490, 3_459_137_015_077_376_669]);
    let empty = RecordBatch::try_new(
        schema(),
        vec![
            Arc::new(StringArray::from(vec!["shop"])),
            Arc::new(StringArray::from(vec![""])),
            Arc::new(Int64Array::from(vec![0])),
        ],
    );
    assert_ne!(key_hashes(&empty.unwrap(), &[0, 1]).unwrap()[0], hashes[0], "null is not empty");
}

#[test]
fn rows_are_found_by_key_whatever_the_parts() {
    let (_runtime, objects) = objects();
    // Few are read whole and kept, many are not.
    for (count, piece_bits) in [(100, 0), (100, 1), (100, 4), (20_000, 0), (20_000, 2)] {
        let batch = rows(0, count);
        let hashes = key_hashes(&batch, &[0, 1]).unwrap();
        let wanted: Arc<HashSet<u64>> = Arc::new(hashes.iter().copied().step_by(7).collect());
        let piece = piece_of(&objects, piece_bits, piece_bits, &batch);
        assert_eq!((piece.rows, piece.parts.len() as u64), (count as u64, 1 << piece_bits));
        for bits in [0, 0, 2, 5] {
            let mut found = Vec::new();
            for range in 0..1 << bits {
                for part in &piece.parts {
                    read_rows(&objects, part, &schema(), (bits, range), Some(&wanted), &mut |batch, hashes| {
                        assert!(hashes.iter().all(|hash| wanted.contains(hash)));
                        found.extend(batch.column(2).as_primitive::<Int64Type>().values().iter().copied());
                        Ok(())
                    })
                    .unwrap();
                }
            }
            found.sort_unstable();
            assert_eq!(found, (0..count).step_by(7).collect::<Vec<_>>(), "{count} {piece_bits} {bits}");
        }
    }
}

#[test]
fn a_column_that_came_later_is_null_and_damage_is_named() {
    let runtime = runtime();
    let store = Arc::new(InMemory::new());
    let objects = Objects::over(Arc::clone(&store) as _, runtime.handle().clone());
    let piece = piece(&objects, 5, 0);
    let mut fields = schema().fields().to_vec();
    fields.push(Arc::new(Field::new("new", DataType::Utf8, true)));
    let wider: SchemaRef = Arc::new(Schema::new(fields));
    read_rows(&objects, &piece.parts[0], &wider, (0, 0), None, &mut |batch, _| {
        assert_eq!((batch.num_rows(), batch.column(3).null_count()), (100, 100));
        Ok(())
    })
    .unwrap();
    objects.put(&piece.parts[0].kept.path, "other bytes").unwrap();
    // As another process finds it.
    let objects = Objects::over(store, runtime.handle().clone());
    let error = read_rows(&objects, &piece.parts[0], &schema(), (0, 0), None, &mut |_, _| Ok(())).unwrap_err();
    assert!(error.to_string().contains(&piece.parts[0].kept.path), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("state rebuild")), "{error}");
}

#[test]
fn a_run_is_taken_out_of_what_it_was_merged_into() {
    let (_runtime, objects) = objects();
    let pieces: Vec<Piece> = (0..4).map(|hour| piece(&objects, hour, 0)).collect();
    let whole =
        |pieces: &[Piece], stem: &str| Piece::of_several(&objects, stem, pieces, (1, pieces[0].parts.clone())).unwrap();
    let (early, late) = (whole(&pieces[..2], "carried/a"), whole(&pieces[2..], "carried/b"));
    let all = whole(&[early.clone(), late.clone()], "carried/c");
    assert_eq!((all.level, all.window.start, all.window.end, all.stamp), (2, window(0).start, window(3).end, 3));

    let run = |hour: usize| BTreeSet::from([pieces[hour].run.clone().unwrap()]);
    let (stay, out) = take_out(&objects, vec![all.clone()], &window(1), &run(1)).unwrap();
    assert_eq!((stay, out), (vec![pieces[0].clone(), late], vec![pieces[1].clone()]));
    let (stay, out) = take_out(&objects, vec![all.clone()], &window(1), &run(2)).unwrap();
    assert_eq!((stay, out), (vec![all.clone()], vec![]), "the run is of another window");

    let state = CarriedState { tables: [("t".to_owned(), vec![all])].into(), ..CarriedState::default() };
    let kept = state.keep(&objects, "carried/d").unwrap();
    assert_eq!(CarriedState::read(&objects, &kept).unwrap(), state);
    assert_eq!(paths(&objects, &state).unwrap().len(), 3 + 4, "lists and parts");
}
