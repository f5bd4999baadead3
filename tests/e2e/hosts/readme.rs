//! README.md: the tours are run and say what stands there, and links lead somewhere. `commands` runs the rest.

use std::fmt::Write as _;
use std::path::Path;

use super::{COMPONENTS, DOCKER_MIGRATE, Home, KUBECTL_MIGRATE, component, helm, root};

/// The lines of all blocks of a language.
pub(super) fn blocks(language: &str) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut found = Vec::new();
    let mut open: Option<Vec<String>> = None;
    for line in text.lines() {
        match &mut open {
            Some(_) if line == "```" => found.extend(open.take()),
            Some(lines) => lines.push(line.to_owned()),
            None if line == format!("```{language}") => open = Some(Vec::new()),
            None => {}
        }
    }
    found
}

/// A home with all hosts, all plugins and the files of the tours.
pub(super) fn home() -> Option<Home> {
    let home = Home::new();
    home.link("docker", component("docker", COMPONENTS.docker.as_ref())?)
        .link(
            "kubectl",
            component("kubectl", COMPONENTS.kubectl.as_ref())?,
        )
        .link("kubectl-migrate", KUBECTL_MIGRATE)
        .link("helm", component("helm4", COMPONENTS.helm4.as_ref())?);
    let folder = home.path().join(".docker/cli-plugins");
    std::fs::create_dir_all(&folder).unwrap();
    std::os::unix::fs::symlink(DOCKER_MIGRATE, folder.join("docker-migrate")).unwrap();
    let plugin = helm::plugin(&home);
    home.host("helm", &["plugin", "install", plugin.to_str().unwrap()])
        .done();
    let tour = root().join("tests/fixtures/tour");
    home.shell(&format!("cp -r {}/. .", tour.display())).done();
    Some(home)
}

/// `$ command` and what it prints, up to the next command.
fn replay(home: &Home, block: &[String]) -> String {
    let mut shown = String::new();
    for command in block.iter().filter_map(|line| line.strip_prefix("$ ")) {
        let ran = home.shell(&format!("exec 2>&1; {command}"));
        let _ = writeln!(shown, "$ {command}\n{}", ran.out.trim());
    }
    shown
}

#[test]
fn the_tours_say_what_the_programs_say() {
    let Some(home) = home() else { return };
    let file = root().join("README.md");
    let mut text = std::fs::read_to_string(&file).unwrap();
    let tours = blocks("console");
    assert!(tours.len() >= 3);
    for block in tours {
        let (there, shown) = (block.join("\n") + "\n", replay(&home, &block));
        if std::env::var_os("UPDATE_README").is_some() {
            text = text.replace(
                &format!("```console\n{there}```"),
                &format!("```console\n{shown}```"),
            );
        } else {
            assert_eq!(there, shown, "UPDATE_README=1 writes what the programs say");
        }
    }
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(file, text).unwrap();
    }
}

#[test]
fn links_lead_somewhere() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let links = regex::Regex::new(r"\]\(([^)#]+)\)").unwrap();
    for link in links.captures_iter(&text) {
        let target = &link[1];
        assert!(
            target.starts_with("https://") || Path::new(root()).join(target).exists(),
            "{target}"
        );
    }
}
