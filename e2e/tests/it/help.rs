//! `--help` is the reference for operators: every setting with its unit and its default.

use std::process::Command;

use podling_e2e::podling::binary;

/// Variables that are named as they were before there was Podling, and as others name them.
const OF_OTHERS: [&str; 2] = ["ALLOWED_CODE_DOMAINS=", "FIREBASE_AUTH_EMULATOR_HOST="];

fn help(words: &[&str]) -> String {
    let output = Command::new(binary()).args(words).arg("--help").output().expect("podling runs");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// Each option with all that is said of it, on one line.
fn options(help: &str) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for line in help.lines().map(str::trim) {
        match options.last_mut() {
            _ if line.starts_with("--") || line.starts_with("-h") || line.starts_with("-V") => {
                options.push(line.to_owned())
            }
            Some(option) => *option = format!("{option} {line}"),
            None => {}
        }
    }
    options
}

#[test]
fn every_setting_of_podling_up_names_its_variable_its_unit_and_its_default() {
    let help = help(&["up"]);
    let options: Vec<_> = options(&help).into_iter().filter(|option| option.starts_with("--")).collect();
    assert!(options.len() > 25, "{options:#?}");
    for option in options.iter().filter(|option| !option.starts_with("--demo")) {
        assert!(
            ["PODLING_"].iter().chain(&OF_OTHERS).any(|name| option.contains(&format!("[env: {name}"))),
            "{option}"
        );
        assert!(option.contains("[default: ") || option.contains("Default: "), "{option}");
        let name = option.split_whitespace().next().unwrap_or_default();
        let unit = if name.ends_with("-bytes") { "in bytes" } else { "" };
        assert!(option.contains(unit), "{option}");
    }
    for hidden in ["--home", "--xdg-data-home", "--search-path", "DISPLAY"] {
        assert!(!help.contains(hidden), "{hidden} is nobody's to set");
    }
}

#[test]
fn commands_that_podling_starts_itself_are_not_shown() {
    let help = help(&[]);
    assert!(help.contains("  up  "), "{help}");
    for hidden in ["  runner ", "  sample "] {
        assert!(!help.contains(hidden), "{help}");
    }
}
