//! What many figures say together.

use std::fmt;

/// The middle of some figures, and how far they lie apart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Middle {
    /// The median.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
}

impl Middle {
    /// Of at least one figure.
    pub fn of(figures: &[f64]) -> Self {
        let mut sorted = figures.to_vec();
        sorted.sort_by(f64::total_cmp);
        Self { median: share(&sorted, 0.5), least: sorted[0], most: sorted[sorted.len() - 1] }
    }
}

impl fmt::Display for Middle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = formatter.precision().unwrap_or(1);
        let Self { median, least, most } = self;
        write!(formatter, "{median:.places$} ({least:.places$} to {most:.places$})")
    }
}

/// The figure below which a `share` of the sorted ones lie, between two of them in proportion.
fn share(sorted: &[f64], share: f64) -> f64 {
    let last = u32::try_from(sorted.len() - 1).unwrap();
    let place = f64::from(last) * share;
    let below = whole(place.floor());
    let above = whole(place.ceil());
    sorted[below] + (sorted[above] - sorted[below]) * (place - place.floor())
}

/// The figure below which a `share` of these lie; at least one is needed.
pub fn quantile(figures: &mut [f64], wanted: f64) -> f64 {
    figures.sort_by(f64::total_cmp);
    share(figures, wanted)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place among figures, which are counted from nought"
)]
fn whole(place: f64) -> usize {
    place as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_lies_between_two_where_they_are_even() {
        let middle = Middle::of(&[9.0, 1.0, 4.0]);
        assert_eq!(middle, Middle { median: 4.0, least: 1.0, most: 9.0 });
        assert_eq!(Middle::of(&[4.0, 1.0, 9.0, 5.0]).median.to_string(), "4.5");
        assert_eq!(format!("{:.2}", Middle::of(&[1.0])), "1.00 (1.00 to 1.00)");
    }

    #[test]
    fn a_share_of_the_figures_lies_below_their_quantile() {
        let mut figures: Vec<f64> = (0..=100).rev().map(f64::from).collect();
        assert_eq!(quantile(&mut figures, 0.99).to_string(), "99");
        assert_eq!(quantile(&mut figures, 0.5).to_string(), "50");
        assert_eq!(quantile(&mut [7.0], 0.99).to_string(), "7");
    }
}
