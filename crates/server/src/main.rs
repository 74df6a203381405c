//! The binary `doer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    doer_server::cli::main()
}
