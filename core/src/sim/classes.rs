//! "young" and "old": the classes of the classification task.

/// Whether each of these ages (years) is "old": above the middle between the youngest and the oldest of them.
pub fn is_old(ages: &[f32]) -> Vec<bool> {
    let youngest = ages.iter().copied().fold(f32::INFINITY, f32::min);
    let oldest = ages.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let border = (youngest + oldest) / 2.0;
    ages.iter().map(|&age| age > border).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_lies_in_the_middle_and_belongs_to_the_young() {
        assert_eq!(is_old(&[20.0, 50.0, 51.0, 80.0]), [false, false, true, true]);
        assert!(is_old(&[]).is_empty());
    }
}
