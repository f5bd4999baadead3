//! Which application is meant: Compose files, a stack file, or a stack or project that runs.

use std::cell::OnceCell;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use migrate::cli::images::{ApplicationImages, ImageSource};
use migrate::cli::{Exit, Printer, read_stdin};
use migrate::finding::Findings;
use migrate::images::inventory;
use migrate::orchestration::compose::live::{self, LiveStack};
use migrate::orchestration::compose::load::{LoadOptions, load};
use migrate::orchestration::compose::read;
use migrate::orchestration::kubernetes::KubernetesOptions;
use migrate::orchestration::model::Dialect;
use migrate::report;
use migrate::source::{Disk, Files, Ledger, Sources};

use crate::commands::convert::WaitingArgs;

/// Compose files, as `docker compose` takes them.
#[derive(Debug, Args)]
pub(crate) struct ComposeArgs {
    /// Compose file; several are merged; `-` is standard input [default: Compose's own discovery]
    #[arg(long, short, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Folder that relative paths start from [default: folder of the first file]
    #[arg(long, value_name = "DIR")]
    project_directory: Option<PathBuf>,
    /// Name of the application
    #[arg(long, short, value_name = "NAME")]
    project_name: Option<String>,
    /// Profile whose services are included; `*` is all
    #[arg(long, value_name = "NAME")]
    profile: Vec<String>,
    /// File with variables for interpolation [default: .env]
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Whose rules the file follows: the same `deploy` means different things
    #[arg(long, value_enum, default_value_t = DialectChoice::Auto)]
    dialect: DialectChoice,
    /// Let the file name other files outside of the project folder
    #[arg(long)]
    allow_outside: bool,
    /// A running stack of a Swarm instead of files, read from the engine of docker's context or DOCKER_HOST
    #[arg(long, value_name = "NAME", help_heading = "What runs", group = "running", conflicts_with_all = ["file", "project_directory", "project_name", "profile", "env_file", "dialect"])]
    stack: Option<String>,
    /// A running project of `docker compose` instead of files, read from the same engine
    #[arg(long, value_name = "NAME", help_heading = "What runs", group = "running", conflicts_with_all = ["file", "project_directory", "project_name", "profile", "env_file", "dialect"])]
    project: Option<String>,
    /// Content of a secret, which an engine does not give back
    #[arg(long, value_name = "NAME=FILE", value_parser = secret_file, help_heading = "What runs", requires = "running")]
    secret_file: Vec<(String, PathBuf)>,
    /// What was read; an engine is asked once.
    #[arg(skip)]
    live: OnceCell<LiveStack>,
}

fn secret_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), path.into()))
        }
        _ => Err("NAME=FILE is expected".to_owned()),
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DialectChoice {
    /// Decided by what the files contain
    Auto,
    /// As `docker compose` understands it
    Compose,
    /// As `docker stack deploy` understands it
    Swarm,
}

impl ComposeArgs {
    /// How the files are loaded.
    pub(crate) fn load_options(&self, printer: Printer) -> Result<LoadOptions, Exit> {
        if let Some(running) = self.running() {
            let live = self.read(running, printer)?;
            let (name, dialect) = match running {
                Running::Stack(name) => (name, Dialect::Swarm),
                Running::Project(name) => (name, Dialect::Compose),
            };
            return Ok(LoadOptions {
                files: live.names.clone(),
                working_dir: live.folder.clone(),
                project_directory: Some(live.folder.clone()),
                project_name: Some(name.to_owned()),
                dialect: Some(dialect),
                // Only services that run were read.
                profiles: vec!["*".to_owned()],
                found: live.findings.clone(),
                ..LoadOptions::default()
            });
        }
        let stdin = if self.file.iter().any(|f| f.as_os_str() == "-") {
            let text = read_stdin().map_err(|error| {
                printer.complain(&format!("error: standard input: {error}"));
                Exit::Input
            })?;
            Some(text)
        } else {
            None
        };
        let working_dir = std::env::current_dir().map_err(|error| {
            printer.complain(&format!("error: the current folder: {error}"));
            Exit::Failed
        })?;
        Ok(LoadOptions {
            files: self.file.clone(),
            stdin,
            working_dir,
            project_directory: self.project_directory.clone(),
            project_name: self.project_name.clone(),
            profiles: self.profile.clone(),
            env_files: self.env_file.clone(),
            environment: std::env::vars_os()
                .filter_map(|(key, value)| {
                    Some((key.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            dialect: match self.dialect {
                DialectChoice::Auto => None,
                DialectChoice::Compose => Some(Dialect::Compose),
                DialectChoice::Swarm => Some(Dialect::Swarm),
            },
            allow_outside: self.allow_outside,
            ..LoadOptions::default()
        })
    }
}

impl ComposeArgs {
    /// Whether the files are read as a stack of a Swarm.
    pub(crate) fn is_stack(&self) -> bool {
        self.stack.is_some() || matches!(self.dialect, DialectChoice::Swarm)
    }

    /// Where the files are: on the disk, or in memory if they were made of what runs.
    pub(crate) fn files(&self) -> &dyn Files {
        match self.live.get() {
            Some(live) => &live.files,
            None => &Disk,
        }
    }

    /// What is meant instead of files.
    fn running(&self) -> Option<Running<'_>> {
        let stack = self.stack.as_deref().map(Running::Stack);
        stack.or_else(|| self.project.as_deref().map(Running::Project))
    }

    /// Reads the engine, or what was read before.
    fn read(&self, running: Running<'_>, printer: Printer) -> Result<&LiveStack, Exit> {
        if let Some(live) = self.live.get() {
            return Ok(live);
        }
        let fail = |text: String, exit: Exit| {
            printer.complain(&format!("error: {text}"));
            exit
        };
        let mut secrets = std::collections::BTreeMap::new();
        for (name, path) in &self.secret_file {
            let bytes = migrate::cli::read_bytes(path)
                .map_err(|error| fail(error.to_string(), Exit::Input))?;
            secrets.insert(name.clone(), bytes);
        }
        let live = match running {
            Running::Stack(name) => live::read(name, &secrets),
            Running::Project(name) => live::project::read(name, &secrets),
        };
        let live = live.map_err(|error| fail(error.to_string(), error.exit()))?;
        Ok(self.live.get_or_init(|| live))
    }
}

/// What runs on an engine.
#[derive(Debug, Clone, Copy)]
enum Running<'r> {
    /// A stack of a Swarm.
    Stack(&'r str),
    /// A project of `docker compose`.
    Project(&'r str),
}

impl ComposeArgs {
    /// The images of the application that these options load, with what `choices` add to them.
    pub(crate) fn images_of(
        options: &LoadOptions,
        files: &dyn Files,
        mut choices: KubernetesOptions,
        printer: Printer,
    ) -> Result<ApplicationImages, Exit> {
        let mut sources = Sources::default();
        let mut findings = Findings::default();
        let project = match load(options, files, &mut sources, &mut findings) {
            Ok(project) => project,
            Err(findings) => {
                printer.complain(&report::to_text(&findings, &sources, printer.style()));
                return Err(Exit::Input);
            }
        };
        let application = read::read(&project, files, &mut Ledger::new());
        // What happens to other keys is not the subject here.
        let mut findings = Findings::default();
        let mut needed = inventory::of_application(&application, &mut findings);
        inventory::of_waiting(&mut needed, &application, &mut choices, &mut findings);
        Ok(ApplicationImages {
            needed,
            findings,
            sources,
            ..ApplicationImages::default()
        })
    }
}

/// Compose files, and the choices that decide which images they need.
#[derive(Debug, Args)]
pub(crate) struct ImagesOfCompose {
    #[command(flatten)]
    source: ComposeArgs,
    #[command(flatten)]
    waiting: WaitingArgs,
}

impl ImageSource for ImagesOfCompose {
    fn images(&self, printer: Printer) -> Result<ApplicationImages, Exit> {
        let options = self.source.load_options(printer)?;
        let choices = self.waiting.options();
        ComposeArgs::images_of(&options, self.source.files(), choices, printer)
    }

    fn is_named(&self) -> bool {
        !self.source.file.is_empty() || self.source.running().is_some()
    }
}
