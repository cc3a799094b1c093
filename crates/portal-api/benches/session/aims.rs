//! What was aimed at, and whether it is met.

/// The time of a read with the checks by that of the same read without them.
const AIM: f64 = 1.25;

pub(crate) fn check(what: &str, ratio: f64) {
    let verdict = match ratio {
        ratio if ratio.is_nan() => "not known",
        ratio if ratio <= AIM => "met",
        _ => "not met",
    };
    println!("- {what}: {ratio:.2}, aim at most {AIM}: {verdict}");
}
