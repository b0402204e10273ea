//! Colours and styles by meaning, from TOML files.
