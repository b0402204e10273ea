//! A real kubectl against the embedded clusters.
