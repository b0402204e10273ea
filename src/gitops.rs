//! Live object → Application → repository file and field; YAML edits; commits from a bare mirror.
