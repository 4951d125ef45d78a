//! The arguments of `iam-policy`, for clap. Their comments are the help.

use super::options::{JobArgs, OutputArgs};
use crate::commands::IamPolicyRequest;
use crate::policy::{Arns, Purpose};
use crate::text::Malformed;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use strum::VariantArray;

pub const EXAMPLES: &str = "\
Examples:
  etl-runner iam-policy job.yaml
  etl-runner iam-policy job.yaml --account 123456789012 --region eu-west-1 --output json > policy.json
  etl-runner iam-policy job.yaml --for read --partition aws-cn

";

#[derive(Debug, Args)]
pub struct IamPolicyArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Whose permissions to print.
    #[arg(long = "for", value_enum, default_value_t = Purpose::Run, value_name = "PURPOSE")]
    purpose: Purpose,
    /// Id of the account that what the job uses is in, for services other than S3.
    #[arg(long, value_name = "ID", value_parser = account)]
    account: Option<String>,
    /// Region that it is in. Default: aws.region of the job.
    #[arg(long, value_name = "REGION")]
    region: Option<String>,
    /// Partition of AWS in the ARNs.
    #[arg(long, default_value = "aws", value_parser = ["aws", "aws-cn", "aws-us-gov"], value_name = "PARTITION")]
    partition: String,
    #[command(flatten)]
    pub output: OutputArgs,
}

impl ValueEnum for Purpose {
    fn value_variants<'a>() -> &'a [Self] {
        Self::VARIANTS
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = match self {
            Self::Run => "Commands that write, such as run, compact and gc",
            Self::Read => "Commands that only read, such as plan, status and sql",
            Self::Catalog => "Commands that bring the catalog and the tables to agree",
            Self::Load => "A warehouse that copies the tables",
            Self::Assume => "The credentials that assume aws.role",
        };
        Some(PossibleValue::new(self.name()).help(help))
    }
}

impl IamPolicyArgs {
    pub fn into_request(self) -> IamPolicyRequest {
        let arns = Arns { partition: self.partition, region: self.region, account: self.account };
        IamPolicyRequest { job: self.job.into_request(), purpose: self.purpose, arns }
    }
}

fn account(text: &str) -> Result<String, Malformed> {
    let is_id = text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_id { Ok(text.to_owned()) } else { Err(Malformed::new(text, "is no account", "write its 12 digits")) }
}
