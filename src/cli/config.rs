//! `kokpit config`: the configuration file, written, checked, described.

use super::FOUND;
use super::args::ConfigCommand;
use crate::config::{self, Paths, keys};
use anyhow::{Result, anyhow};
use std::process::ExitCode;

/// `kokpit config`
///
/// # Errors
/// When there is no home directory, or the file is there already (`init`).
pub fn run(command: ConfigCommand) -> Result<ExitCode> {
    let file = || Paths::from_env().map(|paths| paths.config_file()).map_err(|e| anyhow!(e));
    match command {
        ConfigCommand::Path => println!("{}", file()?.display()),
        ConfigCommand::Schema => println!("{:#}", keys::schema()),
        ConfigCommand::Init => {
            let file = file()?;
            config::init(&file).map_err(|e| anyhow!(e))?;
            println!("{} is written; nothing in it is set yet", file.display());
        }
        ConfigCommand::Check => {
            let file = file()?;
            let problems = config::load(&file).problems;
            problems.iter().for_each(|problem| println!("{problem}"));
            if !problems.is_empty() {
                return Ok(ExitCode::from(FOUND));
            }
            match file.exists() {
                true => println!("{}: everything in it is understood", file.display()),
                false => println!("{} is not there, which is fine; `kokpit config init` writes one", file.display()),
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
