//! The size of a terminal window.

use serde::{Deserialize, Serialize};

/// Rows and columns, each within what a terminal can be: 5 to 500 rows, 20 to 1000 columns. Below 20x5 a full screen
/// program draws nonsense and other viewers would have to look at it, so such a size is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSize {
    rows: u16,
    cols: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("window size {cols}x{rows} is outside 20x5 to 1000x500")]
pub struct OutOfRange {
    pub rows: u32,
    pub cols: u32,
}

impl WindowSize {
    /// What a command gets before anyone watches.
    pub const DEFAULT: WindowSize = WindowSize { rows: 24, cols: 80 };

    pub fn new(rows: u32, cols: u32) -> Result<WindowSize, OutOfRange> {
        let out_of_range = OutOfRange { rows, cols };
        let (Ok(rows), Ok(cols)) = (u16::try_from(rows), u16::try_from(cols)) else { return Err(out_of_range) };
        if !(5..=500).contains(&rows) || !(20..=1000).contains(&cols) {
            return Err(out_of_range);
        }
        Ok(WindowSize { rows, cols })
    }

    pub fn rows(self) -> u16 {
        self.rows
    }

    pub fn cols(self) -> u16 {
        self.cols
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_that_exists_is_within_range() {
        let check = |rows, cols, ok| assert_eq!(WindowSize::new(rows, cols).is_ok(), ok, "{cols}x{rows}");
        check(24, 80, true);
        check(5, 20, true);
        check(500, 1000, true);
        check(4, 20, false);
        check(5, 19, false);
        check(501, 80, false);
        check(24, 70_000, false);
    }
}
