//! The arguments of `explain`, for clap. Their comments are the help.

use super::args::{OutputArgs, SetArgs};
use super::usage;
use crate::commands::TrafficRequest;
use clap::{Args, Subcommand};
use etl_sdk::Result;
use std::path::PathBuf;

pub(super) const EXAMPLES: &str = "\
Examples:
  etl-runner explain source
  etl-runner explain source.framing
  etl-runner explain job --output json
  etl-runner explain traffic-source --url https://shop.example/?utm_source=news";

const TRAFFIC_EXAMPLES: &str = "\
Examples:
  etl-runner explain traffic-source --url https://shop.example/ --referrer https://www.google.com/
  etl-runner explain traffic-source --job job.yaml --app shop --utm-source newsletter
  etl-runner explain traffic-source --rules rules --app shop --url 'https://shop.example/?gclid=1' --output json";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct ExplainArgs {
    /// A name that `list` prints, `job`, a section such as `source`, or a key such as `source.framing`.
    #[arg(required = true)]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) output: OutputArgs,
    #[command(subcommand)]
    pub(super) of: Option<ExplainCommand>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ExplainCommand {
    /// Explain where the clickstream rules say that a visit came from, and which rule says so.
    #[command(after_help = TRAFFIC_EXAMPLES)]
    TrafficSource(TrafficArgs),
}

#[derive(Debug, Args)]
pub(super) struct TrafficArgs {
    /// The page's url, the attribute `_page_url`.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// What led to the page, `_page_referrer`.
    #[arg(long, value_name = "URL")]
    referrer: Option<String>,
    /// What led to the site, `_latest_referrer`.
    #[arg(long, value_name = "URL")]
    latest_referrer: Option<String>,
    /// Its host, `_latest_referrer_host`. The SDK sends it beside `_latest_referrer`, and the rules do not work it out.
    #[arg(long, value_name = "HOST")]
    latest_referrer_host: Option<String>,
    /// The event's `host_name`.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// A source that the client sent, `_utm_source`.
    #[arg(long, value_name = "TEXT")]
    utm_source: Option<String>,
    /// A medium that the client sent, `_utm_medium`.
    #[arg(long, value_name = "TEXT")]
    utm_medium: Option<String>,
    /// A campaign that the client sent, `_utm_campaign`.
    #[arg(long, value_name = "TEXT")]
    utm_campaign: Option<String>,
    /// Any other attribute of the event, such as `_gclid=x` or `_traffic_source_category=Social`; may be repeated.
    #[arg(long = "attribute", value_name = "KEY=VALUE")]
    attributes: Vec<String>,
    /// The app. Default: the job's first, else the only one that has rules.
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Folder or s3:// prefix of rules. Default: the rules that come with the program.
    #[arg(long, value_name = "FOLDER", conflicts_with = "job")]
    rules: Option<String>,
    /// Take rules and options from this job file.
    #[arg(long, value_name = "FILE")]
    job: Option<PathBuf>,
    /// As `compat: reference` in the job file.
    #[arg(long, conflicts_with = "job")]
    reference: bool,
    #[command(flatten)]
    set: SetArgs,
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

impl ExplainArgs {
    pub fn output(&self) -> OutputArgs {
        match &self.of {
            Some(ExplainCommand::TrafficSource(traffic)) => traffic.output,
            None => self.output,
        }
    }
}

impl TrafficArgs {
    pub fn into_request(self) -> Result<TrafficRequest> {
        let named = [
            ("_page_url", self.url),
            ("_page_referrer", self.referrer),
            ("_latest_referrer", self.latest_referrer),
            ("_latest_referrer_host", self.latest_referrer_host),
            ("_utm_source", self.utm_source),
            ("_utm_medium", self.utm_medium),
            ("_utm_campaign", self.utm_campaign),
        ];
        let mut attributes: Vec<(String, String)> =
            named.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        for attribute in self.attributes {
            let Some((key, value)) = attribute.split_once('=') else {
                return Err(usage("an attribute without a value", "write --attribute KEY=VALUE"));
            };
            attributes.push((key.to_owned(), value.to_owned()));
        }
        Ok(TrafficRequest {
            attributes,
            host_name: self.host,
            app: self.app,
            rules: self.rules,
            job_file: self.job,
            overrides: self.set.overrides,
            reference: self.reference,
        })
    }
}
