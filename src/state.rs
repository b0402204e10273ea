//! The one state that `update` owns and `ui` draws.
