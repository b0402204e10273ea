//! Cordon, uncordon, drain, field change: pure state machines.
