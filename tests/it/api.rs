//! The embedded API server answers as a real one does.
