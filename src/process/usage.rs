//! What the process has used so far.

use nix::sys::resource::{UsageWho, getrusage};
use std::fs;

/// Resources of the process since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// User and system time of all threads.
    pub cpu_seconds: f64,
    /// Most resident memory of this program.
    pub peak_memory_bytes: u64,
}

/// Asks the system. Zeros if it does not answer: a report without them is better than no report.
pub fn now() -> Usage {
    let Ok(usage) = getrusage(UsageWho::RUSAGE_SELF) else { return Usage::default() };
    let seconds = |time: nix::sys::time::TimeVal| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6;
    // Kibibytes on Linux, bytes on macOS.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    let max_rss = u64::try_from(usage.max_rss()).unwrap_or(0) * unit;
    Usage {
        cpu_seconds: seconds(usage.user_time()) + seconds(usage.system_time()),
        peak_memory_bytes: high_water().unwrap_or(max_rss),
    }
}

/// The peak since the program began, from Linux. What `getrusage` says begins with the peak of the process that started it.
fn high_water() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_that_was_touched_is_in_the_peak() {
        let block = vec![1u8; 32 << 20];
        assert!(super::now().peak_memory_bytes > block.iter().step_by(4096).count() as u64 * 4096);
    }
}
