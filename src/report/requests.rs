//! What a run asked of buckets.

use crate::process::traffic::{Call, Counts, Traffic};
use crate::text::{bytes, count, counted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Requests to S3. Each attempt is one, and is billed as one unless it failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct S3Report {
    /// All of them.
    pub requests: u64,
    /// Without an answer, or answered by 5xx or 429: they are tried again as `limits.retry` says.
    pub failed: u64,
    /// Answered by another 4xx: of an object that is not there, or one that was to be created and is there.
    pub refused: u64,
    /// Bytes of bodies that were sent.
    pub bytes_sent: u64,
    /// Bytes of bodies that arrived.
    pub bytes_received: u64,
    /// The same by place and operation, sorted by them.
    pub operations: Vec<OperationReport>,
}

/// Requests of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperationReport {
    /// `source`, `sink`, `state` or `dead_letter`.
    pub place: String,
    /// As S3 names it: `PutObject`.
    pub operation: String,
    /// All of them.
    pub requests: u64,
    /// As of all.
    pub failed: u64,
    /// As of all.
    pub refused: u64,
    /// As of all.
    pub bytes_sent: u64,
    /// As of all.
    pub bytes_received: u64,
}

impl S3Report {
    /// What was asked; `None` when nothing was.
    pub fn of(traffic: &Traffic) -> Option<Self> {
        let operation = |(call, counts): (&Call, &Counts)| OperationReport {
            place: call.place.to_owned(),
            operation: call.operation.to_owned(),
            requests: counts.requests,
            failed: counts.failed,
            refused: counts.refused,
            bytes_sent: counts.bytes_sent,
            bytes_received: counts.bytes_received,
        };
        let sum = |of: fn(&Counts) -> u64| traffic.values().map(of).sum();
        (!traffic.is_empty()).then(|| Self {
            requests: sum(|counts| counts.requests),
            failed: sum(|counts| counts.failed),
            refused: sum(|counts| counts.refused),
            bytes_sent: sum(|counts| counts.bytes_sent),
            bytes_received: sum(|counts| counts.bytes_received),
            operations: traffic.iter().map(operation).collect(),
        })
    }

    /// In two lines for a person: all of it, and by operation over all places.
    pub(super) fn lines(&self) -> [(&'static str, String); 2] {
        let mut parts = vec![counted(self.requests, "request")];
        for (name, number) in [("failed", self.failed), ("refused", self.refused)] {
            parts.extend((number > 0).then(|| format!("{} {name}", count(number))));
        }
        parts.push(format!("{} received", bytes(self.bytes_received)));
        parts.push(format!("{} sent", bytes(self.bytes_sent)));
        let mut by_operation: BTreeMap<&str, u64> = BTreeMap::new();
        for operation in &self.operations {
            *by_operation.entry(&operation.operation).or_default() += operation.requests;
        }
        let mut sorted: Vec<_> = by_operation.into_iter().collect();
        // The most frequent first: that is what costs.
        sorted.sort_by_key(|(name, requests)| (std::cmp::Reverse(*requests), *name));
        let sorted: Vec<String> =
            sorted.iter().map(|(name, requests)| format!("{} {name}", count(*requests))).collect();
        [("s3", parts.join(", ")), ("s3 requests", sorted.join(", "))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_summed_up_by_operation() {
        let counts = |requests, failed| Counts {
            requests,
            failed,
            refused: 0,
            bytes_sent: 10 * requests,
            bytes_received: 2_048 * requests,
        };
        let traffic = [
            (("source", "GetObject"), counts(1_200, 1)),
            (("state", "GetObject"), counts(3, 0)),
            (("state", "PutObject"), counts(4, 0)),
        ]
        .map(|((place, operation), counts)| (Call { place, operation }, counts));
        let report = S3Report::of(&traffic.into()).unwrap();
        assert_eq!((report.requests, report.operations.len()), (1_207, 3));
        let lines = report.lines().map(|(name, text)| format!("{name}: {text}"));
        assert_eq!(
            lines,
            [
                "s3: 1,207 requests, 1 failed, 2.4 MiB received, 11.8 KiB sent",
                "s3 requests: 1,203 GetObject, 4 PutObject",
            ]
        );
        assert_eq!(S3Report::of(&Traffic::new()), None);
    }
}
