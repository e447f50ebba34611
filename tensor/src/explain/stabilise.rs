//! Denominators that can be divided by.

use tch::Tensor;
use xdlreg_core::explain::Denominator;

/// What iNNvestigate puts in place of a zero that it would divide by.
const SAFE: f32 = 1e-7;

/// Every divisor, stabilised.
pub(super) fn stabilised(divisors: &Tensor, denominator: Denominator) -> Tensor {
    match denominator {
        Denominator::Safe | Denominator::Epsilon(0.0) => divisors.masked_fill(&divisors.eq(0.0), f64::from(SAFE)),
        Denominator::Epsilon(epsilon) => divisors + (divisors.ge(0.0).to_kind(divisors.kind()) * 2.0 - 1.0) * epsilon,
        Denominator::One => divisors.ones_like(),
    }
}

/// One divisor, stabilised.
#[inline(always)]
pub(super) fn stabilise(divisor: f32, denominator: Denominator) -> f32 {
    match denominator {
        Denominator::Safe | Denominator::Epsilon(0.0) => safe(divisor),
        Denominator::Epsilon(epsilon) => shifted(divisor, epsilon as f32),
        Denominator::One => 1.0,
    }
}

/// d, and 1e-7 where d = 0.
pub(super) fn safe(divisor: f32) -> f32 {
    if divisor == 0.0 { SAFE } else { divisor }
}

/// d + eps sgn(d) with sgn(0) = +1.
pub(super) fn shifted(divisor: f32, epsilon: f32) -> f32 {
    if divisor >= 0.0 { divisor + epsilon } else { divisor - epsilon }
}
