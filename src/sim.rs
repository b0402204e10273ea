//! Embedded API servers: real HTTP on loopback, for the demo, recordings and tests.
