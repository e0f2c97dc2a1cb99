//! What the operator says about sources, ready for use.

use std::path::PathBuf;

use anyhow::Context;
use podling_daemon::source_args::SourceArgs;
use podling_session::code_hosts::CodeHosts;
use reqwest::Certificate;
use url::Url;

use super::Cache;

#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) hosts: CodeHosts,
    /// Archives of trees on GitHub are below it.
    pub(crate) github: Url,
    /// Authorities beside the system's.
    pub(crate) authorities: Vec<Certificate>,
    /// The file that they were read from.
    pub(crate) authority_file: Option<PathBuf>,
    pub(crate) cache: Option<Cache>,
}

impl Settings {
    /// # Errors
    /// When the file of authorities cannot be read.
    pub(crate) fn new(args: SourceArgs, cache: Option<PathBuf>) -> anyhow::Result<Settings> {
        let hosts = args.hosts();
        let SourceArgs { github_archives: github, source_ca: authority_file, source_cache_bytes, .. } = args;
        let authorities = match &authority_file {
            None => Vec::new(),
            Some(path) => {
                let pem = std::fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
                let found = Certificate::from_pem_bundle(&pem);
                found.with_context(|| format!("{} holds no certificates", path.display()))?
            }
        };
        let cache = cache.filter(|_| source_cache_bytes > 0).map(|dir| Cache::new(dir, source_cache_bytes));
        Ok(Settings { hosts, github, authorities, authority_file, cache })
    }

    /// The host of GitHub's archives is the operator's choice, too, and need not be listed among the domains once more.
    pub(super) fn hosts_of_trees(&self) -> CodeHosts {
        let mut hosts = self.hosts.clone();
        hosts.domains.add_host_of(&self.github);
        hosts
    }
}
