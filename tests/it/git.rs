//! Commits against real git repositories.
