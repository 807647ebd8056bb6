//! `inhook`: explains a signature, signs requests, sends them, and knows the presets.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod check;
mod doctor;
mod output;
mod presets;
mod request;
mod scheme;
mod secrets;
mod send;
mod sender;
mod sign;
mod verify;

/// Explains webhook signatures: verifies a captured request, signs and sends one, lists the partners
/// that are known.
#[derive(Debug, Parser)]
#[command(name = "inhook", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Verify),
    Doctor(doctor::Doctor),
    Sign(sign::Sign),
    Send(send::Send),
    Presets(presets::Presets),
    Check(check::Check),
}

/// A wrong usage or configuration.
type Failed = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Verify(verify) => verify.run(),
        Command::Doctor(doctor) => doctor.run(),
        Command::Sign(sign) => sign.run(),
        Command::Send(send) => send.run(),
        Command::Presets(presets) => presets.run(),
        Command::Check(check) => check.run(),
    };
    ended.unwrap_or_else(|failed| {
        output::note(failed);
        ExitCode::from(2)
    })
}
