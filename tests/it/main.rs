//! Integration tests, in one binary so that they link once.

mod api;
mod bad_input;
mod browse;
mod causes;
mod connect;
mod demo;
mod describe;
mod docs;
mod embedded;
mod git;
mod harness;
mod hub;
mod kubectl;
mod layers;
mod navigation;
mod operations;
mod problems;
mod record;
mod recordings;
mod scheduler;
mod support;
mod watching;
