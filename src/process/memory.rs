//! Keeps a run within the memory of its container: settings are lowered before it begins, and what still grows too far
//! is stopped with an error before the system ends it without one.

use super::stop::{Stop, StopReason};
use etl_sdk::{Error, Result};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Percent of all memory at which a run is stopped.
const STOPPED: u64 = 92;

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(200);

/// Numbers of a cgroup from here on mean that there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// Stops the process's runs before its memory is used up; see [`StopReason::Memory`]. Does nothing where the system does
/// not tell how much is used.
pub fn watch(total: Option<u64>, stop: &Stop) -> Result<()> {
    let Some(limit) = total else { return Ok(()) };
    let stop = stop.clone();
    let look = move || {
        while let Some(used) = used_memory(Path::new("/")) {
            if used > limit / 100 * STOPPED {
                stop.set(StopReason::Memory { used, limit });
            }
            if stop.sleep(LOOK).is_err() {
                return;
            }
        }
    };
    let thread = std::thread::Builder::new().name("memory".to_owned()).spawn(look);
    thread.map(|_| ()).map_err(|error| Error::internal("watch the memory").source(error))
}

/// Resident memory of the process that nothing but its end gives back: pages of mapped files are not in it.
fn used_memory(root: &Path) -> Option<u64> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().trim_end_matches("kB").trim().parse().ok()
    };
    Some((kib("RssAnon")? + kib("RssShmem").unwrap_or(0)) << 10)
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
        let status = "Name:\tx\nRssAnon:\t    1000 kB\nRssFile:\t   99 kB\nRssShmem:\t    24 kB\n";
        assert_eq!(used_memory(root(&[("proc/self/status", status)]).path()), Some(1_024 << 10));
        assert_eq!(used_memory(root(&[]).path()), None);
    }

    #[test]
    fn a_watchdog_stops_what_takes_too_much() {
        let stop = Stop::default();
        watch(None, &stop).unwrap();
        assert!(!stop.is_set());
        watch(Some(1 << 20), &stop).unwrap();
        let reason = futures::executor::block_on(stop.stopped());
        assert!(matches!(reason, StopReason::Memory { limit, used } if limit == 1 << 20 && used > limit));
    }
}
