//! `iam-policy`: what a job may do on AWS, and no more.

use super::request::IamPolicyRequest;
use super::session::Session;
use crate::policy::{Facts, Policy, Purpose, policy_of};
use crate::process::stop::Stop;
use crate::report::Outcome;
use crate::screen::Printer;
use etl_sdk::{Error, Result};
use std::fmt::Write;

/// Prints the policy that follows from the job file; nothing else is read.
pub fn run(request: &IamPolicyRequest, printer: &Printer) -> Result<Outcome> {
    let session = Session::open(&request.job, Stop::default(), printer)?;
    let facts = Facts::of(&session.job, &request.arns, request.purpose)?;
    let policy = policy_of(&facts, request.purpose);
    if policy.statements.is_empty() {
        return Err(nothing(&session.job.config.job, request.purpose, &facts));
    }
    if printer.is_json() {
        printer.json(&policy)?;
    } else {
        printer.result(&screen(&session.job.config.job, request.purpose, &facts, &policy))?;
    }
    Ok(Outcome::Done)
}

/// IAM takes no policy without a statement.
fn nothing(job: &str, purpose: Purpose, facts: &Facts) -> Error {
    let error = Error::config("write the policy").with("job", job).with("for", purpose.name());
    if purpose == Purpose::Assume {
        return error.source("the job assumes no role").hint("aws.role names one");
    }
    error
        .source(format!("it uses nothing of AWS; {}", facts.without.join("; ")))
        .hint("say where the job will read and write, as in --set sink.url=s3://BUCKET/PREFIX")
}

fn screen(job: &str, purpose: Purpose, facts: &Facts, policy: &Policy) -> String {
    let mut text = format!("policy: job {job}, for {}, {} statements\n", purpose.name(), policy.statements.len());
    for statement in &policy.statements {
        let _ = writeln!(text, "\n{}: {}", statement.sid, statement.why);
        let _ =
            writeln!(text, "  {:<5} {}", format!("{:?}", statement.effect).to_lowercase(), statement.action.join(", "));
        for resource in &statement.resource {
            let _ = writeln!(text, "  on    {resource}");
        }
        for (operator, keys) in &statement.condition {
            for (key, values) in keys {
                let _ = writeln!(text, "  if    {operator} {key} {}", values.join(", "));
            }
        }
    }
    let mut notes = facts.without.iter().map(|what| format!("no statement for {what}")).collect::<Vec<_>>();
    if let Some(role) = facts.role.as_ref().filter(|_| matches!(purpose, Purpose::Run | Purpose::Read)) {
        notes.push(format!("it belongs to the role {role}; what assumes that needs `--for assume`"));
    }
    if !notes.is_empty() {
        let _ = writeln!(text, "\n{}", notes.join("\n"));
    }
    text
}
