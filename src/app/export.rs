//! Writes rows to a file or hands them to the clipboard, away from the screen.

use super::effects::reach;
use super::inbox::Sender;
use super::session::Session;
use crate::cluster::api::{ApiError, encode};
use crate::effect::export::{Export, Format, Target};
use crate::kinds::yaml::{self, Options};
use crate::msg::{Level, Msg};
use crate::state::grid;
use crate::world::choice::{Choice, evaluate};
use crate::world::csv;
use crate::world::row::{Cell, Unpacker};
use serde_json::Value;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that the clipboard takes: terminals cut or drop more in OSC 52.
const CLIPBOARD: usize = 64 * 1024;
/// Objects that are fetched one by one because they are not kept.
const FETCHED: usize = 1000;
/// Names tried before giving up.
const NAMES: usize = 1000;

/// Writes, and says what came of it.
pub async fn run(session: Arc<Session>, sender: Sender, export: Export) {
    let count = export.rows.len();
    let rows = format!("{count} row{}", if count == 1 { "" } else { "s" });
    let fetched = match export.format {
        Format::Csv => Ok(HashMap::new()),
        Format::Json | Format::Yaml => fetch(&session, &export).await,
    };
    let written = match fetched {
        Ok(fetched) => tokio::task::spawn_blocking(move || deliver(&session, &export, &fetched))
            .await
            .unwrap_or_else(|e| Err(e.to_string())),
        Err(e) => Err(e),
    };
    match written {
        Ok(Delivered::Text(text)) => sender.send(Msg::Exported { text, said: format!("copied {rows}") }),
        Ok(Delivered::File(file)) => {
            sender.send(Msg::Notice(Level::Info, format!("{rows} written to {}", file.display())));
        }
        Err(e) => sender.send(Msg::Notice(Level::Error, format!("export of {rows}: {e}"))),
    }
}

enum Delivered {
    Text(String),
    File(PathBuf),
}

/// The objects that are not kept, by the place of their row.
async fn fetch(session: &Session, export: &Export) -> Result<HashMap<usize, Value>, String> {
    let missing: Vec<usize> = (0..export.rows.len()).filter(|n| !export.rows[*n].raw.is_kept()).collect();
    if missing.len() > FETCHED {
        return Err(format!(
            "{} objects of {} would have to be fetched one by one; mark at most {FETCHED}, or write CSV",
            missing.len(),
            export.resource
        ));
    }
    let mut found = HashMap::new();
    for n in missing {
        let row = &export.rows[n];
        let object = async {
            let (api, kind) = reach(session, row.cluster, &export.resource).await?;
            api.get(&kind.object_path(&row.namespace, &encode(&row.name))).await
        };
        found.insert(n, object.await.map_err(|e: ApiError| format!("{} cannot be read: {e}", row.name))?);
    }
    Ok(found)
}

fn deliver(session: &Session, export: &Export, fetched: &HashMap<usize, Value>) -> Result<Delivered, String> {
    match &export.target {
        Target::Clipboard => {
            let mut text = Limited(Vec::new());
            write(session, export, fetched, &mut text).map_err(|e| e.to_string())?;
            Ok(Delivered::Text(String::from_utf8_lossy(&text.0).into_owned()))
        }
        Target::File(wanted) => {
            let (file, name) = create(wanted).map_err(|e| format!("{} cannot be made: {e}", wanted.display()))?;
            let mut out = BufWriter::new(file);
            let written = write(session, export, fetched, &mut out).and_then(|()| out.flush());
            written.map_err(|e| {
                // Half a file would pass for a whole one.
                let _ = std::fs::remove_file(&name);
                format!("{} cannot be written: {e}", name.display())
            })?;
            Ok(Delivered::File(std::fs::canonicalize(&name).unwrap_or(name)))
        }
    }
}

/// A new file of this name, or of the first free one like it: `pods-1.csv`. Only its owner can read it.
fn create(wanted: &Path) -> io::Result<(File, PathBuf)> {
    use std::os::unix::fs::OpenOptionsExt;
    let stem = wanted.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let ending = wanted.extension().map_or_else(String::new, |e| format!(".{}", e.to_string_lossy()));
    let names = std::iter::once(wanted.to_path_buf())
        .chain((1..NAMES).map(|n| wanted.with_file_name(format!("{stem}-{n}{ending}"))));
    for name in names {
        match File::options().write(true).create_new(true).mode(0o600).open(&name) {
            Ok(file) => return Ok((file, name)),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "so are all names like it"))
}

fn write(session: &Session, export: &Export, fetched: &HashMap<usize, Value>, out: &mut dyn Write) -> io::Result<()> {
    let mut unpacker = Unpacker::default();
    if export.format == Format::Csv {
        return write_csv(export, &mut unpacker, out);
    }
    if export.format == Format::Json {
        write!(out, "{{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[")?;
    }
    for (n, row) in export.rows.iter().enumerate() {
        let kept: Option<Value> = unpacker.json(&row.raw).and_then(|json| serde_json::from_slice(json).ok());
        let Some(object) = kept.or_else(|| fetched.get(&n).cloned()) else {
            return Err(io::Error::other(format!("{} cannot be read any more", row.name)));
        };
        match export.format {
            Format::Json => {
                writeln!(out, "{}", if n == 0 { "" } else { "," })?;
                serde_json::to_writer_pretty(&mut *out, &yaml::shown(&object, Options::default()))?;
            }
            _ => {
                writeln!(out, "---\n# cluster {}", session.context(row.cluster).name)?;
                for line in yaml::lines(&object, Options::default()) {
                    writeln!(out, "{line}")?;
                }
            }
        }
    }
    if export.format == Format::Json {
        writeln!(out, "\n]}}")?;
    }
    Ok(())
}

fn write_csv(export: &Export, unpacker: &mut Unpacker, out: &mut dyn Write) -> io::Result<()> {
    let paths: Vec<Choice> = export.paths.iter().map(|(_, choice)| choice.clone()).collect();
    out.write_all(csv::line(export.titles.iter().map(String::as_str)).as_bytes())?;
    for row in &export.rows {
        let mut cells = row.cells.clone();
        if !paths.is_empty() {
            for ((at, _), cell) in export.paths.iter().zip(evaluate(&paths, unpacker, &row.raw)) {
                if let Some(place) = cells.get_mut(*at) {
                    *place = cell;
                }
            }
        }
        let texts = cells.iter().map(|cell| match cell {
            Cell::Empty => String::new(),
            cell => grid::text(cell, export.now),
        });
        let texts: Vec<String> = texts.collect();
        out.write_all(csv::line(texts.iter().map(String::as_str)).as_bytes())?;
    }
    Ok(())
}

/// As much as the clipboard takes.
struct Limited(Vec<u8>);

impl Write for Limited {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > CLIPBOARD {
            return Err(io::Error::other("this is more than the clipboard takes (64 KiB); write a file"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_ever_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let wanted = dir.path().join("pods.csv");
        for name in ["pods.csv", "pods-1.csv", "pods-2.csv"] {
            let (_, made) = create(&wanted).unwrap();
            assert_eq!(made, dir.path().join(name));
        }
        assert!(create(&dir.path().join("no/such/directory.csv")).is_err());
    }
}
