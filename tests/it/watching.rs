//! Connections and watches against a server that misbehaves.
