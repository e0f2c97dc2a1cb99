//! Medians and their spread.

/// Of some values: the least, the middle one, the greatest, and how many there were.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
    pub(crate) n: usize,
}

impl Spread {
    /// All NaN when there are no values.
    pub(crate) fn of(values: &[f64]) -> Spread {
        let at = |share| quantile(values, share);
        Spread { min: at(0.0), median: at(0.5), max: at(1.0), n: values.len() }
    }
}

/// The value that so large a share of all lies below: 0.5 is the median (the mean of the middle two when there are
/// two), 1.0 the maximum. NaN when there are no values.
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_minimum_median_and_maximum() {
        assert_eq!(Spread::of(&[3.0, 1.0, 2.0]), Spread { min: 1.0, median: 2.0, max: 3.0, n: 3 });
        assert_eq!(Spread::of(&[1.0, 2.0]).median, 1.5);
        assert!(Spread::of(&[]).median.is_nan());
    }

    #[test]
    fn a_quantile_lies_between_its_neighbours() {
        let values: Vec<_> = (0..=100).map(f64::from).collect();
        assert_eq!((quantile(&values, 0.99), quantile(&values, 1.0)), (99.0, 100.0));
    }
}
