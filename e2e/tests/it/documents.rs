//! The documents say what is so.

use std::{fs, path::Path};

use podling_e2e::workspace::root;

#[test]
fn every_test_that_the_specification_names_exists() {
    let root = root();
    let specification = fs::read_to_string(root.join("docs/specification.md")).expect("the specification");
    let mut code = String::new();
    collect(&root, &mut code);
    let rows: Vec<_> = specification.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
    assert!(rows.len() > 5, "the table is read");
    for row in rows {
        let tests = row.rsplit('|').nth(1).map(|cell| cell.trim().trim_matches('`')).unwrap_or_default();
        if tests.contains(">= ") || tests.contains("<= ") {
            continue; // A floor of a measure: `podling-bench` checks those.
        }
        for test in tests.split("`, `") {
            assert!(code.contains(&format!("fn {test}(")), "no test {test}");
        }
    }
}

fn collect(folder: &Path, code: &mut String) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !matches!(name.to_str(), Some("target" | "node_modules" | ".git")) => {
                collect(&path, code);
            }
            Ok(_) if path.extension().is_some_and(|end| end == "rs") => {
                code.push_str(&fs::read_to_string(&path).unwrap_or_default());
            }
            _ => {}
        }
    }
}
