//! The contract against the real service, where two variables name one. Without them there is no
//! test here: nothing that was not tried is ever called passed.

#![expect(clippy::expect_used, reason = "helpers of tests report by panicking, as tests do")]

#[path = "../support/rest.rs"]
mod rest;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

fn main() -> ExitCode {
    let settings = rest::named("UPSTASH_TEST_URL", "UPSTASH_TEST_TOKEN");
    let trials = settings.map(|settings| {
        Trial::test("real_upstash_keeps_the_contract", move || {
            let runtime = tokio::runtime::Runtime::new()?;
            runtime.block_on(rest::keeps_the_contract(settings));
            Ok(())
        })
    });
    let trials: Vec<Trial> = trials.into_iter().collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
