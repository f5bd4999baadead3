//! The verb `explain`: what happens to a key, or what a finding means.

use clap::Args;

use super::{Exit, Printer};
use crate::orchestration::{provider, table};

/// What to explain.
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// Code of a finding, key of a Compose file, field of a Kubernetes object, or key of a cloud provider
    #[arg(value_name = "CODE|KEY", required = true)]
    pub query: String,
}

/// Prints what the tables know.
#[must_use]
pub fn explain(args: &ExplainArgs) -> Exit {
    let printer = Printer {
        quiet: false,
        verbose: false,
    };
    let known = table::explain_text(&args.query);
    let known = match (known, provider::explain(&args.query)) {
        (Ok(text), Some(more)) => Ok(format!("{text}\n{more}")),
        (Ok(text), None) | (Err(_), Some(text)) => Ok(text),
        (Err(text), None) => Err(text),
    };
    match known {
        Ok(text) => match printer.data(&text) {
            Ok(()) => Exit::Done,
            Err(error) => {
                printer.complain(&format!("error: standard output: {error}"));
                Exit::Failed
            }
        },
        Err(text) => {
            printer.complain(&text);
            Exit::Usage
        }
    }
}
