//! Keys and certificates of a cluster, and the arguments that name them.

use std::{
    fs::OpenOptions,
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use podling_servers::certificates;

pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    authority: PathBuf,
    service_key: PathBuf,
}

impl Files {
    pub(super) fn write(home: &Path) -> anyhow::Result<Files> {
        let certificates = certificates();
        let write = |name: &str, content: &str| -> anyhow::Result<PathBuf> {
            let path = home.join(name);
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(content.as_bytes())?;
            Ok(path)
        };
        Ok(Files {
            certificate: write("controller.pem", &certificates.certificate)?,
            key: write("controller.key", &certificates.key)?,
            authority: write("authority.pem", &certificates.ca)?,
            service_key: write("service.key", &format!("{:064x}\n", rand::random::<u128>()))?,
        })
    }

    pub(super) fn controller_arguments(&self, data_dir: &Path, control: &str) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        let pairs = [
            ("--data-dir", path(data_dir)),
            ("--service-key-file", path(&self.service_key)),
            ("--tls-cert", path(&self.certificate)),
            ("--tls-key", path(&self.key)),
            ("--tls-ca", path(&self.authority)),
            ("--control-advertise", control.to_owned()),
            ("--runner-listen", "127.0.0.1".to_owned()),
            ("--creates-per-minute", "100000".to_owned()),
            ("--max-sessions-per-owner", "100000".to_owned()),
            ("--max-sessions-per-tenant", "100000".to_owned()),
        ];
        words(pairs)
    }

    pub(super) fn gateway_arguments(&self, control: &str) -> Vec<String> {
        let path = |path: &Path| path.display().to_string();
        words([
            ("--controller", control.to_owned()),
            ("--controller-ca", path(&self.authority)),
            ("--service-key-file", path(&self.service_key)),
        ])
    }
}

fn words<const N: usize>(pairs: [(&str, String); N]) -> Vec<String> {
    pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
}
