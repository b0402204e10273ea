//! The table of actions: keys, help, palette, the `:` line and docs are made from it.
