//! What is staged in a bucket and not published: found, asked for and given up, against every S3 server there is.

use crate::process::alone;
use crate::support::servers::{CREDENTIALS, Server, venv};
use etl_runner::output::staging::{PendingFile, PendingStore, Staged, pending_store};
use etl_runner::process::clock::Clock;
use etl_runner::process::stop::Stop;
use etl_runner::storage::{S3Config, Storage};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use tokio::runtime::Handle;

const RUN: &str = "shop-20261120T000000Z-20261120T010000Z";

/// More uploads than a server lists on one page.
const MANY: usize = 1_010;

#[test]
fn moto() {
    let Some(venv) = venv() else { return };
    // It names the answer to ListParts otherwise than S3, and says of each upload that it was begun in 2010.
    suite(&Server::moto(&venv), false);
}

#[test]
fn seaweedfs() {
    let Some(venv) = venv() else { return };
    suite(&Server::seaweedfs(&venv), true);
}

/// Runs the cases in a process of their own: credentials come from the environment, and a test may not change its own.
/// `tells_parts` says whether the server can be asked for an upload's parts.
fn suite(server: &Server, tells_parts: bool) {
    server.make_bucket("staged");
    let mut environment = vec![("ETL_TEST_S3", server.endpoint.as_str())];
    environment.extend(tells_parts.then_some(("ETL_TEST_S3_PARTS", "1")));
    environment.extend(CREDENTIALS);
    alone("pending::cases", &environment);
    let left: BTreeSet<String> = serde_json::from_value(server.s3(json!([["uploads", "staged"]])).remove(0)).unwrap();
    assert_eq!(left, BTreeSet::from(["foreign/upload".to_owned(), "out/neighbour".to_owned()]));
}

#[test]
#[ignore = "the tests of this file run it with a server"]
fn cases() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let out = open("staged/out", runtime.handle());
    let neighbours = open("staged", runtime.handle());
    stage(neighbours.as_ref(), "foreign/upload");
    found_asked_for_and_given_up(out.as_ref());
    // A prefix is a folder: what begins alike is not in it.
    stage(neighbours.as_ref(), "out2/upload");
    assert_eq!(out.pending().unwrap(), []);
    for found in neighbours.pending().unwrap().iter().filter(|found| found.path.starts_with("out2/")) {
        neighbours.give_up(found).unwrap();
    }
    more_than_a_page(out.as_ref());
    wrong_places(runtime.handle());
    stage(out.as_ref(), "neighbour");
}

fn open(place: &str, runtime: &Handle) -> Arc<dyn PendingStore> {
    let s3 = S3Config {
        endpoint: Some(std::env::var("ETL_TEST_S3").unwrap()),
        path_style: Some(true),
        ..S3Config::default()
    };
    let storage = Storage::open(&format!("s3://{place}"), &s3, Path::new("/")).unwrap();
    pending_store(&storage, runtime.clone(), &Stop::default())
}

fn stage(store: &dyn PendingStore, path: &str) -> PendingFile {
    let mut writer = store.create(path).unwrap();
    writer.write_all(b"hello").unwrap();
    writer.finish().unwrap()
}

fn found_asked_for_and_given_up(out: &dyn PendingStore) {
    assert_eq!(out.pending().unwrap(), []);
    let table = stage(out, &format!("t/partition_app=a%2Fb ☃/{RUN}-00000-0.parquet"));
    let again = stage(out, &table.path);
    let dead = stage(out, &format!("_dead_letters/job=shop/run={RUN}/part-00000.json.gz"));
    let published = stage(out, &format!("t/{RUN}-00001-0.parquet"));
    let abandoned = stage(out, &format!("t/{RUN}-00002-0.parquet"));
    out.publish(&published).unwrap();
    out.abandon(&abandoned).unwrap();

    let found = out.pending().unwrap();
    let paths: BTreeSet<_> = found.iter().map(|found| found.path.as_str()).collect();
    assert_eq!(paths, BTreeSet::from([table.path.as_str(), dead.path.as_str()]));
    assert_eq!(found.len(), 3, "two uploads of one key are two: {found:?}");
    for found in &found {
        let tells_parts = std::env::var_os("ETL_TEST_S3_PARTS").is_some();
        assert_eq!(found.bytes, tells_parts.then_some(5), "{found:?}");
        let is_new = (Clock::system().now() - found.modified).num_minutes().abs() < 60;
        assert_eq!(is_new, tells_parts, "{found:?}");
        let run = found.run.as_ref().unwrap();
        assert_eq!(format!("{}-{}", run.job, run.window.id()), RUN);
    }
    let asked = [&published, &again, &abandoned, &dead, &table];
    assert_eq!(out.exists(&asked).unwrap(), [false, true, false, true, true]);
    assert_eq!(out.exists(&[&dead]).unwrap(), [true]);
    assert_eq!(out.exists(&[]).unwrap(), [true; 0]);

    let id_of = |staged: &Staged| match staged {
        Staged::Upload { upload_id, .. } => upload_id.clone(),
        Staged::Hidden { .. } => panic!("not an upload"),
    };
    for found in found.iter().filter(|found| id_of(&found.staged) != id_of(&table.staged)) {
        out.give_up(found).unwrap();
        out.give_up(found).unwrap();
    }
    assert_eq!(out.exists(&asked).unwrap(), [false, false, false, false, true]);
    out.publish(&table).unwrap();
    assert_eq!(out.pending().unwrap(), []);
}

fn more_than_a_page(out: &dyn PendingStore) {
    let paths = (0..MANY).map(|number| format!("many/{RUN}-{number:05}-0.parquet"));
    let closing: Vec<_> = paths.map(|path| out.create(&path).unwrap().close().unwrap()).collect();
    let files: Vec<PendingFile> = closing.into_iter().map(|closing| closing.wait().unwrap()).collect();
    let found = out.pending().unwrap();
    let keys: BTreeSet<_> = found.iter().map(|found| &found.path).collect();
    assert_eq!((found.len(), keys.len()), (MANY, MANY));
    assert!(out.exists(&files.iter().collect::<Vec<_>>()).unwrap().into_iter().all(|there| there));
    for file in &files {
        out.abandon(file).unwrap();
    }
    assert_eq!(out.pending().unwrap(), []);
}

fn wrong_places(runtime: &Handle) {
    let error = open("no-such-bucket/out", runtime).pending().unwrap_err();
    assert_eq!(error.kind(), etl_runner::ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("no-such-bucket") && error.hint_text().is_some(), "{error}");
}
