//! Operations end to end, killed at every step.
