//! What is asked of a cluster over a connection of our own.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use futures_util::future::join_all;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams, TypeMeta};
use kube::core::{ApiResource, GroupVersionKind};
use kube::discovery::{Scope, pinned_kind};
use kube::{Api, Client, Error};
use serde_json::Value;
use tokio::sync::OnceCell;

use super::super::connection::PATIENCE;
use super::{Kubernetes, MANAGER, ObjectName};
use crate::host::cluster;

/// Objects that are checked at the same time.
const AT_ONCE: usize = 16;

/// Where the objects of a kind are.
type Place = (ApiResource, Scope);

/// A client and what is known of the cluster's kinds.
pub(super) struct Questions {
    client: Client,
    namespace: String,
    /// By kind. Whoever asks for the same one meanwhile waits for the one answer.
    kinds: RefCell<HashMap<String, Arc<OnceCell<Place>>>>,
}

impl Questions {
    pub(super) async fn connect(cluster: &Kubernetes) -> Result<Self, String> {
        let kubeconfig = cluster.kubeconfig.as_deref().map(Path::new);
        let mut config = cluster::config(kubeconfig, cluster.context.as_deref()).await?;
        config.connect_timeout = Some(PATIENCE);
        let of_context = config.default_namespace.clone();
        Ok(Self {
            client: Client::try_from(config).map_err(|error| error.to_string())?,
            namespace: cluster.namespace.clone().unwrap_or(of_context),
            kinds: RefCell::default(),
        })
    }

    /// The namespace that objects without one stand in.
    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Version of the cluster: `v1.34.4`.
    pub(super) async fn version(&self) -> Result<String, Error> {
        Ok(self.client.apiserver_version().await?.git_version)
    }

    /// Where the objects of a kind are, which is given as [`ObjectName`] does.
    async fn resource(&self, kind: &str) -> Result<Place, Error> {
        let known = Arc::clone(self.kinds.borrow_mut().entry(kind.to_owned()).or_default());
        let found = known.get_or_try_init(async || {
            let mut parts = kind.splitn(3, '.');
            let mut part = || parts.next().unwrap_or_default();
            let (name, version, group) = (part(), part(), part());
            let kind = GroupVersionKind::gvk(group, version, name);
            let (resource, capabilities) = pinned_kind(&self.client, &kind).await?;
            Ok::<_, Error>((resource, capabilities.scope))
        });
        found.await.cloned()
    }

    async fn get(&self, name: &ObjectName) -> Result<Option<Value>, Error> {
        let resource = self.resource(&name.kind).await?;
        let namespace = name.namespace.as_deref().unwrap_or(&self.namespace);
        let api = self.api(&resource, Some(namespace));
        let found = api.get_opt(&name.name).await?;
        found
            .map(|object| serde_json::to_value(object).map_err(Error::SerdeError))
            .transpose()
    }

    /// Objects, or `None` for those that are not there.
    pub(super) async fn get_all(&self, names: &[ObjectName]) -> Result<Vec<Option<Value>>, Error> {
        // One that fails is asked by kubectl, and then all are: this one has something to say.
        join_all(names.iter().map(|name| self.get(name)))
            .await
            .into_iter()
            .collect()
    }

    fn api(&self, (resource, scope): &Place, namespace: Option<&str>) -> Api<DynamicObject> {
        match (scope, namespace) {
            (Scope::Namespaced, Some(namespace)) => {
                Api::namespaced_with(self.client.clone(), namespace, resource)
            }
            _ => Api::all_with(self.client.clone(), resource),
        }
    }

    /// All objects of a kind, in the namespace or everywhere.
    pub(super) async fn list(&self, kind: &str, everywhere: bool) -> Result<Vec<Value>, Error> {
        let resource = self.resource(kind).await?;
        let namespace = (!everywhere).then_some(self.namespace.as_str());
        let list = self.api(&resource, namespace);
        let list = list.list(&ListParams::default()).await?;
        let types = TypeMeta {
            api_version: resource.0.api_version,
            kind: resource.0.kind,
        };
        let items = list.items.into_iter();
        items
            .map(|mut object| {
                // A server leaves them out in lists.
                object.types = Some(types.clone());
                serde_json::to_value(object).map_err(Error::SerdeError)
            })
            .collect()
    }

    /// The labels of all objects of a kind in the namespace that have some wanted ones.
    pub(super) async fn labels(
        &self,
        kind: &str,
        wanted: &str,
    ) -> Result<Vec<BTreeMap<String, String>>, Error> {
        let resource = self.resource(kind).await?;
        let api = self.api(&resource, Some(&self.namespace));
        let chosen = ListParams::default().labels(wanted);
        let items = api.list_metadata(&chosen).await?.items.into_iter();
        Ok(items
            .map(|object| object.metadata.labels.unwrap_or_default())
            .collect())
    }

    /// Whether all of these may be done, each a verb and a kind.
    pub(super) async fn may(&self, wanted: &[(&str, &str)]) -> Result<Vec<bool>, Error> {
        let asked = wanted.iter().map(async |(verb, kind)| {
            let (resource, scope) = self.resource(kind).await?;
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(ResourceAttributes {
                        group: Some(resource.group),
                        resource: Some(resource.plural),
                        verb: Some((*verb).to_owned()),
                        namespace: (scope == Scope::Namespaced).then(|| self.namespace.clone()),
                        ..ResourceAttributes::default()
                    }),
                    ..SelfSubjectAccessReviewSpec::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            let api: Api<SelfSubjectAccessReview> = Api::all(self.client.clone());
            let answer = api.create(&PostParams::default(), &review).await?;
            Ok(answer.status.is_some_and(|status| status.allowed))
        });
        join_all(asked).await.into_iter().collect()
    }

    /// Has the cluster check objects as it would when they are applied, strictly and without storing them. `force` is
    /// whether fields may be taken from others.
    pub(super) async fn rehearse(&self, objects: &[&Value], force: bool) -> Result<(), Error> {
        let mut how = PatchParams::apply(MANAGER).dry_run().validation_strict();
        how.force = force;
        let rehearsals = objects.iter().map(async |object| {
            let Some(name) = ObjectName::of(object) else {
                return Ok(());
            };
            let resource = self.resource(&name.kind).await?;
            let namespace = name.namespace.as_deref().unwrap_or(&self.namespace);
            let api = self.api(&resource, Some(namespace));
            api.patch(&name.name, &how, &Patch::Apply(*object))
                .await
                .map(drop)
        });
        stream::iter(rehearsals)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}
