use super::bucket::{BucketStore, PART_BYTES};
use super::{PendingFile, PendingStore, Staged, folder, pending_store};
use crate::process::clock::Clock;
use crate::process::stop::Stop;
use crate::storage::{S3Config, Storage, StorageKind};
use etl_sdk::{ErrorKind, Retry};
use object_store::ObjectStoreExt;
use object_store::memory::InMemory;
use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path as ObjectPath;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn folder_store(folder: &Path) -> Arc<dyn PendingStore> {
    Arc::new(folder::FolderStore::new(folder.to_owned()))
}

fn all_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(all_files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

fn write(store: &dyn PendingStore, path: &str, bytes: &[u8]) -> PendingFile {
    let mut writer = store.create(path).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_file_appears_when_it_is_published_and_can_be_published_twice() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    let file = write(store.as_ref(), "t/a=1/x-0.parquet", b"hello");
    assert_eq!(file.bytes, 5);
    assert!(!folder.path().join("t").exists(), "not even the partition's folder is there");
    assert!(all_files(folder.path()).iter().all(|path| path.file_name().unwrap().to_str().unwrap().starts_with('.')));

    store.publish(&file).unwrap();
    store.publish(&file).unwrap();
    assert_eq!(all_files(folder.path()), [folder.path().join("t/a=1/x-0.parquet")]);
    assert_eq!(std::fs::read(folder.path().join("t/a=1/x-0.parquet")).unwrap(), b"hello");
    assert!(!folder.path().join(".pending").exists());

    let same_length = write(store.as_ref(), "t/a=1/x-0.parquet", b"HELLO");
    store.publish(&same_length).unwrap();
    assert_eq!(std::fs::read(folder.path().join("t/a=1/x-0.parquet")).unwrap(), b"HELLO", "a new run replaces it");
}

#[test]
fn what_is_dropped_or_abandoned_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    let mut writer = store.create("t/x").unwrap();
    writer.write_all(b"half").unwrap();
    drop(writer);
    let file = write(store.as_ref(), "t/x", b"whole");
    store.abandon(&file).unwrap();
    store.abandon(&file).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    assert!(store.publish(&file).is_err_and(|error| error.kind() == etl_sdk::ErrorKind::NotFound));
}

#[test]
fn two_writers_of_one_path_do_not_meet() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other) = (folder_store(folder.path()), folder_store(folder.path()));
    let first = write(one.as_ref(), "t/x", b"first");
    let second = write(other.as_ref(), "t/x", b"the second");
    other.publish(&second).unwrap();
    one.abandon(&first).unwrap();
    assert_eq!(std::fs::read(folder.path().join("t/x")).unwrap(), b"the second");
}

#[test]
fn paths_that_leave_the_folder_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    for path in ["", "/etc/x", "a//b", "a/../b", "..", "a/.", "a/", "a\\b", "a\nb", &"x".repeat(256)] {
        assert!(store.create(path).is_err(), "{path}");
        let staged = Staged::Hidden { path: ".pending/.x".to_owned() };
        let file = PendingFile { path: path.to_owned(), bytes: 0, staged };
        assert!(store.publish(&file).is_err(), "{path}");
    }
    std::fs::write(folder.path().join("precious"), b"x").unwrap();
    for staged in ["precious", ".pending/../precious", "a/.x", ".pending/x", ".pending/.x/y"] {
        let staged = Staged::Hidden { path: staged.to_owned() };
        let file = PendingFile { path: "t/x".to_owned(), bytes: 1, staged };
        assert!(store.publish(&file).is_err());
        assert!(store.abandon(&file).is_err());
    }
    assert!(folder.path().join("precious").exists());
}

const RUN: &str = "shop-20261120T000000Z-20261120T010000Z";

#[test]
fn what_is_staged_in_a_folder_is_found_with_its_run_and_can_be_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    assert_eq!(store.pending().unwrap(), [], "no folder is no trouble");
    let table = write(store.as_ref(), &format!("t/a=1/{RUN}-00000-0.parquet"), b"hello");
    let dead = write(store.as_ref(), &format!("job=shop/run={RUN}/part-00000.json.gz"), b"dead");
    let published = write(store.as_ref(), &format!("t/a=1/{RUN}-00001-0.parquet"), b"x");
    let mut open = store.create("t/other.parquet").unwrap();
    open.write_all(b"half").unwrap();
    store.publish(&published).unwrap();
    std::fs::write(folder.path().join(".pending/.nfs01"), b"of another program").unwrap();
    std::fs::create_dir(folder.path().join(".pending/.x.00000000000000ff-1.pending")).unwrap();

    let found = store.pending().unwrap();
    let known: Vec<_> = found.iter().map(|found| (found.path.clone(), found.bytes, found.run.is_some())).collect();
    assert_eq!(
        known,
        [
            ("other.parquet".to_owned(), Some(4), false),
            (format!("{RUN}-00000-0.parquet"), Some(5), true),
            (format!("{RUN}/part-00000.json.gz"), Some(4), true),
        ]
    );
    let run = found[1].run.as_ref().unwrap();
    assert_eq!(format!("{}-{}", run.job, run.window.id()), RUN);
    assert_eq!(found[1].staged, table.staged);
    assert!(found.iter().all(|found| (Clock::system().now() - found.modified).num_minutes() < 60));

    let longer = PendingFile { bytes: 6, ..table.clone() };
    let asked = [&table, &published, &dead, &longer];
    assert_eq!(store.exists(&asked).unwrap(), [true, false, true, false]);
    for found in &found[1..] {
        store.give_up(found).unwrap();
        store.give_up(found).unwrap();
    }
    assert_eq!(store.exists(&asked).unwrap(), [false; 4]);
    assert_eq!(store.pending().unwrap().len(), 1);
    assert!(folder.path().join(".pending/.nfs01").exists());
    assert!(folder.path().join(format!("t/a=1/{RUN}-00001-0.parquet")).exists());
}

#[test]
fn a_partition_may_hold_what_file_systems_and_buckets_take() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder_store(folder.path());
    // A control character of ISO 8859, which Hive does not escape.
    let file = write(store.as_ref(), "t/app=a\u{85}b/x-0.parquet", b"x");
    store.publish(&file).unwrap();
    assert!(folder.path().join("t/app=a\u{85}b/x-0.parquet").exists());
}

#[test]
fn a_sink_that_is_a_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = folder_store(&file.join("tables")).create("t/x").err().unwrap();
    assert_eq!((error.kind(), error.retry_status()), (ErrorKind::NotFound, Retry::Never), "{error}");
    assert!(error.hint_text().is_some_and(|hint| hint.contains("is a file")));
}

fn storage() -> Storage {
    let s3 = S3Config {
        endpoint: Some("http://127.0.0.1:1".to_owned()),
        anonymous: true,
        path_style: Some(true),
        ..S3Config::default()
    };
    Storage::open("s3://bucket/out", &s3, Path::new("/")).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

#[test]
fn a_bucket_gets_parts_of_one_size_and_shows_the_file_once_it_is_completed() {
    let runtime = runtime();
    let memory = Arc::new(InMemory::new());
    let store = BucketStore::new(storage(), memory.clone(), runtime.handle().clone(), Stop::default());
    let bytes: Vec<u8> = (0..PART_BYTES * 3 + 100).map(|index| (index / 1_000) as u8).collect();
    let mut writer = store.create("t/big").unwrap();
    for piece in bytes.chunks(1_000_003) {
        writer.write_all(piece).unwrap();
    }
    let file = writer.finish().unwrap();
    let Staged::Upload { parts, .. } = &file.staged else { panic!("not an upload") };
    assert_eq!((parts.len(), file.bytes), (4, bytes.len() as u64));
    let key = ObjectPath::from("out/t/big");
    assert!(runtime.block_on(memory.head(&key)).is_err(), "not visible yet");
    store.publish(&file).unwrap();
    let read = runtime.block_on(async { memory.get(&key).await.unwrap().bytes().await.unwrap() });
    assert_eq!(read, bytes);

    let empty = write(&store, "t/empty", b"");
    store.publish(&empty).unwrap();
    assert_eq!(runtime.block_on(memory.head(&ObjectPath::from("out/t/empty"))).unwrap().size, 0);
}

#[test]
fn an_upload_that_is_given_up_is_aborted() {
    let runtime = runtime();
    let memory = Arc::new(InMemory::new());
    let store = BucketStore::new(storage(), memory.clone(), runtime.handle().clone(), Stop::default());
    let key = ObjectPath::from("out/t/x");
    let is_there = |id: &str| {
        let id = id.to_owned();
        runtime.block_on(memory.put_part(&key, &id, 0, Vec::new().into())).is_ok()
    };
    // The store in memory counts its uploads from 0.
    let mut writer = store.create("t/x").unwrap();
    writer.write_all(&vec![0; PART_BYTES + 1]).unwrap();
    drop(writer);
    assert!(!is_there("0"), "a dropped writer");

    let writer = store.create("t/x").unwrap();
    drop(writer.close().unwrap());
    assert!(!is_there("1"), "a file nobody waited for");

    let file = write(&store, "t/x", b"abc");
    assert!(is_there("2"));
    store.abandon(&file).unwrap();
    assert!(!is_there("2"));
    assert!(store.publish(&file).is_err(), "what was abandoned cannot be published");
}

/// Runs against a server when `ETL_TEST_S3` is its url: `ETL_TEST_S3=http://127.0.0.1:5000 cargo test -- --ignored s3`.
#[test]
#[ignore = "needs an S3 server"]
fn s3_shows_a_file_once_it_is_completed_and_keeps_no_aborted_upload() {
    let runtime = runtime();
    let s3 = S3Config {
        endpoint: Some(std::env::var("ETL_TEST_S3").unwrap()),
        path_style: Some(true),
        anonymous: std::env::var("AWS_ACCESS_KEY_ID").is_err(),
        ..S3Config::default()
    };
    let storage = Storage::open("s3://etl-test/out", &s3, Path::new("/")).unwrap();
    let store = pending_store(&storage, runtime.handle().clone(), &Stop::default());
    let bytes: Vec<u8> = (0..PART_BYTES + 100).map(|index| (index / 1_000) as u8).collect();
    let path = "t/partition_app=a%2Fb ☃ =/x-0.parquet";
    let file = write(store.as_ref(), path, &bytes);
    let key = ObjectPath::parse(format!("out/{path}")).unwrap();
    let head = || runtime.block_on(storage.store().head(&key));
    assert!(head().is_err(), "not visible yet");
    store.publish(&file).unwrap();
    store.publish(&file).unwrap();
    assert_eq!(head().unwrap().size, bytes.len() as u64);

    let mut writer = store.create("t/dropped").unwrap();
    writer.write_all(&bytes).unwrap();
    drop(writer);
    let file = write(store.as_ref(), "t/abandoned", b"abc");
    store.abandon(&file).unwrap();
    store.abandon(&file).unwrap();
    assert!(store.publish(&file).is_err());
    let StorageKind::Bucket(bucket) = storage.kind() else { panic!("not a bucket") };
    let Staged::Upload { upload_id, parts } = &file.staged else { panic!("not an upload") };
    let parts = parts.iter().map(|part| PartId { content_id: part.clone() }).collect();
    let key = ObjectPath::from("out/t/abandoned");
    assert!(runtime.block_on(bucket.store_once().complete_multipart(&key, upload_id, parts)).is_err());
}
