//! Integration tests, in one binary so that they link once.

mod api;
mod bad_input;
mod browse;
mod causes;
mod connect;
mod cp;
mod debug;
mod demo;
mod describe;
mod docs;
mod embedded;
mod forward;
mod git;
mod harness;
mod hub;
mod inside;
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
