//! Shared by the integration tests: servers, terminals, temporary homes.
