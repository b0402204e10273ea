//! The `kokpit` binary: arguments in, exit status out. Everything else is in the library.

mod allocator;

use std::process::ExitCode;

fn main() -> ExitCode {
    kokpit::cli::main()
}
