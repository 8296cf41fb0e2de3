//! The command line: arguments, settings, progress, exit codes. The only place
//! that prints: stdout is the product, stderr the talk.

mod commands;
mod cross;
mod dataset;
mod findings;
mod mark;
mod output;
mod pass;
mod progress;
mod settings;
mod study;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// Exit code when the tool could not do its work.
const COULD_NOT_WORK: u8 = 2;

/// Audits labelled image datasets before anyone trains on them.
#[derive(Debug, Parser)]
#[command(name = "labelvet", version, max_term_width = 100, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Subcommand)]
enum Command {
    Audit(commands::audit::Options),
    Bench(commands::bench::Options),
    Clean(commands::clean::Options),
    Eval(commands::eval::Options),
    Rules(commands::rules::Options),
    Explain(commands::explain::Options),
    Split(commands::split::Options),
    Plant(commands::plant::Options),
    Relabel(commands::relabel::Options),
    Train(commands::train::Options),
    Study(commands::study::Options),
    Predict(commands::predict::Options),
    Weights(commands::weights::Options),
    Runtime(commands::runtime::Options),
}

/// Options of every command.
#[derive(Debug, Args)]
struct Common {
    /// Settings file [default: labelvet.toml beside the dataset or above it, or
    /// [tool.labelvet] in pyproject.toml]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seed of everything random
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Number of threads [default: one per core]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// Print nothing but results and errors
    #[arg(long, short, global = true)]
    quiet: bool,
    /// Folder that keeps measurements and downloads for the next run, or `off`
    #[arg(long, global = true, value_name = "DIR", env = "LABELVET_CACHE")]
    cache: Option<PathBuf>,
}

impl Common {
    /// Returns the folder of the cache: as given, or the user's cache folder; none
    /// where it is off or there is no home.
    fn cache_folder(&self) -> Option<PathBuf> {
        match &self.cache {
            Some(path) if path == Path::new("off") => None,
            Some(path) => Some(path.clone()),
            None => {
                let variable =
                    |name| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
                let base =
                    variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")));
                base.map(|base| base.join("labelvet"))
            }
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    run(std::env::args_os().collect())
}

fn run(words: Vec<OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(&words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are a product and go to stdout; clap knows which is which.
            let code = if error.use_stderr() { COULD_NOT_WORK } else { 0 };
            return error.print().map_or(ExitCode::from(COULD_NOT_WORK), |()| ExitCode::from(code));
        }
    };
    if let Some(threads) = cli.common.threads {
        // Fails only when a pool exists already, which no code path makes before this.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(usize::from(threads)).build_global();
    }
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let done = match &cli.command {
        Command::Audit(options) => commands::audit::run(options, &cli.common, &words),
        Command::Bench(options) => commands::bench::run(options, &cli.common, &words),
        Command::Clean(options) => commands::clean::run(options, &cli.common, &words),
        Command::Eval(options) => commands::eval::run(options, &cli.common, &words),
        Command::Rules(options) => commands::rules::run(options, &cli.common),
        Command::Explain(options) => commands::explain::run(options, &cli.common),
        Command::Split(options) => commands::split::run(options, &cli.common, &words),
        Command::Plant(options) => commands::plant::run(options, &cli.common, &words),
        Command::Relabel(options) => commands::relabel::run(options, &cli.common, &words),
        Command::Train(options) => commands::train::run(options, &cli.common, &words),
        Command::Study(options) => commands::study::run(options, &cli.common, &words),
        Command::Predict(options) => commands::predict::run(options, &cli.common),
        Command::Weights(options) => commands::weights::run(options, &cli.common),
        Command::Runtime(options) => commands::runtime::run(options, &cli.common),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(COULD_NOT_WORK)
        }
    }
}
