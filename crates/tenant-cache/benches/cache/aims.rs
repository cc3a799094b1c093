//! What was aimed at, and whether it is met.

pub(crate) fn at_most(what: &str, measured: f64, aim: f64) {
    print(what, measured, "at most", aim, measured <= aim);
}

pub(crate) fn at_least(what: &str, measured: f64, aim: f64) {
    print(what, measured, "at least", aim, measured >= aim);
}

fn print(what: &str, measured: f64, bound: &str, aim: f64, is_met: bool) {
    let verdict = match (measured.is_nan(), is_met) {
        (true, _) => "not known",
        (false, true) => "met",
        (false, false) => "not met",
    };
    println!("- {what}: {measured:.2}, aim {bound} {aim}: {verdict}");
}
