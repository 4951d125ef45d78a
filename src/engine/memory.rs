//! Keeps a run within the memory of its container: settings are lowered before it begins, and what still grows too far
//! is stopped with an error before the system ends it without one.

use crate::job::{ByteSize, Job, LimitsConfig};
use crate::stop::{Stop, StopReason};
use etl_sdk::{Error, Result};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// The program, its plans and what is mapped of its data.
const BASE: u64 = 64 << 20;

/// Parts on their way to a bucket.
const PARTS: u64 = 64 << 20;

/// Full caches of a worker's enrichments.
const CACHES: u64 = 24 << 20;

/// What a worker has fetched of two objects.
const FETCHED: u64 = 8 << 20;

/// Least of `limits.memory` that a run is lowered to.
const LEAST_MEMORY: u64 = 16 << 20;

/// Percent of all memory that a run is planned with.
const PLANNED: u64 = 90;

/// Percent of all memory at which a run is stopped.
const STOPPED: u64 = 92;

/// How often the watchdog looks.
const LOOK: Duration = Duration::from_millis(200);

/// Numbers of a cgroup from here on mean that there is no limit.
const NO_LIMIT: u64 = 1 << 60;

/// What a job runs with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fitted {
    /// Worker threads.
    pub threads: usize,
    /// What the process may take, if anything bounds it.
    pub total: Option<u64>,
    /// What was lowered, for the report.
    pub warnings: Vec<String>,
}

/// Lowers `threads`, then the job's `limits.memory`, until the run fits into the container or `limits.memory_total`.
///
/// Fails with kind `Config` when one thread does not fit, and says what is needed at least.
pub fn fit(job: &mut Job, threads: usize) -> Result<Fitted> {
    let asked = job.config.limits.memory_total.map(|total| total.0);
    let total = [container_limit(Path::new("/")), asked].into_iter().flatten().min();
    let parts = if job.config.sink.url.starts_with("s3://") { PARTS } else { 0 };
    let row_groups = job.config.sink.row_group_bytes.0;
    fit_into(&mut job.config.limits, threads, row_groups, parts, total)
}

fn fit_into(
    limits: &mut LimitsConfig,
    threads: usize,
    row_groups: u64,
    parts: u64,
    total: Option<u64>,
) -> Result<Fitted> {
    let Some(total) = total else { return Ok(Fitted { threads, ..Fitted::default() }) };
    let planned = total / 100 * PLANNED;
    let thread = row_groups.saturating_add(CACHES + FETCHED).saturating_add(limits.record_bytes.0);
    let cost = |threads: u64, memory: u64| (thread.saturating_mul(threads)).saturating_add(BASE + parts + memory);
    let mut warnings = Vec::new();
    if limits.memory == LimitsConfig::default().memory {
        // Nobody asked for it: an eighth of a small container is enough, and it is said nowhere else.
        limits.memory = limits.memory.min(ByteSize((total / 8).max(LEAST_MEMORY)));
    }
    let room = planned.saturating_sub(BASE + parts + limits.memory.0);
    let fitting = usize::try_from(room / thread.max(1)).unwrap_or(usize::MAX).clamp(1, threads.max(1));
    if fitting < threads {
        warnings.push(format!("{fitting} of {threads} threads are used: the process may take {}", mib(total)));
    }
    if cost(1, limits.memory.0) > planned {
        let memory = planned.saturating_sub(cost(1, 0));
        if memory < LEAST_MEMORY {
            return Err(Error::config("fit the run into its memory")
                .with("may_take", mib(total))
                .with("needs", mib(cost(1, LEAST_MEMORY).div_ceil(PLANNED) * 100))
                .hint("give the process more memory, or lower sink.row_group_bytes or limits.record_bytes"));
        }
        let lowered = ByteSize(memory >> 20 << 20);
        warnings.push(format!("limits.memory is lowered to {lowered}: the process may take {}", mib(total)));
        limits.memory = lowered;
    }
    Ok(Fitted { threads: fitting, total: Some(total), warnings })
}

fn mib(bytes: u64) -> ByteSize {
    ByteSize(bytes.div_ceil(1 << 20) << 20)
}

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
    use etl_sdk::ErrorKind;

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

    fn fitted(total_mib: u64, threads: usize, memory: ByteSize) -> Result<(Fitted, ByteSize)> {
        let mut limits = LimitsConfig { memory, ..LimitsConfig::default() };
        fit_into(&mut limits, threads, 64 << 20, PARTS, Some(total_mib << 20)).map(|fitted| (fitted, limits.memory))
    }

    #[test]
    fn threads_are_lowered_first_and_then_the_memory_for_sorting() {
        let default = LimitsConfig::default().memory;
        let (roomy, memory) = fitted(8 << 10, 8, default).unwrap();
        assert_eq!((roomy.threads, memory, roomy.warnings.len()), (8, default, 0));
        let (half, memory) = fitted(1 << 10, 8, default).unwrap();
        assert!((2..8).contains(&half.threads) && memory == default, "{half:?}");
        assert!(half.warnings[0].contains("of 8 threads"), "{half:?}");
        let (small, memory) = fitted(384, 8, ByteSize::mib(512)).unwrap();
        assert_eq!((small.threads, small.warnings.len()), (1, 2));
        assert!(memory < ByteSize::mib(128) && memory >= ByteSize::mib(16), "{memory}");
        let (unasked, memory) = fitted(512, 1, default).unwrap();
        assert_eq!((unasked.warnings.len(), memory), (0, ByteSize::mib(64)));
    }

    #[test]
    fn a_container_that_is_too_small_is_told_what_is_needed() {
        let error = fitted(128, 1, LimitsConfig::default().memory).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        let needs = error.facts().iter().find(|(name, _)| *name == "needs").unwrap().1.parse::<ByteSize>().unwrap();
        assert!(fitted(needs.0 >> 20, 1, LimitsConfig::default().memory).is_ok(), "{error}");
        assert!(fitted((needs.0 >> 20) * 9 / 10, 1, LimitsConfig::default().memory).is_err(), "{error}");
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
