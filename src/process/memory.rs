//! Keeps a run within the memory of its container: settings are lowered before it begins, and what still grows too far
//! is stopped with an error before the system ends it without one.

use super::stop::{LAST_MOMENT, Stop, StopReason};
use etl_sdk::{Error, Result};
use std::fs;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// What a process may take that nothing else bounds, unless its settings need more.
pub const USUAL_TOTAL: u64 = 1 << 30;

/// Percent of all memory at which work is stopped.
const STOPPED: u64 = 92;

/// Percent at which the process ends at once: what does not look at its token in time is about to use up the rest.
const ENDED: u64 = 97;

/// The exit code of a process that ends so.
const ENDED_CODE: i32 = 1;

/// Time for telling why, to a reader who may not read.
const TELLING: Duration = Duration::from_secs(1);

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(25);

/// Most bytes of mapped files that count.
const MAPPED: u64 = 96 << 20;

/// Numbers of a cgroup from here on mean that there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// What the process may take: the least of its container and of what was asked for, and [`USUAL_TOTAL`] without either.
pub fn total(asked: Option<u64>) -> u64 {
    bounds(asked).unwrap_or(USUAL_TOTAL)
}

/// The least of the container's limit and of what was asked for.
pub fn bounds(asked: Option<u64>) -> Option<u64> {
    [container(), asked].into_iter().flatten().min()
}

/// Stops the process's work before its memory is used up; see [`StopReason::Memory`]. Where that does not help in time,
/// `tell` says why and the process ends: what it does can be killed at any instant. Work that looks at its token often has
/// `grace` to end by itself. Does nothing where the system does not
/// tell how much is used.
pub fn watch(limit: u64, grace: Duration, stop: &Stop, tell: impl FnOnce(&Error) + Send + 'static) -> Result<()> {
    let stop = stop.clone();
    let look = move || {
        let mut stopped: Option<Instant> = None;
        while let Some(used) = used_memory(Path::new("/")) {
            let since = stopped.map_or(Duration::ZERO, |at| at.elapsed());
            let verdict = judge(used, limit, since, grace);
            if verdict != Verdict::Fine {
                stopped.get_or_insert_with(Instant::now);
                stop.set(StopReason::Memory { used, limit });
            }
            if verdict == Verdict::End {
                end(StopReason::Memory { used, limit }.error(), tell);
            }
            std::thread::sleep(LOOK);
        }
    };
    let thread = std::thread::Builder::new().name("memory".to_owned()).spawn(look);
    thread.map(|_| ()).map_err(|error| Error::internal("watch the memory").source(error))
}

/// What is to be done about the memory in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Fine,
    Stop,
    End,
}

/// `since` is how long work has been stopped for its memory.
fn judge(used: u64, limit: u64, since: Duration, grace: Duration) -> Verdict {
    let above = |percent: u64| used > limit / 100 * percent;
    match (above(STOPPED), (above(ENDED) && since >= grace) || since > LAST_MOMENT) {
        (false, _) => Verdict::Fine,
        (true, false) => Verdict::Stop,
        (true, true) => Verdict::End,
    }
}

fn end(error: Error, tell: impl FnOnce(&Error) + Send + 'static) -> ! {
    let (told, wait) = mpsc::channel();
    std::thread::spawn(move || {
        tell(&error);
        told.send(())
    });
    let _late = wait.recv_timeout(TELLING);
    std::process::exit(ENDED_CODE)
}

/// Resident memory of the process. Of mapped files as much as the program's own may be: the system takes back the pages of a
/// database when others need them.
fn used_memory(root: &Path) -> Option<u64> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().ok()
    };
    let mapped = kib("RssFile").unwrap_or(0) << 10;
    Some(((kib("RssAnon")? + kib("RssShmem").unwrap_or(0)) << 10) + mapped.min(MAPPED))
}

/// What the container of the process may take, if anything bounds it.
pub fn container() -> Option<u64> {
    container_limit(Path::new("/"))
}

/// The least memory limit of the cgroups that the process is in, of version 2 or 1.
fn container_limit(root: &Path) -> Option<u64> {
    let own = fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let mut limits = Vec::new();
    for line in own.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            names if names.split(',').any(|name| name == "memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
            _ => continue,
        };
        let mount = root.join(mount);
        let own = mount.join(path.trim_start_matches('/'));
        // A container may see its own cgroup as the root of all, under a path that is only right outside of it.
        for folder in own.ancestors().take_while(|folder| folder.starts_with(&mount)) {
            let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
            limits.extend(text.trim().parse::<u64>().ok().filter(|limit| *limit < NO_LIMIT));
        }
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root folder with files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn the_least_limit_of_all_cgroups_counts() {
        for (files, limit) in [
            (vec![("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "536870912\n")], Some(512 << 20)),
            (vec![("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/memory.max", "max\n")], None),
            (
                vec![
                    ("proc/self/cgroup", "0::/a/b\n"),
                    ("sys/fs/cgroup/a/memory.max", "1000\n"),
                    ("sys/fs/cgroup/a/b/memory.max", "max\n"),
                ],
                Some(1_000),
            ),
            // The path of the host, which the container does not see.
            (vec![("proc/self/cgroup", "0::/ecs/task\n"), ("sys/fs/cgroup/memory.max", "2000\n")], Some(2_000)),
            (
                vec![
                    ("proc/self/cgroup", "11:cpu,cpuacct:/x\n4:memory:/docker/abc\n"),
                    ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "3000\n"),
                    ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ],
                Some(3_000),
            ),
            (vec![("proc/self/cgroup", "nonsense\n")], None),
            (vec![], None),
        ] {
            assert_eq!(container_limit(root(&files).path()), limit, "{files:?}");
        }
    }

    #[test]
    fn used_memory_is_read_and_the_own_process_has_some() {
        let status = "Name:\tx\nRssAnon:\t    1000 kB\nRssFile:\t   100 kB\nRssShmem:\t    24 kB\n";
        assert_eq!(used_memory(root(&[("proc/self/status", status)]).path()), Some(1_124 << 10));
        assert_eq!(used_memory(root(&[]).path()), None);
    }

    #[test]
    fn work_is_stopped_and_ends_when_that_does_not_help() {
        let judged = |used, seconds| judge(used, 1_000, Duration::from_secs(seconds), Duration::ZERO);
        assert_eq!([900, 920].map(|used| judged(used, 60)), [Verdict::Fine; 2]);
        assert_eq!([921, 970].map(|used| judged(used, 0)), [Verdict::Stop; 2]);
        assert_eq!((judged(971, 0), judged(921, 10), judged(2_000, 0)), (Verdict::End, Verdict::End, Verdict::End));
        assert_eq!(judge(2_000, 1_000, Duration::ZERO, Duration::from_secs(1)), Verdict::Stop);
    }

    #[test]
    fn what_was_asked_for_bounds_the_process() {
        assert!(total(Some(1 << 20)) <= 1 << 20);
        assert!(total(None) > 0);
    }
}
