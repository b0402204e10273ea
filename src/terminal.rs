//! The guard that always gives the terminal back.
