//! The command line.

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::commands;
use crate::commands::CommandError;
use crate::settings::Variables;

/// Multi-tenant employer portal.
#[derive(Debug, Parser)]
#[command(name = "portal", version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP until SIGINT or SIGTERM.
    Serve,
    /// Bring the database to this version's schema (as the owner role).
    Migrate,
    /// Load data: the demo tenants, or generated rows for load tests.
    Seed(commands::SeedArguments),
    /// Check the settings and say everything that is wrong with them.
    CheckConfig,
    /// Connect to the configured Redis, try and time all that the portal asks of it, and say what
    /// to do about what is wrong.
    RedisCheck(commands::RedisCheckArguments),
    /// Look after the cache.
    #[command(subcommand)]
    Cache(CacheCommand),
    /// Print the `OpenAPI` document.
    Openapi,
}

#[derive(Debug, Subcommand)]
enum CacheCommand {
    /// Make a new key for what the cache encrypts, and say how to put it in the place of the old
    /// one. Changes nothing by itself.
    RotateKeys,
}

/// Runs the command that was asked for; faults go to standard error, one cause a line.
pub(crate) fn run(variables: &Variables) -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let is_fault = error.use_stderr();
            // Nothing is left to tell when the terminal is gone.
            drop(error.print());
            return if is_fault { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match arguments.command {
        Command::Serve => commands::serve(variables),
        Command::Migrate => commands::migrate(variables),
        Command::Seed(seed) => commands::seed(variables, &seed),
        Command::CheckConfig => commands::check_config(variables),
        Command::RedisCheck(check) => commands::redis_check(variables, check),
        Command::Cache(CacheCommand::RotateKeys) => commands::rotate_keys(variables),
        Command::Openapi => commands::openapi(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

fn report(error: &CommandError) {
    let mut text = format!("portal: {error}\n");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let line = cause.to_string();
        // Some errors of libraries end in the text of their cause.
        if !text.trim_end().ends_with(&line) {
            text = format!("{text}  because {line}\n");
        }
        source = cause.source();
    }
    drop(std::io::stderr().write_all(text.as_bytes()));
}
