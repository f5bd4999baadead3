//! The four applications, and what their users do with them.

use serde_json::Value;
use tests::lab::{DataCentres, Place};

use super::site::{curl, patiently, run};

/// An application of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Application {
    /// A page that counts its visits in Redis.
    Counter,
    /// A weblog on MariaDB.
    Wordpress,
    /// Git repositories, PostgreSQL and Redis.
    Forge,
    /// Votes from Redis through a worker into PostgreSQL.
    Vote,
}

impl Application {
    /// Its name: of its folder, its stack and its namespace.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Wordpress => "wordpress",
            Self::Forge => "forge",
            Self::Vote => "vote",
        }
    }

    /// Uses the application as its users do, from its page to its database and back, and gives what every copy of
    /// it has to show alike.
    pub(crate) fn exercise(self, centres: &DataCentres, place: Place) -> Result<String, String> {
        let address = place.address();
        match self {
            Self::Counter => counter(centres, &format!("http://{address}:8000")),
            Self::Wordpress => wordpress(centres, &format!("http://{address}:8080")),
            Self::Forge => forge(centres, &format!("http://{address}:8081")),
            Self::Vote => vote(
                centres,
                &format!("http://{address}:5080/"),
                &format!("http://{address}:5081/"),
            ),
        }
    }
}

fn counter(centres: &DataCentres, url: &str) -> Result<String, String> {
    let visit = || {
        let page = curl(centres, &[url])?;
        let (greeting, count) = page.trim_end().rsplit_once(' ').ok_or(&page)?;
        let count: u64 = count.parse().map_err(|_| format!("no number: {page}"))?;
        Ok::<_, String>((greeting.to_owned(), count))
    };
    let (greeting, first) = patiently("the counter answers", visit)?;
    let (_, second) = visit()?;
    if second <= first {
        return Err(format!("a visit was not counted: {first}, then {second}"));
    }
    Ok(greeting)
}

fn vote(centres: &DataCentres, ballot: &str, result: &str) -> Result<String, String> {
    let page = patiently("the ballot answers", || curl(centres, &[ballot]))?;
    let count = || {
        let text = curl(centres, &[result])?;
        let votes: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        Ok::<_, String>(votes["cats"].as_u64().unwrap_or_default())
    };
    let before = patiently("the result answers", count)?;
    patiently("the ballot takes a vote", || {
        curl(centres, &["--data", "vote=cats", ballot])
    })?;
    patiently("the vote is counted", || match count()? {
        after if after > before => Ok(()),
        after => Err(format!("{before} votes before, {after} now")),
    })?;
    Ok(page)
}

fn wordpress(centres: &DataCentres, url: &str) -> Result<String, String> {
    let installer = format!("{url}/wp-admin/install.php?step=2");
    patiently("the installer answers", || {
        let page = curl(
            centres,
            &[
                "--max-time",
                "60",
                "--data",
                "weblog_title=Lab&user_name=editor&admin_password=lab-editor&admin_password2=lab-editor\
                 &pw_weak=1&admin_email=editor%40example.com&blog_public=0&language=",
                &installer,
            ],
        )?;
        if page.contains("Success!") || page.contains("Already Installed") {
            Ok(())
        } else {
            Err(page)
        }
    })?;
    let title = format!("A post of process {}", std::process::id());
    let call = format!(
        "<?xml version=\"1.0\"?><methodCall><methodName>wp.newPost</methodName><params>\
         <param><value><int>1</int></value></param><param><value>editor</value></param>\
         <param><value>lab-editor</value></param><param><value><struct>\
         <member><name>post_status</name><value>publish</value></member>\
         <member><name>post_title</name><value>{title}</value></member>\
         <member><name>post_content</name><value>Written, stored and read.</value></member>\
         </struct></value></param></params></methodCall>"
    );
    let answer = curl(
        centres,
        &[
            "-H",
            "Content-Type: text/xml",
            "--data",
            &call,
            &format!("{url}/xmlrpc.php"),
        ],
    )?;
    let number: String = answer
        .split("<string>")
        .nth(1)
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    let page = curl(centres, &["-L", &format!("{url}/?p={number}")])?;
    if number.is_empty() || !page.contains(&title) || !page.contains("Written, stored and read.") {
        return Err(format!("the post is not there: {answer}\n{page}"));
    }
    let home = curl(centres, &["-L", url])?;
    let head = home.split("<title>").nth(1).unwrap_or_default();
    Ok(head.split("</title>").next().unwrap_or_default().to_owned())
}

fn forge(centres: &DataCentres, url: &str) -> Result<String, String> {
    let health = patiently("the forge answers", || {
        curl(centres, &[&format!("{url}/healthz")])
    })?;
    let name = format!("project-{}", rand::random::<u32>());
    curl(
        centres,
        &[
            "--data",
            &format!("{{\"name\": \"{name}\", \"description\": \"of a test\"}}"),
            &format!("{url}/projects"),
        ],
    )?;
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let git = |arguments: &[&str]| {
        run(centres
            .inside(Place::Dc1, "git")
            .args(["-c", "user.name=lab", "-c", "user.email=lab@example.com"])
            .args(arguments)
            .current_dir(folder.path()))
    };
    git(&["init", "--quiet", "--initial-branch=main", "."])?;
    std::fs::write(folder.path().join("README"), format!("about {name}\n"))
        .map_err(|error| error.to_string())?;
    git(&["add", "README"])?;
    git(&["commit", "--quiet", "-m", "Begin"])?;
    git(&["push", "--quiet", &format!("{url}/{name}.git"), "main"])?;
    let read = curl(centres, &[&format!("{url}/{name}/raw/README")])?;
    if read != format!("about {name}\n") {
        return Err(format!("another file came back: {read}"));
    }
    let listed = curl(centres, &[&format!("{url}/projects")])?;
    let listed: Vec<Value> = serde_json::from_str(&listed).map_err(|error| error.to_string())?;
    let pushes = listed
        .iter()
        .find(|project| project["name"] == name.as_str())
        .map(|project| &project["pushes"]);
    if pushes != Some(&Value::from(1)) {
        return Err(format!("the push was not counted: {listed:?}"));
    }
    Ok(health)
}
