//! What a figure depends on: the machine, and the day.

use std::fs;

use jiff::Zoned;

/// Its processors and its memory, and nothing else of it.
pub(crate) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = info.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok());
    let gigabytes = total.map_or(0.0, |kilobytes: f64| kilobytes / 1024.0 / 1024.0);
    format!("{cores} processors, {gigabytes:.0} GiB of memory")
}

pub(crate) fn today() -> String {
    Zoned::now().strftime("%-d %B %Y").to_string()
}
