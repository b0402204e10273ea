//! Bad input gets a sentence, loses nothing and hangs nothing.
