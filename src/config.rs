//! The user's `config.toml`: which repository belongs to which cluster, theme, keymap.
