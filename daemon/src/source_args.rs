//! What an operator says about sources: to the controller, which tells its runners the same.

use std::{ffi::OsString, path::PathBuf};

use clap::Args;
use podling_session::{
    address::AllowedSource,
    code_hosts::{CodeDomains, CodeHosts},
};
use url::Url;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Sources")]
pub struct SourceArgs {
    /// Domains that code may come from, separated by commas; `*.x.org` takes x.org and every name below it. Default:
    /// any public host
    #[arg(long, env = "ALLOWED_CODE_DOMAINS", value_name = "DOMAINS", default_value_t, hide_default_value = true)]
    pub allowed_code_domains: CodeDomains,

    /// A private host that sources may be fetched from, as HOST or HOST:PORT. May be repeated. Default: none
    #[arg(long = "allow-source", env = "PODLING_ALLOW_SOURCE", value_name = "HOST[:PORT]", value_delimiter = ',')]
    pub allowed_sources: Vec<AllowedSource>,

    /// Where archives of GitHub trees are fetched from: `{URL}/{owner}/{repo}/tar.gz/{ref}`
    #[arg(long, env = "PODLING_GITHUB_ARCHIVES", value_name = "URL", default_value = "https://codeload.github.com")]
    pub github_archives: Url,

    /// An authority to trust for sources beside the system's, in PEM. Default: none
    #[arg(long, env = "PODLING_SOURCE_CA", value_name = "FILE")]
    pub source_ca: Option<PathBuf>,

    /// How much of archives with a checksum is kept for the next session, in bytes; 0 for nothing
    #[arg(long, env = "PODLING_SOURCE_CACHE_BYTES", value_name = "BYTES", default_value_t = 2 << 30)]
    pub source_cache_bytes: u64,
}

impl SourceArgs {
    pub fn hosts(&self) -> CodeHosts {
        CodeHosts { domains: self.allowed_code_domains.clone(), private: self.allowed_sources.clone() }
    }

    /// The arguments by which a runner in another folder is told the same.
    pub fn to_arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let mut add = |name: &str, value: OsString| arguments.extend([name.into(), value]);
        add("--allowed-code-domains", self.allowed_code_domains.to_string().into());
        for source in &self.allowed_sources {
            add("--allow-source", source.to_string().into());
        }
        add("--github-archives", self.github_archives.as_str().into());
        if let Some(file) = &self.source_ca {
            add("--source-ca", std::path::absolute(file).unwrap_or_else(|_| file.clone()).into());
        }
        add("--source-cache-bytes", self.source_cache_bytes.to_string().into());
        arguments
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        args: SourceArgs,
    }

    #[test]
    fn a_runner_is_told_all_that_its_controller_was_told() {
        let words = [
            "x",
            "--allowed-code-domains=a.org,*.b.org",
            "--allow-source=127.0.0.1:80,c",
            "--github-archives=http://d/",
            "--source-ca=/e",
            "--source-cache-bytes=5",
        ];
        for words in [&words[..1], &words[..]] {
            let args = Command::parse_from(words).args;
            let again = Command::parse_from([OsString::from("x")].into_iter().chain(args.to_arguments())).args;
            assert_eq!(format!("{again:?}"), format!("{args:?}"));
        }
    }
}
