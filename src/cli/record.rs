//! `kokpit record`: a cluster's state in a file, to send with a question or to keep as a test.

use super::args::{Args, Record};
use crate::app::record::{Recorded, record};
use crate::app::session::Session;
use anyhow::{Context as _, Result, anyhow};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs `kokpit record`.
///
/// # Errors
/// When the cluster cannot be reached or the file cannot be written.
pub async fn run(args: &Args, options: &Record) -> Result<ExitCode> {
    let session = Session::start(&args.global, None, Arc::new(|_, _| {})).await?;
    let cluster = session.one()?;
    let context = session.context(cluster).name.clone();
    let namespace = args.global.namespace.as_deref();
    let recorded = record(&session.hub, cluster, namespace).await.map_err(|e| anyhow!("{context}: {e}"))?;
    if options.output.as_deref() == Some(Path::new("-")) {
        writeln!(std::io::stdout().lock(), "{}", recorded.document)?;
        return Ok(ExitCode::SUCCESS);
    }
    let path = options.output.clone().unwrap_or_else(|| default_name(&context, &recorded));
    write(&path, &recorded)?;
    println!("{}", summary(&path, &recorded));
    Ok(ExitCode::SUCCESS)
}

/// `prod-eu-20261121T093000Z.json.gz`
fn default_name(context: &str, recorded: &Recorded) -> PathBuf {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '-' };
    let at = recorded.document["recordedAt"].as_str().unwrap_or_default().replace(['-', ':'], "");
    PathBuf::from(format!("{}-{at}.json.gz", context.chars().map(plain).collect::<String>()))
}

/// Writes beside the place and moves it there when it is whole; nobody else may read it.
fn write(path: &Path, recorded: &Recorded) -> Result<()> {
    let told = || format!("cannot write {}", path.display());
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder).with_context(told)?;
    if path.extension().is_some_and(|e| e == "gz") {
        let mut zip = GzEncoder::new(&mut file, Compression::default());
        serde_json::to_writer(&mut zip, &recorded.document).with_context(told)?;
        zip.finish().with_context(told)?;
    } else {
        serde_json::to_writer(&mut file, &recorded.document).with_context(told)?;
    }
    file.persist(path).with_context(told)?;
    Ok(())
}

fn summary(path: &Path, recorded: &Recorded) -> String {
    let Recorded { objects, logs, redacted, .. } = recorded;
    let mut text = format!(
        "{}: {objects} objects, {logs} logs; values of Secrets were not read, {redacted} other values were replaced.\n\
         Look through it before you give it away. Open it with: kokpit --from {0}",
        path.display()
    );
    for (kind, why) in &recorded.unreadable {
        text += &format!("\nnot in it: {kind} ({why})");
    }
    text
}
