//! The registry client and the engine against real registries, with proxies between that count and break.

mod access;
mod allowances;
mod experience;
mod faults;
mod kills;
mod kinds;
mod lists;
mod shared_layers;
mod silence;

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use migrate::images::credential::{Credential, CredentialSource, NoCredentials, OneCredential};
use migrate::images::registry::{Registry as Client, RegistryOptions};
use migrate::images::store::Name;
use migrate::images::sync::{Engine, Item, Observer, Quiet, Settings, Summary};
use serde_json::Value;
use tests::image::Place;
use tests::lab::{Components, Registry};

static COMPONENTS: LazyLock<Components> = LazyLock::new(Components::from_env);

/// Says plainly which real program is missing. Where `MIGRATE_LAB_REQUIRED` is set, that is a failure.
fn missing(what: &str) {
    assert!(
        std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
        "{what} is required here"
    );
    println!("NOT TESTED: {what} is missing; `tests/lab/components` gets it");
}

/// The registries that are on this machine: Debian's, and the newest.
fn programs() -> Vec<PathBuf> {
    let all = [
        ("docker-registry", &COMPONENTS.docker_registry),
        ("registry3", &COMPONENTS.registry3),
    ];
    all.into_iter()
        .filter_map(|(name, program)| {
            if program.is_none() {
                missing(name);
            }
            program.clone()
        })
        .collect()
}

/// Two registries without credentials: an older one to read from, and the newest to write to. `None` if one is missing.
fn two_registries() -> Option<(Registry, Registry)> {
    let programs = programs();
    let [old, new] = programs.as_slice() else {
        return None;
    };
    Some((plain(old), plain(new)))
}

fn plain(program: &Path) -> Registry {
    Registry::configured(program, &Value::Null).unwrap()
}

/// A client of a registry.
fn client(address: &str, writing: bool) -> Arc<Client> {
    client_with(address, writing, &RegistryOptions::default(), None)
}

fn client_with(
    address: &str,
    writing: bool,
    options: &RegistryOptions,
    credential: Option<Credential>,
) -> Arc<Client> {
    let credentials: Arc<dyn CredentialSource> = match credential {
        Some(credential) => Arc::new(OneCredential(credential)),
        None => Arc::new(NoCredentials),
    };
    Arc::new(Client::new(address, options, credentials, writing).unwrap())
}

/// One image from one registry to the other, under the same name.
fn item(source: &Arc<Client>, target: &Arc<Client>, repository: &str, tag: &str) -> Item {
    Item {
        source: source.clone(),
        source_repository: repository.to_owned(),
        source_name: Name::Tag(tag.to_owned()),
        target: target.clone(),
        target_repository: repository.to_owned(),
        target_name: Name::Tag(tag.to_owned()),
        platforms: Vec::new(),
        referrers: false,
    }
}

/// Runs an engine that knows nothing but what is in the folder.
async fn sync(items: &[Item], state: Option<&Path>) -> Summary {
    let settings = Settings {
        state: state.map(Path::to_owned),
        ..Settings::default()
    };
    sync_with(items, settings).await
}

async fn sync_with(items: &[Item], settings: Settings) -> Summary {
    let observer: Arc<dyn Observer> = Arc::new(Quiet);
    let engine = Engine::new(settings).unwrap();
    engine
        .sync(
            items,
            &observer,
            &tokio_util::sync::CancellationToken::new(),
        )
        .await
}

/// All images arrived.
#[track_caller]
fn all_well(summary: &Summary) {
    let failed: Vec<_> = summary
        .failed()
        .map(|image| (&image.target, &image.error))
        .collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

fn place(registry: &Registry) -> Place {
    Place::new(&registry.address())
}
