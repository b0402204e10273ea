//! Everything that can happen to the state.
