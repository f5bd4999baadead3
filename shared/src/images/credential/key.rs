//! The keys under which files keep credentials: a registry, or a path below it.

/// Names under which files keep Docker Hub: that of its old index, and those of its API.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// How docker itself writes the key of Docker Hub.
pub(super) const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// A key in one spelling: no scheme, no `/v1/` of the old API, Docker Hub as `docker.io`, no standard port.
pub(super) fn normalize(key: &str) -> String {
    let key = key.trim();
    let key = key
        .strip_prefix("https://")
        .or_else(|| key.strip_prefix("http://"))
        .unwrap_or(key)
        .trim_end_matches('/');
    let key = ["/v1", "/v2"]
        .iter()
        .find_map(|version| key.strip_suffix(version))
        .unwrap_or(key)
        .trim_end_matches('/');
    let (host, path) = key.split_once('/').unwrap_or((key, ""));
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix(":443").unwrap_or(&host);
    let host = if DOCKER_HUB.contains(&host) {
        "docker.io"
    } else {
        host
    };
    if path.is_empty() {
        host.to_owned()
    } else {
        format!("{host}/{path}")
    }
}

/// The keys that can hold the credential of a repository, the most specific one first: `host/team/app`, `host/team`,
/// `host` (containers-auth.json(5)).
pub(super) fn candidates(registry: &str, repository: &str) -> Vec<String> {
    let host = normalize(registry);
    let mut keys = Vec::new();
    let mut path = repository.trim_matches('/');
    while !path.is_empty() {
        keys.push(format!("{host}/{path}"));
        path = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    }
    keys.push(host);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_docker_hub_is_the_same() {
        for key in [
            "https://index.docker.io/v1/",
            "index.docker.io",
            "docker.io",
            "https://registry-1.docker.io/v2/",
            "http://docker.io/",
            "Docker.IO",
        ] {
            assert_eq!(normalize(key), "docker.io", "{key}");
        }
        assert_eq!(
            normalize("registry.example:5000/team/"),
            "registry.example:5000/team"
        );
        assert_eq!(normalize("registry.example:443"), "registry.example");
        assert_eq!(normalize("docker.io.example"), "docker.io.example");
    }

    #[test]
    fn the_most_specific_path_comes_first() {
        assert_eq!(
            candidates("index.docker.io", "library/nginx"),
            ["docker.io/library/nginx", "docker.io/library", "docker.io"]
        );
        assert_eq!(candidates("localhost:5000", ""), ["localhost:5000"]);
    }
}
