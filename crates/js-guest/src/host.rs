//! The guest's whole view of the outside: imports, and nothing else.

/// Microseconds since the Unix epoch; stands still while a top level is evaluated.
pub fn now_us() -> f64 {
    imp::now_us()
}

/// Fills `bytes` with randomness fit for keys.
pub fn random(bytes: &mut [u8]) {
    imp::random(bytes);
}

/// Writes one line of console output.
pub fn log(level: doer_guest_protocol::Level, line: &str) {
    imp::log(level as u32, line);
}

/// Takes the message that came with the current call.
pub fn message(len: usize) -> Vec<u8> {
    imp::message(len)
}

/// Gives the host something to do. `None`: it has enough to do, and nothing was begun.
pub fn submit(operation: &[u8]) -> Option<u32> {
    let number = imp::submit(operation);
    (number != doer_guest_protocol::REFUSED).then_some(number)
}

/// Takes what has ended already of what the host was given: the message that a resumption would bring. Empty: nothing has.
pub fn ended() -> Vec<u8> {
    match imp::ended() {
        0 => Vec::new(),
        len => imp::message(len),
    }
}

/// Tells the host that nobody waits for an operation any more.
pub fn cancel(operation: u32) {
    imp::cancel(operation);
}

#[cfg(target_family = "wasm")]
#[expect(unsafe_code, reason = "imports are foreign functions; each gets a pointer and length of a live buffer")]
mod imp {
    #[link(wasm_import_module = "env")]
    unsafe extern "C" {
        // The name that the C shim of rquickjs gives its clock: one import serves both.
        #[link_name = "__rquickjs_host_now_us"]
        fn host_now_us() -> f64;
    }

    #[link(wasm_import_module = "doer")]
    unsafe extern "C" {
        #[link_name = "random"]
        fn host_random(ptr: *mut u8, len: usize);
        #[link_name = "log"]
        fn host_log(level: u32, ptr: *const u8, len: usize);
        #[link_name = "message"]
        fn host_message(ptr: *mut u8, len: usize);
        #[link_name = "submit"]
        fn host_submit(ptr: *const u8, len: usize) -> u32;
        #[link_name = "ended"]
        fn host_ended() -> usize;
        #[link_name = "cancel"]
        fn host_cancel(operation: u32);
    }

    pub fn now_us() -> f64 {
        unsafe { host_now_us() }
    }

    pub fn random(bytes: &mut [u8]) {
        unsafe { host_random(bytes.as_mut_ptr(), bytes.len()) }
    }

    pub fn log(level: u32, line: &str) {
        unsafe { host_log(level, line.as_ptr(), line.len()) }
    }

    pub fn message(len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        unsafe { host_message(bytes.as_mut_ptr(), len) };
        bytes
    }

    pub fn submit(operation: &[u8]) -> u32 {
        unsafe { host_submit(operation.as_ptr(), operation.len()) }
    }

    pub fn ended() -> usize {
        unsafe { host_ended() }
    }

    pub fn cancel(operation: u32) {
        unsafe { host_cancel(operation) }
    }
}

/// Outside WebAssembly there is no host: this stands in for it in the guest's own tests.
#[cfg(not(target_family = "wasm"))]
pub mod imp {
    use std::{
        cell::RefCell,
        time::{SystemTime, UNIX_EPOCH},
    };

    thread_local! {
        /// What was submitted; numbers are places. What was cancelled is empty.
        pub static SUBMITTED: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
    }

    #[expect(clippy::disallowed_methods, reason = "the stand-in for the host's clock")]
    pub fn now_us() -> f64 {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64() * 1e6)
    }

    pub fn random(bytes: &mut [u8]) {
        use std::io::Read;
        std::fs::File::open("/dev/urandom").and_then(|mut f| f.read_exact(bytes)).expect("randomness");
    }

    pub fn log(level: u32, line: &str) {
        println!("[{level}] {line}");
    }

    pub fn message(_len: usize) -> Vec<u8> {
        Vec::new()
    }

    pub fn submit(operation: &[u8]) -> u32 {
        SUBMITTED.with_borrow_mut(|submitted| {
            submitted.push(operation.to_vec());
            submitted.len() as u32 - 1
        })
    }

    pub fn ended() -> usize {
        0
    }

    pub fn cancel(operation: u32) {
        SUBMITTED.with_borrow_mut(|submitted| submitted[operation as usize].clear());
    }
}
