//! Names that a user may have meant.

/// Names are near when they differ by a third of their letters at most.
const NEAR: f64 = 0.67;

/// Longer names are near to none: comparing takes time and memory in proportion to their lengths.
const LONGEST: usize = 80;

/// The most similar of `candidates`, if one is similar enough.
pub fn near_miss<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = name.to_lowercase();
    candidates
        .into_iter()
        .filter(|_| name.len() <= LONGEST)
        .map(|candidate| (strsim::normalized_damerau_levenshtein(&name, candidate), candidate))
        .filter(|(similarity, _)| *similarity >= NEAR)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
