//! A panic at any point is a failed run: one error, one JSON value, no backtrace, and the next run is done.

use crate::support::events::good;
use crate::support::{Scene, WINDOW, command};
use serde_json::{Value, json};

#[test]
fn a_panic_on_any_thread_is_an_error_like_others() {
    for point in ["task.finished", "run.planned", "run.merged", "commit.before_entry"] {
        let scene = Scene::new();
        scene.raw("batch.log", good("e1"));
        let run = |environment: &[(&str, &str)]| {
            let arguments =
                ["run", "job.yaml", "--window", WINDOW, "--now", "2026-11-21T00:00:00Z", "--output", "json"];
            command(&scene.path("")).args(arguments).envs(environment.iter().copied()).output().unwrap()
        };
        let order = format!("{point}=panic");
        let output = run(&[("ETL_FAILPOINT", &order), ("RUST_BACKTRACE", "1")]);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{point}: {stderr}");
        let report: Value = serde_json::from_str(&stdout).unwrap_or_else(|error| panic!("{point}: {error}: {stdout}"));
        assert_eq!(report["status"], "failed", "{point}: {stdout}");
        assert_eq!(report["error"]["kind"], "internal", "{point}: {stdout}");
        let message = report["error"]["message"].as_str().unwrap();
        assert!(message.contains("ordered at") && message.contains("src/process/failpoint.rs"), "{point}: {message}");
        assert_eq!(stderr.matches("error:").count(), 1, "{point}: {stderr}");
        assert!(!stderr.contains("stack backtrace") && !stderr.contains("thread '"), "{point}: {stderr}");
        let again = run(&[]);
        let report: Value = serde_json::from_slice(&again.stdout).unwrap();
        assert_eq!((again.status.code(), &report["status"]), (Some(0), &json!("done")), "{point}");
    }
}
