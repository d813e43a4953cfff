//! exp, ln, tanh and sigmoid in `f32` (placeholder until the polynomials land).

/// e^x.
pub fn exp(x: f32) -> f32 {
    f64::from(x).exp() as f32
}
/// ln x.
pub fn ln(x: f32) -> f32 {
    f64::from(x).ln() as f32
}
/// tanh x.
pub fn tanh(x: f32) -> f32 {
    f64::from(x).tanh() as f32
}
/// 1 / (1 + e^−x).
pub fn sigmoid(x: f32) -> f32 {
    (1.0 / (1.0 + (-f64::from(x)).exp())) as f32
}
