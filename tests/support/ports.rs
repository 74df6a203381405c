//! Ports for servers, from below the range in which the kernel picks ports for outgoing connections: a port
//! found free here is not taken by a client before the server binds it.

use std::{
    net::TcpListener,
    process,
    sync::atomic::{AtomicU16, Ordering},
};

const FIRST: u16 = 12_000;
const COUNT: u16 = 18_000;
/// Test processes that run at the same time start far from each other.
const STRIDE: u32 = 97;

/// A port on loopback that nothing listens on, and that no other test of this process was given.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = u16::try_from(process::id().wrapping_mul(STRIDE) % u32::from(COUNT)).unwrap();
    for _ in 0..COUNT {
        let offset = (u32::from(start) + u32::from(NEXT.fetch_add(1, Ordering::Relaxed))) % u32::from(COUNT);
        let port = FIRST + u16::try_from(offset).unwrap();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port between {FIRST} and {}", FIRST + COUNT);
}
