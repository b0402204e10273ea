//! kokpit: a terminal cockpit for people who run Kubernetes by GitOps.
//!
//! The rooms, from the bottom up (docs/architecture.md has the arrows, `tests/it/layers.rs` enforces them):
//!
//! | room | what lives there |
//! |---|---|
//! | [`world`] | what we know of the clusters: lean rows, links, ages; no I/O and no clock |
//! | [`kinds`] | the table of kinds: columns, short names, what can be done |
//! | [`diagnose`] | the table of causes: facts in, verdict out; pure |
//! | [`gitops`] | live object → Application → file and field; YAML edits; the git mirror |
//! | [`journal`] | the write-ahead record of every operation |
//! | [`workflows`] | cordon, uncordon, drain, field change: pure state machines |
//! | [`actions`] | the table of actions that keys, help, palette and docs are made from |
//! | [`keymap`], [`theme`], [`config`] | files of the user, validated |
//! | [`state`], [`msg`], [`effect`], [`update`] | the heart: one state, one synchronous update |
//! | [`ui`] | drawing |
//! | [`cluster`] | the only code that speaks to an API server |
//! | [`sim`] | embedded API servers for the demo, recordings and tests |
//! | [`app`], [`cli`], [`terminal`] | the loop, the arguments, the terminal guard |

pub mod actions;
pub mod app;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod diagnose;
pub mod effect;
pub mod gitops;
pub mod journal;
pub mod keymap;
pub mod kinds;
pub mod msg;
pub mod sim;
pub mod state;
pub mod terminal;
pub mod theme;
pub mod ui;
pub mod update;
pub mod workflows;
pub mod world;
