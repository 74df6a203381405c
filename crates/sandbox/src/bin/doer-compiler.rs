//! The compiler process by itself, for tests and for programs that embed the sandbox.

fn main() -> std::io::Result<()> {
    doer_sandbox::compiler::serve()
}
