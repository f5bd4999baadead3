//! The archives of a release.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;
use flate2::Compression;

use crate::archive::{Archive, sha256_of};
use crate::krew::{self, Released};
use crate::targets::{NATIVE, TARGETS, Target};
use crate::{Failure, metadata, programs, root, say};

/// What is released, and where to.
#[derive(Debug, Args)]
pub(crate) struct DistArgs {
    /// Folder for the archives
    #[arg(long, default_value = "target/dist")]
    out_dir: PathBuf,
    /// Rust target [default: all that the toolchain has]
    #[arg(long)]
    target: Vec<String>,
    /// Use programs that were built already, from this folder, for this machine's own platform
    #[arg(long, value_name = "DIR", conflicts_with = "target")]
    programs: Option<PathBuf>,
    /// Compress less, to try a release
    #[arg(long)]
    fast: bool,
}

/// Makes the archives.
pub(crate) fn dist(args: &DistArgs) -> Result<(), Failure> {
    let root = root();
    let version = env!("CARGO_PKG_VERSION");
    let out = root.join(&args.out_dir);
    if out.exists() {
        fs_err::remove_dir_all(&out)?;
    }
    fs_err::create_dir_all(&out)?;
    let stamp = Stamp {
        time: time(&root),
        compression: if args.fast {
            Compression::fast()
        } else {
            Compression::best()
        },
    };
    let mut released = Vec::new();
    let mut notes = None;
    for (target, folder) in built(&root, args, stamp.time)? {
        let packages = metadata::dependencies(&root, target.triple)?;
        let licences = metadata::licence_texts(&packages)?;
        archives(
            &root,
            &out,
            target,
            &folder,
            &licences,
            stamp,
            &mut released,
        )?;
        if notes.is_none() {
            fs_err::write(
                out.join("migrate.cdx.json"),
                metadata::bill_of_materials(version, &packages),
            )?;
            notes = Some(licences);
        }
    }
    fs_err::write(
        out.join("THIRD-PARTY.txt"),
        notes.ok_or("nothing was built")?,
    )?;
    let manifest = krew::manifest(&root, version, &released)?;
    fs_err::write(out.join("migrate.yaml"), &manifest)?;
    extras(&out)?;
    sums(&out)?;
    say(&format!("Release {version} is in {}.", out.display()));
    say(
        "For krew's custom index: copy migrate.yaml to krew/plugins/ and commit it once the archives are published.",
    );
    Ok(())
}

/// What all archives have in common.
#[derive(Clone, Copy)]
struct Stamp {
    time: u64,
    compression: Compression,
}

/// The time of all files: the commit's, so that a second run gives the same bytes.
fn time(root: &Path) -> u64 {
    std::env::var("SOURCE_DATE_EPOCH")
        .ok()
        .or_else(|| {
            let output = Command::new("git")
                .current_dir(root)
                .args(["log", "-1", "--format=%ct"])
                .output()
                .ok()?;
            String::from_utf8(output.stdout).ok()
        })
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// Builds for each platform that can be built here as of a time, and says which ones cannot. Gives the folders of the programs.
fn built(root: &Path, args: &DistArgs, time: u64) -> Result<Vec<(Target, PathBuf)>, Failure> {
    if let Some(folder) = &args.programs {
        return Ok(vec![(NATIVE, root.join(folder))]);
    }
    let wanted: Vec<Target> = if args.target.is_empty() {
        TARGETS.to_vec()
    } else {
        args.target
            .iter()
            .map(|name| {
                let known = TARGETS
                    .iter()
                    .chain([&NATIVE])
                    .find(|target| target.triple == name);
                known
                    .copied()
                    .ok_or_else(|| format!("`{name}` is not a platform of a release"))
            })
            .collect::<Result<_, _>>()?
    };
    let mut usable = Vec::new();
    for target in wanted {
        if target.is_installed() {
            usable.push(target);
        } else {
            say(&format!(
                "left out: {0} (rustup target add {0})",
                target.triple
            ));
        }
    }
    if usable.is_empty() && args.target.is_empty() && NATIVE.is_installed() {
        say(&format!(
            "no platform of a release is installed: using {}",
            NATIVE.triple
        ));
        usable.push(NATIVE);
    }
    let mut folders = Vec::new();
    for target in usable {
        let status = Command::new("cargo")
            .current_dir(root)
            .env("RUSTFLAGS", target.flags(root))
            // mimalloc tells when it was compiled, which is the time of the commit for everybody.
            .env("SOURCE_DATE_EPOCH", time.to_string())
            .envs(target.c_flags())
            .arg(target.build_verb())
            .args(["--release", "--locked", "--target", target.triple])
            .args(programs().iter().flat_map(|(name, _)| ["--package", *name]))
            .status()?;
        if status.success() {
            folders.push((
                target,
                root.join("target").join(target.triple).join("release"),
            ));
        } else if args.target.is_empty() {
            say(&format!(
                "left out: {} (it does not link here; {})",
                target.triple,
                if target.os == "darwin" {
                    "it has to be built on a Mac"
                } else {
                    "pip install cargo-zigbuild brings the linkers"
                }
            ));
        } else {
            return Err(format!("{} does not build", target.triple).into());
        }
    }
    Ok(folders)
}

fn archives(
    root: &Path,
    out: &Path,
    target: Target,
    folder: &Path,
    licences: &str,
    stamp: Stamp,
    released: &mut Vec<Released>,
) -> Result<(), Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let read = |path: &str| fs_err::read(root.join(path));
    for (program, command) in programs() {
        let bytes = fs_err::read(folder.join(format!("{program}{}", target.suffix())))?;
        let mut archive = Archive::default();
        archive.add("LICENSE", read("LICENSE")?);
        archive.add("THIRD-PARTY.txt", licences.as_bytes());
        for (name, page) in man_pages(command)? {
            archive.add(&format!("man/{name}"), page);
        }
        let file_name = format!("{program}{}", target.suffix());
        if program == "helm-convert" {
            archive.add("plugin.yaml", read("helm-convert/plugin.yaml")?);
            archive.add_program("plugin.complete", read("helm-convert/plugin.complete")?);
            archive.add_program(&format!("bin/{file_name}"), bytes);
            // Helm 3 wants plugin.yaml at the top of an archive from a URL; Helm 4 wants a local archive to hold one
            // folder with the name that the file has without its version.
            archive.write(
                &out.join(format!("{program}-{}-{}.tgz", target.os, target.arch)),
                stamp.time,
                stamp.compression,
            )?;
            let wrapped = format!("helm4/{}-{}/convert-{version}.tgz", target.os, target.arch);
            archive
                .below("convert")
                .write(&out.join(wrapped), stamp.time, stamp.compression)?;
            continue;
        }
        archive.add_program(&file_name, bytes);
        if program == "kubectl-migrate" {
            archive.add_program(
                "kubectl_complete-migrate",
                read("krew/kubectl_complete-migrate")?,
            );
        }
        let file = format!("{program}-v{version}-{}-{}.tar.gz", target.os, target.arch);
        let sha256 = archive.write(&out.join(&file), stamp.time, stamp.compression)?;
        if program == "kubectl-migrate" {
            released.push(Released {
                target,
                file,
                sha256,
            });
        }
    }
    Ok(())
}

/// Completions for shells and man pages, for packagers.
fn extras(out: &Path) -> Result<(), Failure> {
    for (program, command) in programs() {
        for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let file = out.join("completions").join(format!("{program}.{shell}"));
            fs_err::create_dir_all(file.parent().unwrap_or(out))?;
            fs_err::write(
                &file,
                migrate::host::complete::registration(shell, program)?,
            )?;
        }
        fs_err::create_dir_all(out.join("man"))?;
        for (name, page) in man_pages(command)? {
            fs_err::write(out.join("man").join(name), page)?;
        }
    }
    Ok(())
}

/// A page for the program and one for each verb, by file name.
fn man_pages(command: clap::Command) -> Result<Vec<(String, Vec<u8>)>, Failure> {
    let mut pages = Vec::new();
    let mut command = command;
    command.build();
    collect_pages(&command, &mut pages)?;
    Ok(pages)
}

fn collect_pages(
    command: &clap::Command,
    pages: &mut Vec<(String, Vec<u8>)>,
) -> Result<(), Failure> {
    let name = command
        .get_bin_name()
        .unwrap_or(command.get_name())
        .replace(' ', "-");
    let mut page = Vec::new();
    let shown = command.clone().display_name(name.clone());
    clap_mangen::Man::new(shown).render(&mut page)?;
    pages.push((format!("{name}.1"), page));
    for verb in command.get_subcommands() {
        if !verb.is_hide_set() && verb.get_name() != "help" {
            collect_pages(verb, pages)?;
        }
    }
    Ok(())
}

/// `SHA256SUMS`, for `sha256sum --check`.
fn sums(out: &Path) -> Result<(), Failure> {
    let mut lines = Vec::new();
    let mut open = vec![out.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(out)?.display().to_string();
                lines.push(format!("{}  {name}", sha256_of(&path)?));
            }
        }
    }
    lines.sort_by(|a, b| {
        a.split_once("  ")
            .map(|x| x.1)
            .cmp(&b.split_once("  ").map(|x| x.1))
    });
    fs_err::write(out.join("SHA256SUMS"), lines.join("\n") + "\n")?;
    Ok(())
}
