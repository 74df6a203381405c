//! Compiling what must not be compiled in this process: TypeScript and users' Wasm.
