//! `doer health`: what a container asks to find out whether its server takes work.

use std::{
    io::{BufRead, BufReader, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

use super::{ConfigFile, Ending};

/// A server that takes longer than this is not well.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Asks for `/readyz` where the configured server listens.
pub fn ask(file: ConfigFile) -> Ending {
    let address = reachable(file.load(Vec::new())?.server.listen);
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    // `localhost` is the one name that a server in development mode answers to, whatever its port.
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut status = String::new();
    BufReader::new(stream).read_line(&mut status)?;
    if status.split(' ').nth(1) == Some("200") {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!("the server at {address} is not ready: {}", status.trim_end()).into())
}

/// One cannot connect to "every address": where a server listens on all, it listens on loopback too.
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}
