//! The arguments and the commands that run without a screen.
