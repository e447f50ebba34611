//! The two classes of a classification: the lower and the upper half of the targets' range ("young" and "old").

/// Whether each target belongs to the upper class: above the middle between the smallest and the largest of them.
pub fn is_upper(targets: &[f32]) -> Vec<bool> {
    let smallest = targets.iter().copied().fold(f32::INFINITY, f32::min);
    let largest = targets.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let border = (smallest + largest) / 2.0;
    targets.iter().map(|&target| target > border).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_border_lies_in_the_middle_and_belongs_to_the_lower_class() {
        assert_eq!(is_upper(&[20.0, 50.0, 51.0, 80.0]), [false, false, true, true]);
        assert!(is_upper(&[]).is_empty());
    }
}
