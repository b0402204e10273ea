//! Our filters against the verdicts of the real scheduler.
