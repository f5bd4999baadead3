//! Docker Compose files (every version) and Swarm stacks.

pub mod form;
pub mod live;
pub mod load;
pub mod read;
pub mod write;

/// Which Compose is written, and the choices that a conversion must not guess.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComposeOptions {
    /// Today's specification or a stack file of schema 3.13.
    pub target: ComposeTarget,
    /// How an HTTP probe is asked from inside the container.
    pub http_probe: HttpProbe,
    /// A StatefulSet with several replicas becomes one service for each.
    pub unroll_stateful: bool,
    /// What a CronJob becomes.
    pub cron: CronRunner,
    /// What an Ingress becomes.
    pub ingress: IngressProxy,
    /// How references to images change (`--to-registry`, `--map-registry`).
    pub images: crate::images::rewrite::Rules,
    /// Secret values are written into the Compose file instead of files beside it.
    pub inline_secrets: bool,
}

/// Which Compose is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ComposeTarget {
    /// Today's specification, for `docker compose`.
    #[default]
    Compose,
    /// Schema 3.13, for `docker stack deploy`.
    Swarm,
}

/// How an HTTP probe is asked from inside the container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum HttpProbe {
    /// `wget`, else `curl`, whichever the image has.
    #[default]
    Either,
    /// `wget`
    Wget,
    /// `curl`
    Curl,
}

/// What a CronJob becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CronRunner {
    /// A service in the profile `cron` (in a stack: with no replicas), to be started by the host's scheduler.
    #[default]
    None,
    /// Labels for a scheduler that reads them: `ofelia` in Compose, `swarm-cronjob` in Swarm.
    Labels,
}

/// What an Ingress becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IngressProxy {
    /// Only the list of routes in the findings.
    #[default]
    None,
    /// Labels for Traefik.
    Traefik,
}
