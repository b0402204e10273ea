//! `kokpit doctor`: what was looked at, line by line, with what to do.

use super::FOUND;
use super::args::{Args, Output};
use crate::app::doctor::{self, Finding, Level};
use anyhow::Result;
use serde_json::json;
use std::io::Write;
use std::process::ExitCode;

/// `kokpit doctor`: exit status 1 where something fails.
///
/// # Errors
/// When nobody reads it.
pub async fn run(args: &Args, output: Output) -> Result<ExitCode> {
    let findings = doctor::examine(&args.global).await;
    let mut out = std::io::stdout().lock();
    match output {
        Output::Json => writeln!(out, "{:#}", json!({"findings": findings.iter().map(as_json).collect::<Vec<_>>()}))?,
        Output::Text => {
            for finding in &findings {
                writeln!(out, "{:<5} {:<18} {}", finding.level.word(), finding.area, finding.text)?;
                if !finding.advice.is_empty() {
                    writeln!(out, "{:<24} → {}", "", finding.advice)?;
                }
            }
        }
    }
    let failed = findings.iter().any(|finding| finding.level == Level::Fail);
    Ok(if failed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({"area": finding.area, "level": finding.level.word(), "text": finding.text, "advice": finding.advice})
}
