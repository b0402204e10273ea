//! `update(&mut State, Msg) -> Vec<Effect>`: synchronous, total, never blocks.
