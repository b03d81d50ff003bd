//! What the system tells of this process, where it tells it.
//!
//! Reads from: the kernel's files about the process. Writes to: numbers. Never: a guess.

/// Memory of this process in MB.
pub fn resident() -> Option<f64> {
    number("/proc/self/status", "VmRSS:").map(|kib| kib as f64 * 1024.0 / 1e6)
}

/// Bytes that this process had read from a disk: what was in the page cache is not counted.
pub fn bytes_read() -> Option<u64> {
    number("/proc/self/io", "read_bytes:")
}

#[expect(clippy::disallowed_methods, reason = "a file of the kernel, not of a database")]
fn number(file: &str, field: &str) -> Option<u64> {
    let text = String::from_utf8(std::fs::read(file).ok()?).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.split_whitespace().next()?.parse().ok()
}
