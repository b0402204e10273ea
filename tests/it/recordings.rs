//! Incidents recorded on real clusters.
