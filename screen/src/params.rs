//! The numbers of a control sequence, with the sub-parameters that colons separate.

/// Of either; what is more is dropped, as in xterm.js.
const MAX: usize = 32;

pub(crate) struct Params {
    values: [i32; MAX],
    len: usize,
    subs: [i32; MAX],
    subs_len: usize,
    /// Where the sub-parameters of a parameter begin and end.
    ranges: [(u8, u8); MAX],
    /// Digits belong to a sub-parameter.
    in_sub: bool,
    full: bool,
    subs_full: bool,
}

/// A sub-parameter without digits.
pub(crate) const ABSENT: i32 = -1;

impl Default for Params {
    fn default() -> Params {
        let mut params = Params {
            values: [0; MAX],
            len: 0,
            subs: [0; MAX],
            subs_len: 0,
            ranges: [(0, 0); MAX],
            in_sub: false,
            full: false,
            subs_full: false,
        };
        params.clear();
        params
    }
}

impl Params {
    /// There is always one, and it is 0 without digits.
    pub(crate) fn clear(&mut self) {
        (self.values[0], self.ranges[0]) = (0, (0, 0));
        (self.len, self.subs_len) = (1, 0);
        (self.in_sub, self.full, self.subs_full) = (false, false, false);
    }

    #[inline]
    pub(crate) fn push(&mut self, byte: u8) {
        match byte {
            b';' => self.next(),
            b':' => self.next_sub(),
            digit => self.digit(i32::from(digit - b'0')),
        }
    }

    fn next(&mut self) {
        self.in_sub = false;
        if self.len == MAX {
            self.full = true;
            return;
        }
        let at = self.subs_at();
        (self.values[self.len], self.ranges[self.len]) = (0, (at, at));
        self.len += 1;
    }

    fn next_sub(&mut self) {
        self.in_sub = true;
        if self.full || self.subs_len == MAX {
            self.subs_full = true;
            return;
        }
        self.subs[self.subs_len] = ABSENT;
        self.subs_len += 1;
        self.ranges[self.len - 1].1 = self.subs_at();
    }

    fn subs_at(&self) -> u8 {
        u8::try_from(self.subs_len).unwrap_or_default()
    }

    fn digit(&mut self, digit: i32) {
        if self.full || (self.in_sub && self.subs_full) {
            return;
        }
        let value = if self.in_sub { &mut self.subs[self.subs_len - 1] } else { &mut self.values[self.len - 1] };
        *value = if *value == ABSENT { digit } else { value.saturating_mul(10).saturating_add(digit) };
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn values(&self) -> &[i32] {
        &self.values[..self.len]
    }

    /// 0 where it is absent.
    pub(crate) fn get(&self, at: usize) -> i32 {
        self.values().get(at).copied().unwrap_or(0)
    }

    /// A count or position: 0 means 1.
    pub(crate) fn count(&self, at: usize) -> usize {
        usize::try_from(self.get(at)).unwrap_or(0).max(1)
    }

    pub(crate) fn subs(&self, at: usize) -> &[i32] {
        let (from, to) = self.ranges[at];
        &self.subs[usize::from(from)..usize::from(to)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Params {
        let mut params = Params::default();
        text.bytes().for_each(|byte| params.push(byte));
        params
    }

    #[test]
    fn numbers_are_parted_by_semicolons_and_colons() {
        let check = |text, expected: &[(i32, &[i32])]| {
            let params = parsed(text);
            let found: Vec<_> = (0..params.len()).map(|at| (params.get(at), params.subs(at))).collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[(0, &[])]);
        check("12", &[(12, &[])]);
        check(";5", &[(0, &[]), (5, &[])]);
        check("38:2::1:2:3;4:3", &[(38, &[2, -1, 1, 2, 3]), (4, &[3])]);
        check("99999999999", &[(i32::MAX, &[])]);
    }

    #[test]
    fn more_than_32_are_dropped() {
        let params = parsed(&"1;".repeat(40));
        assert_eq!((params.len(), params.get(31)), (32, 1));
        let params = parsed(&"1:2".repeat(40));
        assert_eq!(params.subs(0).len(), 32);
    }
}
