use super::*;
use crate::generate::{Settings, generate};
use arrow::array::{Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("etl-bench-floors-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn inflate_and_parse_see_every_byte() {
    let folder = folder("raw");
    let settings = Settings { objects: Some(2), bad: 0.0, ..Settings::new(3_000, &folder) };
    let totals = generate(&settings).unwrap();
    let parsed = parse(&folder).unwrap();
    assert_eq!(parsed.bytes_in, totals.bytes_raw + totals.bytes_payload);
    let inflated = inflate(&folder).unwrap();
    assert!(inflated.bytes_in > totals.bytes_compressed);
    assert!(inflated.bytes_out > totals.bytes_raw + totals.bytes_payload / 3);
    assert!(inflated.bytes_out < totals.bytes_raw + totals.bytes_payload * 2 / 3);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn streams_cut_on_purpose_do_not_stop_the_measurement() {
    let folder = folder("cut");
    let settings = Settings { bad: 0.3, ..Settings::new(1_000, &folder) };
    let totals = generate(&settings).unwrap();
    assert!(totals.dead.contains_key("truncated_gzip"));
    assert!(inflate(&folder).unwrap().bytes_out > totals.bytes_raw);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn encode_writes_the_rows_of_every_file() {
    let folder = folder("tables");
    let batch = RecordBatch::try_from_iter([
        ("number", Arc::new(Int64Array::from_iter_values(0..20_000)) as _),
        ("text", Arc::new(StringArray::from_iter_values((0..20_000).map(|row| format!("row {row}")))) as _),
    ])
    .unwrap();
    for path in ["part=1/a.parquet", "part=2/b.parquet", "_state/c.parquet"] {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
    }
    let floor = encode(&folder).unwrap();
    // Two files of about 20,000 numbers and texts; the one under `_state` is not a table's.
    assert!((200_000..1_600_000).contains(&floor.bytes_out), "{floor:?}");
    assert!(floor.bytes_in > floor.bytes_out, "{floor:?}");
    assert_eq!(Floor::from_json(&floor.to_json()), Some(floor));
    std::fs::remove_dir_all(&folder).unwrap();
}
