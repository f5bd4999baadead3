//! Secrets go to the Swarm through the standard input of docker, so that their content never lies on a disk.
//!
//! A Swarm gives no content back. So each secret that we make has a label with a digest of its content, keyed with a key
//! that only this user has: an equal one is known again, and any other one of the same name is left alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use super::super::process::run_with_bytes;
use super::{Failure, Output, STACK_LABEL, Swarm};
use crate::cli::state_folder;

/// The label with the digest.
const DIGEST_LABEL: &str = "migrate.content";
/// Longest name of a secret (moby/swarmkit, `manager/controlapi`).
const LONGEST_NAME: usize = 64;
/// Characters of a digest that tell names apart.
const SUFFIX: usize = 10;

/// A secret whose content comes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Planned {
    /// Its key in the file.
    key: String,
    /// The file with its content.
    path: String,
    /// Name that the file means.
    pub(super) wanted: String,
    /// Name that it gets.
    pub(super) name: String,
    /// It has to be made.
    pub(super) is_new: bool,
    digest: String,
}

/// What becomes of each secret whose content is among the files of an output.
///
/// # Errors
/// The Swarm cannot be asked, or there is no key.
pub(super) fn plan(swarm: &Swarm, output: &Output) -> Result<Vec<Planned>, Failure> {
    let document = output.documents.first().map(|document| &document.value);
    let secrets = document.and_then(|document| document["secrets"].as_object());
    let mut planned = Vec::new();
    for (key, secret) in secrets.into_iter().flatten() {
        let Some(path) = secret["file"].as_str() else {
            continue;
        };
        let path = path.trim_start_matches("./").to_owned();
        let Some(file) = output.files.iter().find(|file| file.path == path) else {
            continue;
        };
        let wanted = secret["name"]
            .as_str()
            .map_or_else(|| format!("{}_{key}", swarm.stack), str::to_owned);
        planned.push(Planned {
            key: key.clone(),
            path,
            name: wanted.clone(),
            wanted,
            is_new: true,
            digest: keyed_digest(&file.bytes).map_err(|error| {
                Failure::disk(&io::Error::new(
                    error.kind(),
                    format!("the key for digests of secrets: {error}"),
                ))
            })?,
        });
    }
    if planned.is_empty() {
        return Ok(planned);
    }
    let there = there(swarm)?;
    for secret in &mut planned {
        choose(secret, &there)?;
    }
    Ok(planned)
}

/// All secrets of the Swarm by name, with the digests that we know of them.
fn there(swarm: &Swarm) -> Result<BTreeMap<String, Option<String>>, Failure> {
    let names = swarm
        .engine
        .lines(&["secret", "ls", "--format", "{{.Name}}"])?;
    let format = format!("{{{{.Spec.Name}}}} {{{{index .Spec.Labels \"{DIGEST_LABEL}\"}}}}");
    let mut arguments = vec!["secret", "inspect", "--format", &format];
    arguments.extend(names.iter().map(String::as_str));
    let lines = if names.is_empty() {
        Vec::new()
    } else {
        swarm.engine.lines(&arguments)?
    };
    Ok(lines
        .iter()
        .map(|line| match line.split_once(' ') {
            Some((name, digest)) => (name.to_owned(), Some(digest.to_owned())),
            None => (line.clone(), None),
        })
        .collect())
}

fn choose(secret: &mut Planned, there: &BTreeMap<String, Option<String>>) -> Result<(), Failure> {
    let suffix = secret.digest.get(..SUFFIX).unwrap_or(&secret.digest);
    let room = LONGEST_NAME - SUFFIX - 1;
    let short: String = secret.wanted.chars().take(room).collect();
    let other = format!("{}-{suffix}", short.trim_end_matches(['-', '_', '.']));
    for name in [secret.wanted.clone(), other] {
        match there.get(&name) {
            None => {
                secret.name = name;
                return Ok(());
            }
            Some(digest) if digest.as_ref() == Some(&secret.digest) => {
                secret.name = name;
                secret.is_new = false;
                return Ok(());
            }
            Some(_) => {}
        }
    }
    Err(Failure::refused(format!(
        "secret {} and the name in its place are both taken, and what they hold cannot be known; remove one: docker secret rm {0}",
        secret.wanted
    )))
}

/// Creates the secrets. Returns the output with them as external ones, without the files with their content.
///
/// # Errors
/// The Swarm refuses, or cannot be asked.
pub(super) fn create(swarm: &Swarm, output: &Output) -> Result<Output, Failure> {
    let planned = plan(swarm, output)?;
    let mut output = output.clone();
    let Some(document) = output.documents.first_mut() else {
        return Ok(output);
    };
    for planned in &planned {
        // Not by index, which would write an empty `secrets` into a stack without any; docker refuses that.
        let Some(secret) = document
            .value
            .get_mut("secrets")
            .and_then(|secrets| secrets.get_mut(&planned.key))
        else {
            continue;
        };
        let file = output.files.iter().find(|file| file.path == planned.path);
        if let (true, Some(file)) = (planned.is_new, file) {
            let mut command = swarm.engine.docker();
            command.args(["secret", "create", "--label"]);
            command.arg(format!("{STACK_LABEL}={}", swarm.stack));
            command
                .arg("--label")
                .arg(format!("{DIGEST_LABEL}={}", planned.digest));
            for (label, value) in labels(&secret["labels"]) {
                command.arg("--label").arg(format!("{label}={value}"));
            }
            if let Some(driver) = secret["template_driver"].as_str() {
                command.arg("--template-driver").arg(driver);
            }
            command.arg(&planned.name).arg("-");
            run_with_bytes(command, &file.bytes)?;
        }
        *secret = json!({"external": true, "name": planned.name});
    }
    // Docker does not read what is carried along for the way back.
    let mut read = document.value.clone();
    if let Some(fields) = read.as_object_mut() {
        fields.retain(|key, _| !key.starts_with("x-"));
    }
    let read = read.to_string();
    let used = |path: &String| planned.iter().any(|planned| planned.path == *path);
    output
        .files
        .retain(|file| !used(&file.path) && (!file.secret || read.contains(&file.path)));
    Ok(output)
}

/// A digest that tells nothing to who has not the key.
fn keyed_digest(bytes: &[u8]) -> io::Result<String> {
    let key = key()?;
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&key).map_err(io::Error::other)?;
    mac.update(bytes);
    let digest = mac.finalize().into_bytes();
    let mut text = String::new();
    for byte in digest.iter().take(20) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// This user's key. It is made when it is first needed.
fn key() -> io::Result<Vec<u8>> {
    let folder = state_folder()
        .ok_or_else(|| io::Error::other("there is no folder for it; set HOME or XDG_STATE_HOME"))?;
    let path = folder.join("secret-digest.key");
    match fs_err::read(&path) {
        Ok(key) if key.len() >= 32 => return Ok(key),
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs_err::create_dir_all(&folder)?;
    let key: [u8; 32] = rand::random();
    let partial = folder.join(format!("secret-digest.{}", std::process::id()));
    let mut options = fs_err::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use fs_err::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(&partial)?;
    file.write_all(&key)?;
    file.sync_all()?;
    fs_err::rename(&partial, &path)?;
    Ok(key.to_vec())
}

fn labels(labels: &Value) -> Vec<(String, String)> {
    labels
        .as_object()
        .into_iter()
        .flatten()
        .map(|(label, value)| {
            let text = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            (label.clone(), text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(wanted: &str) -> Planned {
        Planned {
            key: "key".to_owned(),
            path: "secrets/key".to_owned(),
            wanted: wanted.to_owned(),
            name: wanted.to_owned(),
            is_new: true,
            digest: "0123456789abcdef".to_owned(),
        }
    }

    #[test]
    fn only_a_secret_that_is_known_to_be_equal_is_taken() {
        let own = Some("0123456789abcdef".to_owned());
        let foreign = Some("other".to_owned());
        let choice = |there: &[(&str, &Option<String>)]| {
            let there = there
                .iter()
                .map(|(name, digest)| ((*name).to_owned(), (*digest).clone()))
                .collect();
            let mut secret = planned("shop_key");
            choose(&mut secret, &there).map(|()| (secret.name, secret.is_new))
        };
        let taken = |name: &str, is_new| Ok((name.to_owned(), is_new));
        assert_eq!(choice(&[]), taken("shop_key", true));
        assert_eq!(choice(&[("shop_key", &own)]), taken("shop_key", false));
        let other = "shop_key-0123456789";
        assert_eq!(choice(&[("shop_key", &None)]), taken(other, true));
        assert_eq!(choice(&[("shop_key", &foreign)]), taken(other, true));
        assert_eq!(
            choice(&[("shop_key", &foreign), (other, &own)]),
            taken(other, false)
        );
        assert!(choice(&[("shop_key", &foreign), (other, &None)]).is_err());
    }

    #[test]
    fn a_long_name_stays_one_that_a_swarm_takes() {
        let wanted = "a".repeat(64);
        let there = BTreeMap::from([(wanted.clone(), None)]);
        let mut secret = planned(&wanted);
        choose(&mut secret, &there).unwrap();
        assert_eq!(secret.name.len(), 64);
    }
}
