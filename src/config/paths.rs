//! Where kokpit keeps its files.

use std::path::PathBuf;

/// The three directories of kokpit. None of them need exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// `config.toml`, themes, keymaps. `$KOKPIT_CONFIG_DIR`, else the platform's (`$XDG_CONFIG_HOME/kokpit`).
    pub config: PathBuf,
    /// Git mirrors and other things that can be made again. `$KOKPIT_CACHE_DIR`, else `$XDG_CACHE_HOME/kokpit`.
    pub cache: PathBuf,
    /// Journal, log file, history. `$KOKPIT_STATE_DIR`, else `$XDG_STATE_HOME/kokpit`.
    pub state: PathBuf,
}

impl Paths {
    /// The directories of this user.
    ///
    /// # Errors
    /// A sentence, when there is no home directory and not all three variables are set.
    pub fn from_env() -> Result<Self, String> {
        let dirs = directories::ProjectDirs::from("", "", "kokpit");
        let pick = |variable: &str, default: Option<PathBuf>| {
            std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from).or(default).ok_or_else(|| {
                format!("there is no home directory to keep files in: set {variable} to a directory of your own")
            })
        };
        Ok(Self {
            config: pick("KOKPIT_CONFIG_DIR", dirs.as_ref().map(|d| d.config_dir().into()))?,
            cache: pick("KOKPIT_CACHE_DIR", dirs.as_ref().map(|d| d.cache_dir().into()))?,
            state: pick(
                "KOKPIT_STATE_DIR",
                dirs.as_ref().map(|d| d.state_dir().unwrap_or_else(|| d.data_local_dir()).into()),
            )?,
        })
    }

    /// Everything below one directory, for tests and the demo.
    pub fn below(root: &std::path::Path) -> Self {
        Self { config: root.join("config"), cache: root.join("cache"), state: root.join("state") }
    }

    /// `config.toml`
    pub fn config_file(&self) -> PathBuf {
        self.config.join(super::FILE)
    }

    /// The journal of operations, one file each.
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }

    /// Bare mirrors of repositories, one directory each.
    pub fn mirrors(&self) -> PathBuf {
        self.cache.join("git")
    }

    /// kokpit's own log.
    pub fn log_file(&self) -> PathBuf {
        self.state.join("kokpit.log")
    }
}
