//! Tab stops of one buffer.

/// One more than the widest window: a stop may be set while a wrap is pending.
const COLUMNS: usize = 1024;
const EVERY: usize = 8;

#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Tabs([u64; COLUMNS / 64]);

impl Tabs {
    /// A stop every eight columns.
    pub(crate) fn regular(cols: usize) -> Tabs {
        let mut tabs = Tabs([0; COLUMNS / 64]);
        tabs.extend(0, cols);
        tabs
    }

    fn extend(&mut self, from: usize, cols: usize) {
        for x in (from..cols).step_by(EVERY) {
            self.set(x);
        }
    }

    /// Forgets the stops behind the last column and continues the regular ones behind the last stop.
    pub(crate) fn resize(&mut self, cols: usize) {
        (cols..COLUMNS).for_each(|x| self.clear(x));
        self.extend(self.before(cols), cols);
    }

    pub(crate) fn is_set(&self, x: usize) -> bool {
        x < COLUMNS && self.0[x / 64] & 1 << (x % 64) != 0
    }

    pub(crate) fn set(&mut self, x: usize) {
        if x < COLUMNS {
            self.0[x / 64] |= 1 << (x % 64);
        }
    }

    pub(crate) fn clear(&mut self, x: usize) {
        if x < COLUMNS {
            self.0[x / 64] &= !(1 << (x % 64));
        }
    }

    pub(crate) fn clear_all(&mut self) {
        self.0 = [0; COLUMNS / 64];
    }

    /// The next stop to the right of `x`, or the last column.
    pub(crate) fn after(&self, x: usize, cols: usize) -> usize {
        (x + 1..cols).find(|x| self.is_set(*x)).unwrap_or(cols - 1)
    }

    /// The next stop to the left of `x`, or the first column.
    pub(crate) fn before(&self, x: usize) -> usize {
        (0..x).rev().find(|x| self.is_set(*x)).unwrap_or(0)
    }

    pub(crate) fn stops(&self) -> impl Iterator<Item = usize> {
        (0..COLUMNS).filter(|x| self.is_set(*x))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stops_are_every_eight_columns() {
        let tabs = Tabs::regular(20);
        let check = |x, after, before| assert_eq!((tabs.after(x, 20), tabs.before(x)), (after, before), "{x}");
        check(0, 8, 0);
        check(7, 8, 0);
        check(8, 16, 0);
        check(16, 19, 8);
        check(19, 19, 16);
    }

    #[test]
    fn a_wider_window_goes_on_from_the_last_stop() {
        let mut tabs = Tabs::regular(20);
        tabs.clear(16);
        tabs.set(10);
        tabs.resize(30);
        assert_eq!(tabs.stops().collect::<Vec<_>>(), [0, 8, 10, 18, 26]);
    }
}
