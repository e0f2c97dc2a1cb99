//! The settings of `podling up` for the services that it starts: whatever was said on its own command line reaches them by
//! the environment, where other users cannot read it.

use std::ffi::{OsStr, OsString};

use clap::{Arg, ArgMatches, Command, parser::ValueSource};

/// What the command line says of the arguments that `command` has, as variables.
pub(super) fn variables(command: &Command, matches: &ArgMatches) -> Vec<(OsString, OsString)> {
    let said = |arg: &&Arg| {
        let id = arg.get_id().as_str();
        matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let variable = |arg: &Arg| Some((arg.get_env()?.to_owned(), value(arg, matches)?));
    command.get_arguments().filter(said).filter_map(variable).collect()
}

fn value(arg: &Arg, matches: &ArgMatches) -> Option<OsString> {
    if !arg.get_action().takes_values() {
        return Some("true".into());
    }
    let values: Vec<&OsStr> = matches.get_raw(arg.get_id().as_str())?.collect();
    Some(values.join(OsStr::new(",")))
}

#[cfg(test)]
mod tests {
    use clap::Args;
    use podling_controller::args::ControllerArgs;

    use super::*;

    #[test]
    fn what_was_said_on_the_command_line_is_said_again_and_nothing_else() {
        let command = ControllerArgs::augment_args(Command::new("x"));
        let words = [
            "x",
            "--mirror-output",
            "--allow-source",
            "a:1",
            "--allow-source",
            "b:2",
            "--deadline=2h",
            "--log-bytes",
            "5",
        ];
        let matches = command.clone().get_matches_from(words);
        let mut variables = variables(&command, &matches);
        variables.sort();
        let expected = [
            ("PODLING_ALLOW_SOURCE", "a:1,b:2"),
            ("PODLING_DEADLINE", "2h"),
            ("PODLING_LOG_BYTES", "5"),
            ("PODLING_MIRROR_OUTPUT", "true"),
        ];
        assert_eq!(variables, expected.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn every_setting_of_a_controller_can_be_said_by_the_environment() {
        let command = ControllerArgs::augment_args(Command::new("x"));
        for arg in command.get_arguments() {
            assert!(arg.get_env().is_some(), "{}", arg.get_id());
        }
    }
}
