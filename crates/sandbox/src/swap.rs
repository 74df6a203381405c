//! Can pages of this process ever be swapped out?
//!
//! `PAGEMAP_SCAN` as wasmtime 48 uses it passes over pages that are in swap: a slot reset that way would keep
//! them, and the next guest could read what the last one wrote.

use std::{fs, path::Path};

/// True only where the kernel says so: there is no swap device at all, or a control group of ours may use none.
pub(crate) fn is_impossible() -> bool {
    no_device(&fs::read_to_string("/proc/swaps").unwrap_or_default()) || control_group_forbids()
}

/// `/proc/swaps` has a heading and a line per device; unreadable counts as unknown.
fn no_device(swaps: &str) -> bool {
    swaps.lines().next().is_some_and(|heading| heading.starts_with("Filename")) && swaps.lines().nth(1).is_none()
}

/// In version 2, `memory.swap.max` of the group or of any above it holds for us.
fn control_group_forbids() -> bool {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(path) = groups.lines().find_map(|line| line.strip_prefix("0::/")) else {
        return false;
    };
    Path::new(path).ancestors().any(|group| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.swap.max");
        fs::read_to_string(file).is_ok_and(|limit| limit.trim() == "0")
    })
}

#[cfg(test)]
mod tests {
    use super::no_device;

    #[test]
    fn a_heading_alone_means_no_swap() {
        assert!(no_device("Filename\t\t\t\tType\t\tSize\n"));
        assert!(!no_device("Filename\tType\tSize\n/dev/sda2 partition 1024\n"));
        assert!(!no_device(""));
    }
}
