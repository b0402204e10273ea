//! The allocator of the binary, and of the benchmark. Rows come and go for days: glibc's malloc keeps as much again in
//! holes between them, jemalloc gives it back (docs/performance.md has the figures).
#![cfg(not(target_env = "msvc"))]

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// jemalloc's options (its manual, TUNING.md). One arena: what one thread allocates another one frees, and threads come
/// and go. What is free goes back to the system after a second.
// The name is jemalloc's own; nothing else may have it.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static OPTIONS: &[u8; 47] = b"narenas:1,dirty_decay_ms:1000,muzzy_decay_ms:0\0";
