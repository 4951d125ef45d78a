//! How things are named on AWS.

use etl_sdk::{Error, ErrorKind, Result};

/// What stands in the names of a job's things besides themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arns {
    /// The partition: `aws`, `aws-cn` or `aws-us-gov`.
    pub partition: String,
    /// The region, if it is known.
    pub region: Option<String>,
    /// The id of the account, if it is known.
    pub account: Option<String>,
}

impl Arns {
    /// A bucket, whose name is enough everywhere.
    pub(super) fn bucket(&self, name: &str) -> String {
        format!("arn:{}:s3:::{name}", self.partition)
    }

    /// A thing of a service that belongs to an account in a region; `section` of the job file names it.
    pub(super) fn of(&self, section: &str, service: &str, resource: &str) -> Result<String> {
        let missing = |option: &str| {
            Error::new(ErrorKind::Usage, "name what the job uses")
                .with("section", section)
                .hint(format!("its name has the account and the region: add {option}"))
        };
        let region = self.region.as_ref().ok_or_else(|| missing("--region, such as --region eu-west-1"))?;
        let account = self.account.as_ref().ok_or_else(|| missing("--account, such as --account 123456789012"))?;
        Ok(format!("arn:{}:{service}:{region}:{account}:{resource}", self.partition))
    }
}
