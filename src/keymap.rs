//! Keys → action names, from TOML files.
