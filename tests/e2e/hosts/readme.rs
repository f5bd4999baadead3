//! Every command in README.md: the tours are run and say what stands there, the others are understood by the programs.

use std::fmt::Write as _;
use std::path::Path;

use super::{COMPONENTS, DOCKER_MIGRATE, Home, KUBECTL_MIGRATE, component, helm, root};

/// The lines of all blocks of a language.
fn blocks(language: &str) -> Vec<Vec<String>> {
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
fn home() -> Option<Home> {
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

/// A line of shell as words, without its comment.
fn words(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap().trim();
    line.split_whitespace()
        .map(|word| word.trim_matches(['\'', '"']).to_owned())
        .collect()
}

#[test]
fn every_command_is_understood() {
    let mut seen = 0;
    for line in blocks("sh").into_iter().flatten() {
        let words = words(&line);
        let command = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["docker", "migrate", ..] => docker_migrate::command(),
            ["kubectl", "migrate", ..] => kubectl_migrate::command(),
            ["helm", "convert", ..] => helm_convert::command(),
            _ => continue,
        };
        seen += 1;
        if let Err(error) = command.try_get_matches_from(&words[1..]) {
            panic!("{line}\n{error}");
        }
    }
    assert!(seen > 25, "{seen}");
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
