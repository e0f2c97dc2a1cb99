//! What a source without an `install_cmd` needs installed, told from the files at its top.

use std::{collections::BTreeMap, path::Path};

/// The exit code of a recipe whose tool is not there; no tool of these uses it.
pub(super) const NO_TOOL: i32 = 86;

/// How one kind of source is made ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    /// The file that shows that it is of this kind.
    pub(super) file: &'static str,
    pub(super) tool: &'static str,
    /// Ends well where the tool is there.
    test: &'static str,
    pub(super) command: &'static str,
    /// Whether it fills the environment of Python at `VENV`.
    fills_venv: bool,
}

/// Below the home, so that nothing of it lies among the files of the source.
const VENV: &str = "venv";
const PYTHON: &str = "python3 with the modules venv and ensurepip (Debian: python3-venv)";
/// `-I`: the source may have a `venv.py` of its own.
const TEST_PYTHON: &str = "python3 -I -c 'import venv, ensurepip'";
const NODE: (&str, &str) = ("npm", "command -v npm");

/// The first whose file is there counts: what a lock file pins before what is left open.
const RECIPES: [Recipe; 8] = [
    recipe("package-lock.json", NODE, "npm ci"),
    recipe("npm-shrinkwrap.json", NODE, "npm ci"),
    recipe("package.json", NODE, "npm install"),
    in_venv("requirements.txt", "python3 -m venv ~/venv && ~/venv/bin/pip install -r requirements.txt"),
    in_venv("pyproject.toml", "python3 -m venv ~/venv && ~/venv/bin/pip install ."),
    recipe("Cargo.lock", ("cargo", "command -v cargo"), "cargo fetch --locked"),
    recipe("Cargo.toml", ("cargo", "command -v cargo"), "cargo fetch"),
    recipe("go.mod", ("go", "command -v go"), "go mod download"),
];

/// Said to the tools unless the session says otherwise: nothing that is of use to nobody, and no question.
const QUIET: [(&str, &str); 5] = [
    ("npm_config_audit", "false"),
    ("npm_config_fund", "false"),
    ("npm_config_update_notifier", "false"),
    ("PIP_DISABLE_PIP_VERSION_CHECK", "1"),
    ("PIP_NO_INPUT", "1"),
];

/// Said to them where there is no network: without it some try for minutes before they give up.
const OFFLINE: [(&str, &str); 4] =
    [("npm_config_offline", "true"), ("PIP_NO_INDEX", "1"), ("CARGO_NET_OFFLINE", "true"), ("GOPROXY", "off")];

/// What an installation can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Network {
    Open,
    None,
}

const fn recipe(file: &'static str, (tool, test): (&'static str, &'static str), command: &'static str) -> Recipe {
    Recipe { file, tool, test, command, fills_venv: false }
}

const fn in_venv(file: &'static str, command: &'static str) -> Recipe {
    Recipe { file, tool: PYTHON, test: TEST_PYTHON, command, fills_venv: true }
}

/// The recipe for a folder; none where nothing is to be installed. A link is no file: it may lead anywhere.
pub(crate) async fn detect(folder: &Path) -> Option<Recipe> {
    for recipe in RECIPES {
        if tokio::fs::symlink_metadata(folder.join(recipe.file)).await.is_ok_and(|found| found.is_file()) {
            return Some(recipe);
        }
    }
    None
}

impl Recipe {
    /// What bash is given.
    pub(super) fn script(&self) -> String {
        format!("{} >/dev/null 2>&1 || exit {NO_TOOL}\n{}", self.test, self.command)
    }

    /// The environment in which it runs.
    pub(super) fn env(&self, env: &BTreeMap<String, String>, network: Network) -> BTreeMap<String, String> {
        let offline: &[_] = if network == Network::None { &OFFLINE } else { &[] };
        let said = QUIET.iter().chain(offline).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        said.chain(env.clone()).collect()
    }

    /// What the command finds of it, as activating the environment would have it.
    pub(super) fn hand_over(&self, env: &mut BTreeMap<String, String>) {
        let Some(home) = env.get("HOME").filter(|_| self.fills_venv) else { return };
        let venv = format!("{home}/{VENV}");
        let path = env.get("PATH").map(|path| format!("{venv}/bin:{path}"));
        env.extend(path.map(|path| ("PATH".to_owned(), path)));
        env.insert("VIRTUAL_ENV".to_owned(), venv);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_file_goes_before_what_it_locks_and_links_and_folders_count_for_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let make = |name: &str| std::fs::write(folder.path().join(name), "").expect("a file");
        let found = async || detect(folder.path()).await.map(|recipe| recipe.command);
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("package.json")).expect("a link");
        std::fs::create_dir(folder.path().join("requirements.txt")).expect("a folder");
        assert_eq!(found().await, None);
        for (file, command) in [
            ("go.mod", "go mod download"),
            ("Cargo.toml", "cargo fetch"),
            ("Cargo.lock", "cargo fetch --locked"),
            ("pyproject.toml", "python3 -m venv ~/venv && ~/venv/bin/pip install ."),
            ("npm-shrinkwrap.json", "npm ci"),
            ("package-lock.json", "npm ci"),
        ] {
            make(file);
            assert_eq!(found().await, Some(command), "{file}");
        }
    }

    #[test]
    fn a_tool_that_is_not_there_is_told_from_one_that_fails() {
        let nothing = tempfile::tempdir().expect("a folder");
        for recipe in RECIPES {
            let mut bash = std::process::Command::new("/bin/bash");
            let status = bash.args(["-c", &recipe.script()]).env("PATH", nothing.path()).status().expect("bash runs");
            assert_eq!(status.code(), Some(NO_TOOL), "{}", recipe.tool);
        }
    }

    #[test]
    fn what_the_session_sets_goes_before_what_tools_are_told() {
        let session = BTreeMap::from([("PIP_NO_INPUT".to_owned(), "0".to_owned())]);
        let env = RECIPES[0].env(&session, Network::Open);
        assert_eq!((env["PIP_NO_INPUT"].as_str(), env["npm_config_audit"].as_str()), ("0", "false"));
        assert!(!env.contains_key("GOPROXY"));
        assert_eq!(RECIPES[0].env(&session, Network::None)["GOPROXY"], "off");
    }

    #[test]
    fn the_command_finds_what_was_installed_for_python_first() {
        let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let before = BTreeMap::from([("HOME", "/h"), ("PATH", "/bin")].map(text));
        let after = |recipe: &Recipe| {
            let mut env = before.clone();
            recipe.hand_over(&mut env);
            env
        };
        assert_eq!(after(&RECIPES[0]), before);
        let venv = [("HOME", "/h"), ("PATH", "/h/venv/bin:/bin"), ("VIRTUAL_ENV", "/h/venv")];
        assert_eq!(after(&RECIPES[3]), BTreeMap::from(venv.map(text)));
    }
}
