//! Prompts, colour, progress and width on a real pseudo-terminal.

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tests::lab::ControlPlane;

use super::{COMPONENTS, DOCKER_MIGRATE, Home, component};

/// A program on a terminal of 80 columns that it is alone on.
struct Session {
    child: Child,
    keys: std::fs::File,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: std::thread::JoinHandle<()>,
}

impl Session {
    fn start(home: &Home, program: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let size = Winsize {
            ws_row: 24,
            ws_col: 80,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&master, size).unwrap();
        let slave = || -> OwnedFd {
            rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap()
        };
        let mut command = home.command("setsid");
        command
            .args(["--ctty", "--wait", program])
            .args(arguments)
            .env("TERM", "xterm-256color")
            .envs(variables.iter().copied())
            .stdin(Stdio::from(slave()))
            .stdout(Stdio::from(slave()))
            .stderr(Stdio::from(slave()));
        let child = command.spawn().unwrap();
        // The slave's other ends must go, or the screen never ends.
        drop(command);
        let mut eyes = std::fs::File::from(master.try_clone().unwrap());
        let screen = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&screen);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count) = eyes.read(&mut bytes) {
                if count == 0 {
                    return;
                }
                seen.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self {
            child,
            keys: std::fs::File::from(master),
            screen,
            reader,
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + Duration::from_secs(90);
        while !self.text().contains(text) {
            assert!(
                Instant::now() < deadline,
                "`{text}` is not in {}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Exit code and all that was on the screen.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        self.reader.join().unwrap();
        let text = String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned();
        (status.code(), text)
    }
}

/// Without sequences for colours and the cursor.
fn plain(text: &str) -> String {
    regex::Regex::new("\x1b\\[[0-9;?]*[A-Za-z]")
        .unwrap()
        .replace_all(text, "")
        .replace('\r', "")
}

const COLOUR: &str = "\x1b[3";

fn lossy() -> Home {
    let home = Home::new();
    home.write(
        "compose.yaml",
        "services:\n  web:\n    image: nginx:1.27\n    ports: [\"80\"]\n    ulimits: {nofile: 5}\n    cpu_rt_runtime: 400ms\n    devices: [\"/dev/ttyUSB0:/dev/ttyUSB0\"]\n",
    );
    home
}

const CONVERT: [&str; 3] = ["convert", "-d", "out"];

#[test]
fn findings_are_coloured_and_fit_the_terminal() {
    let (code, screen) = Session::start(&lossy(), DOCKER_MIGRATE, &CONVERT, &[]).end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains(COLOUR), "{screen:?}");
    assert!(screen.contains("ulimits"), "{screen}");
    for line in plain(&screen).lines() {
        assert!(
            line.chars().count() <= 80,
            "{}: {line}",
            line.chars().count()
        );
    }
}

#[test]
fn who_wants_no_colour_gets_none() {
    for variables in [&[("NO_COLOR", "1")][..], &[("TERM", "dumb")]] {
        let (code, screen) = Session::start(&lossy(), DOCKER_MIGRATE, &CONVERT, variables).end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(!screen.contains('\x1b'), "{variables:?}: {screen:?}");
        let (_, help) = Session::start(&lossy(), DOCKER_MIGRATE, &["--help"], variables).end();
        assert!(!help.contains('\x1b'), "{variables:?}: {help:?}");
    }
    // Not a terminal.
    let ran = lossy().run(DOCKER_MIGRATE, &CONVERT).done();
    assert!(!ran.err.contains('\x1b'), "{ran:#?}");
}

#[test]
fn help_fits_the_terminal() {
    for line in [&["--help"][..], &["convert", "--help"], &["run", "--help"]] {
        let (code, screen) = Session::start(&lossy(), DOCKER_MIGRATE, line, &[]).end();
        assert_eq!(code, Some(0), "{screen}");
        for line in plain(&screen).lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }
}

/// A sync between two folders, slow enough to be watched.
fn slow_sync(home: &Home) -> Vec<&'static str> {
    home.write("compose.yaml", "services: {web: {image: nginx:1.27}}\n");
    let mut command = home.command(env!("CARGO_BIN_EXE_sample-images"));
    command.args(["compose.yaml", "images"]);
    super::run(command).done();
    vec![
        "images",
        "sync",
        "--from",
        "oci:images",
        "--to",
        "oci:copy",
        "--max-rate",
        "80KB",
    ]
}

#[test]
fn progress_is_a_bar_on_a_terminal_and_lines_elsewhere() {
    let home = Home::new();
    let line = slow_sync(&home);
    let (code, screen) = Session::start(&home, DOCKER_MIGRATE, &line, &[]).end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains("0/1 images"), "{screen:?}");
    assert!(
        screen.contains("\x1b["),
        "the bar is drawn over itself: {screen:?}"
    );
    let bars = regex::Regex::new("█[█░ ]* [0-9.]+ [kM]?B of [^;]*; 0/1 images").unwrap();
    let screen = plain(&screen);
    let mut drawn = 0;
    for bar in bars.find_iter(&screen) {
        drawn += 1;
        assert!(bar.as_str().chars().count() <= 80, "{}", bar.as_str());
    }
    assert!(drawn > 3, "{screen:?}");
    for (variables, bar) in [
        (&[("NO_COLOR", "1")][..], true),
        (&[("TERM", "dumb")], false),
    ] {
        std::fs::remove_dir_all(home.path().join("copy")).unwrap();
        let (code, screen) = Session::start(&home, DOCKER_MIGRATE, &line, variables).end();
        assert_eq!(code, Some(0), "{screen}");
        assert_eq!(
            screen.contains("0/1 images"),
            bar,
            "{variables:?}: {screen:?}"
        );
        assert!(!screen.contains(COLOUR), "{variables:?}: {screen:?}");
    }
    std::fs::remove_dir_all(home.path().join("copy")).unwrap();
    let lines = home.run(DOCKER_MIGRATE, &line).done();
    assert!(
        !lines.err.contains('\x1b') && !lines.err.contains('\r'),
        "{lines:#?}"
    );
    assert!(lines.err.contains("nginx:1.27 -> "), "{lines:#?}");
}

#[test]
fn ctrl_c_stops_a_sync_that_then_goes_on() {
    let home = Home::new();
    let line = slow_sync(&home);
    let mut session = Session::start(&home, DOCKER_MIGRATE, &line, &[]);
    session.wait_for("0/1 images");
    session.press("\x03");
    let (code, screen) = session.end();
    assert_eq!(code, Some(130), "{screen:?}");
    home.run(DOCKER_MIGRATE, &line).done();
}

/// A home whose cluster is a real API server.
fn cluster() -> Option<(Home, ControlPlane)> {
    let kubectl = component("kubectl", COMPONENTS.kubectl.as_ref())?;
    let plane = match ControlPlane::start(&COMPONENTS) {
        Ok(plane) => plane,
        Err(error) => {
            assert!(
                std::env::var_os("MIGRATE_LAB_REQUIRED").is_none(),
                "{error}"
            );
            println!("NOT TESTED: {error}");
            return None;
        }
    };
    let home = Home::new();
    home.link("kubectl", kubectl);
    home.write(
        "compose.yaml",
        "name: shop\nservices: {web: {image: \"nginx:1.27\", ports: [\"80\"]}}\n",
    );
    Some((home, plane))
}

fn deployments(home: &Home, kubeconfig: &Path) -> String {
    let mut command: Command = home.command(home.path().join("bin/kubectl"));
    command
        .env("KUBECONFIG", kubeconfig)
        .args(["get", "deployments", "-A", "-o", "name"]);
    super::run(command).done().out
}

#[test]
fn a_run_asks_first() {
    let Some((home, plane)) = cluster() else {
        return;
    };
    let kubeconfig = plane.kubeconfig();
    let variables = [("KUBECONFIG", kubeconfig.to_str().unwrap())];
    let line = ["run", "-n", "shop", "--no-wait"];
    for (keys, code) in [("n", 130), ("\x1b", 130), ("\r", 130), ("\x03", 130)] {
        let mut session = Session::start(&home, DOCKER_MIGRATE, &line, &variables);
        session.wait_for("Run this?");
        session.press(keys);
        let (ended, screen) = session.end();
        assert_eq!(ended, Some(code), "{keys:?}: {screen:?}");
        assert_eq!(
            screen.matches("\x1b[?25l").count(),
            screen.matches("\x1b[?25h").count(),
            "{keys:?}: the cursor is there again: {screen:?}"
        );
        assert_eq!(deployments(&home, &kubeconfig), "", "{keys:?}");
    }
    // Without a terminal nothing is asked, and nothing happens.
    let mut command = home.command(DOCKER_MIGRATE);
    command.env(variables[0].0, variables[0].1).args(line);
    super::run(command).ended(64).says("--yes");
    let mut session = Session::start(&home, DOCKER_MIGRATE, &line, &variables);
    session.wait_for("Run this?");
    session.press("y");
    let (code, screen) = session.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(deployments(&home, &kubeconfig).contains("web"));
    let mut session = Session::start(&home, DOCKER_MIGRATE, &["rollback"], &variables);
    session.wait_for("Undo ");
    session.press("y");
    let (code, screen) = session.end();
    assert_eq!(code, Some(0), "{screen}");
    assert_eq!(deployments(&home, &kubeconfig), "");
}
