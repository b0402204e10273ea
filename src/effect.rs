//! What `update` wants done outside, as data.
