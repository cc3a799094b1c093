//! The portal binary.
//!
//! It reads the settings, connects to the chosen provider (the one `match`, in [`provider`]),
//! starts what runs beside the HTTP server and stops everything in order. Nothing may depend on it.

mod board;
mod chore;
mod cli;
mod commands;
mod exports;
mod figure_days;
mod figures;
mod files;
mod invalidator;
mod lanes;
mod ledger;
mod limits;
mod live;
mod mail;
mod provider;
mod settings;
mod shared_counts;
mod telemetry;
mod upkeep;
mod webhooks;
mod wiring;
mod workers;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run(&settings::Variables::of_process())
}
