//! Exit codes.

use crate::process::stop::STOPPED_CODE;
use crate::report::Outcome;
use etl_sdk::ErrorKind;

/// The exit code of a failure: 2 for usage or job file, 3 for a gate, 4 for a window that another run holds, 6 after a
/// signal, else 1.
pub fn code_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Usage | ErrorKind::Config => 2,
        ErrorKind::Gate => 3,
        ErrorKind::Held => 4,
        ErrorKind::Stopped => STOPPED_CODE,
        ErrorKind::NotFound
        | ErrorKind::Permission
        | ErrorKind::Unavailable
        | ErrorKind::Limit
        | ErrorKind::Damaged
        | ErrorKind::Internal => 1,
    }
}

/// The exit code of a command that came to its end: 0, 1 when what was compared differs, 5 when it is partly done, or that
/// of the error in its report.
pub fn code_of_outcome(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Done => 0,
        Outcome::Different => 1,
        Outcome::Partly => 5,
        Outcome::Stopped(kind) => code_of(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_a_contract() {
        let codes = [
            (ErrorKind::Usage, 2),
            (ErrorKind::Config, 2),
            (ErrorKind::Gate, 3),
            (ErrorKind::Held, 4),
            (ErrorKind::Stopped, 6),
            (ErrorKind::NotFound, 1),
            (ErrorKind::Unavailable, 1),
            (ErrorKind::Damaged, 1),
            (ErrorKind::Internal, 1),
        ];
        for (kind, code) in codes {
            assert_eq!(code_of(kind), code, "{kind:?}");
            assert_eq!(code_of_outcome(Outcome::Stopped(kind)), code, "{kind:?}");
        }
        let codes = [Outcome::Done, Outcome::Different, Outcome::Partly].map(code_of_outcome);
        assert_eq!(codes, [0, 1, 5]);
    }
}
