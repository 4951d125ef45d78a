//! Memory of windows that run side by side.

use crate::limits::LimitsConfig;
use crate::text::ByteSize;

/// What each window gets at least, if the job has as much: sorting needs some.
const MIN_MEMORY: ByteSize = ByteSize::mib(16);

/// Divides `limits.memory` among windows that run at the same time.
pub fn divide_memory(limits: &mut LimitsConfig, parallel: usize) {
    if parallel > 1 {
        limits.memory = ByteSize(limits.memory.0 / parallel as u64).max(MIN_MEMORY.min(limits.memory));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_equal_and_not_too_small() {
        let shared = |memory, parallel| {
            let mut limits = LimitsConfig { memory, ..LimitsConfig::default() };
            divide_memory(&mut limits, parallel);
            limits.memory
        };
        assert_eq!(shared(ByteSize::mib(256), 1), ByteSize::mib(256));
        assert_eq!(shared(ByteSize::mib(256), 4), ByteSize::mib(64));
        assert_eq!(shared(ByteSize::mib(64), 8), MIN_MEMORY);
        assert_eq!(shared(ByteSize::mib(8), 4), ByteSize::mib(8));
    }
}
