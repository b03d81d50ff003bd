//! The command line `foretaste`: arguments to a command, its outcome to an exit code. All work is the engine's.

mod args;
mod command;
mod interrupt;
mod output;
mod progress;
mod repaint;
mod shell;
mod sink;

use std::process::ExitCode;

use args::{Cli, Command};
use clap::Parser;
use output::{Outcome, Output};

fn main() -> ExitCode {
    let cli = Cli::parse_from(std::env::args_os().map(args::two_dashes));
    match interrupt::listen().and_then(|()| run(cli)) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(cli: Cli) -> Outcome<ExitCode> {
    let Some(command) = cli.command else { return shell::run(&cli.shell, cli.json) };
    let mut out = Output::new(cli.json);
    let code = dispatch(command, &mut out)?;
    out.flush()?;
    Ok(code)
}

fn dispatch(command: Command, out: &mut Output) -> Outcome<ExitCode> {
    match command {
        Command::Demo { dir } => command::demo::run(&dir, out)?,
        Command::Import(args) => command::import::run(&args, out)?,
        Command::Search(args) => command::search::run(&args, out)?,
        Command::Get { of, id } => command::get::run(&of, &id, out)?,
        Command::Check { db } => return command::check::run(&db, out),
        Command::Repair { db } => command::repair::run(&db, out)?,
        Command::Compact { db } => command::compact::run(&db, out)?,
        Command::Optimize(args) => command::optimize::run(&args, out)?,
        Command::Stats { db } => command::stats::run(&db, out)?,
        Command::Export(args) => command::export::run(&args, out)?,
        Command::Bench(args) => command::bench::run(&args, out)?,
        Command::BenchCold => command::bench::progressive::child::run(out)?,
    }
    Ok(ExitCode::SUCCESS)
}
