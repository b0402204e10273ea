//! The demo's clusters, controllers and repository.
