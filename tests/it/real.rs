//! Against a cluster that is not ours.
