//! `kokpit completion` and `kokpit man`: what a shell and a pager know of the arguments.

use super::args::Args;
use anyhow::Result;
use clap::CommandFactory;
use clap_complete::Shell;
use std::io::Write;
use std::process::ExitCode;

/// `kokpit completion`
///
/// # Errors
/// When nobody reads it.
pub fn completion(shell: Shell) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "kokpit", &mut text);
    print(&text)
}

/// `kokpit man`: one page, every command with its options.
///
/// # Errors
/// When nobody reads it.
pub fn man() -> Result<ExitCode> {
    let mut command = Args::command();
    command.build();
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(command.clone());
    page.render(&mut text)?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        // A page of its own without title and trailer: a chapter here.
        let title = format!(".SH \"KOKPIT {}\"\n", sub.get_name().to_uppercase());
        text.extend_from_slice(title.as_bytes());
        let chapter = clap_mangen::Man::new(sub.clone());
        chapter.render_synopsis_section(&mut text)?;
        chapter.render_description_section(&mut text)?;
        chapter.render_options_section(&mut text)?;
    }
    print(&text)
}

/// A pipe that is closed early (`kokpit man | head`) is no error.
fn print(text: &[u8]) -> Result<ExitCode> {
    match std::io::stdout().lock().write_all(text) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
