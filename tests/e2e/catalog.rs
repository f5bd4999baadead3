//! Every finding that the program can make has a row in the catalog, every row is made somewhere, and `explain` knows
//! all of them.

use std::collections::BTreeSet;
use std::path::Path;

use migrate::finding::catalog;
use migrate::orchestration::table::explain_text;
use regex::Regex;

#[test]
fn codes_and_rows_agree() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut sources = Vec::new();
    let mut tables = BTreeSet::new();
    for package in [
        "shared",
        "docker-migrate",
        "kubectl-migrate",
        "helm-convert",
    ] {
        collect(&root.join(package).join("src"), &mut sources, &mut tables);
    }
    let rows: BTreeSet<&str> = catalog().map(|row| row.code).collect();
    let made = made(&sources);
    assert!(made.len() > 400, "only {} codes were found", made.len());
    let missing: Vec<_> = made.iter().filter(|c| !rows.contains(c.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new(), "codes without a row");
    let unused: Vec<_> = rows
        .iter()
        .filter(|code| !made.contains(**code) && !tables.contains(**code))
        .collect();
    assert_eq!(unused, Vec::<&&str>::new(), "rows that nothing makes");
}

#[test]
fn every_row_is_explained() {
    for row in catalog() {
        let text = explain_text(row.code).unwrap_or_else(|error| panic!("{}: {error}", row.code));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [row.code, row.title, row.consequence, row.remedy] {
            assert!(text.contains(part), "explain {} lacks: {part}", row.code);
        }
    }
}

/// The codes that stand where the sources make a finding: in `Code("...")`, in a call of a function that takes a code,
/// at the start of a tuple, or in the expression of a variable named `code`.
fn made(sources: &[String]) -> BTreeSet<String> {
    let of_type = Regex::new(r#"\bCode\(\s*"([a-z0-9-]+)""#).unwrap();
    let choice = Regex::new(r"\blet \(?code\b[^=;]*=([^;]*);").unwrap();
    let tuple = Regex::new(r#"(?:[=(\[,{>]|return)\s*\(\s*"([a-z0-9]+(?:-[a-z0-9]+)+)","#).unwrap();
    let literal = Regex::new(r#""([a-z0-9]+(?:-[a-z0-9]+)*)""#).unwrap();
    let takers = takers(sources);
    let call = Regex::new(&format!(
        r"\b(?:{})\(",
        takers.into_iter().collect::<Vec<_>>().join("|")
    ))
    .unwrap();
    let rows: BTreeSet<&str> = catalog().map(|row| row.code).collect();
    let mut all = BTreeSet::new();
    for text in sources {
        all.extend(of_type.captures_iter(text).map(|c| c[1].to_owned()));
        // What stands beside a code in these places may be any word.
        let mut among = |part: &str| {
            let found = literal.captures_iter(part).map(|c| c[1].to_owned());
            all.extend(found.filter(|word| rows.contains(word.as_str())));
        };
        for found in choice.captures_iter(text) {
            among(&found[1]);
        }
        for found in tuple.captures_iter(text) {
            among(&format!("\"{}\"", &found[1]));
        }
        for found in call.find_iter(text) {
            among(&own_arguments(&text[found.end()..]));
        }
    }
    all
}

/// The names of the functions that take a code.
fn takers(sources: &[String]) -> BTreeSet<String> {
    let function = Regex::new(r"\bfn (\w+)[^({]*\(([^{;]*?)\)\s*(?:->|\{|where)").unwrap();
    let code = Regex::new(r"\bcode: (?:&'static str|&str|Code)\b").unwrap();
    sources
        .iter()
        .flat_map(|text| function.captures_iter(text))
        .filter(|found| code.is_match(&found[2]))
        .map(|found| found[1].to_owned())
        .collect()
}

/// The arguments of a call up to its end, without those of calls inside of it.
fn own_arguments(text: &str) -> String {
    let mut depth = 0_usize;
    let mut own = String::new();
    for c in text.chars().take(2000) {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' if depth == 0 => break,
            ')' | ']' => depth -= 1,
            _ if depth == 0 => own.push(c),
            _ => {}
        }
    }
    own
}

/// The sources without their tests, and the cells of all tables but the catalog itself.
fn collect(folder: &Path, sources: &mut Vec<String>, tables: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap_or_default();
        let read = || String::from_utf8(std::fs::read(&path).unwrap()).unwrap();
        if path.is_dir() {
            if name != "tests" && !path.ends_with("finding/catalog") {
                collect(&path, sources, tables);
            }
        } else if path.extension().is_some_and(|e| e == "rs") && name != "tests.rs" {
            sources.push(
                read()
                    .split("#[cfg(test)]\nmod tests {")
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            );
        } else if path.extension().is_some_and(|e| e == "tsv") {
            tables.extend(read().split(['\t', '\n']).map(str::to_owned));
        }
    }
}
