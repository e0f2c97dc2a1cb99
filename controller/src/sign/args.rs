//! What an operator chooses of the keys of session tokens.

use std::time::Duration;

use clap::Args;
use humantime::parse_duration;
use url::Url;

use super::{kms::KeyName, schedule::Schedule};

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Signing keys")]
pub struct SigningArgs {
    /// Make a new key for session tokens this often. It can also be done at any time, by SIGHUP and by operators.
    /// Default: never
    #[arg(long, env = "PODLING_ROTATE_KEYS_EVERY", value_name = "DURATION", value_parser = period)]
    pub rotate_keys_every: Option<Duration>,

    /// How long a new key is published before it signs, 2s to 1d: whoever checks tokens fetches the keys three times in it
    #[arg(long, env = "PODLING_KEY_LEAD", value_name = "DURATION", default_value = "5m", value_parser = lead)]
    pub key_lead: Duration,

    /// Sign with this key of Cloud KMS in place of files, `projects/…/locations/…/keyRings/…/cryptoKeys/…`, by the
    /// machine's own credentials for Google Cloud. Default: keys in the data directory
    #[arg(long, env = "PODLING_KMS_KEY", value_name = "NAME")]
    pub kms_key: Option<KeyName>,

    /// Where Cloud KMS is
    #[arg(long, env = "PODLING_KMS_ENDPOINT", value_name = "URL", default_value = "https://cloudkms.googleapis.com")]
    pub kms_endpoint: Url,
}

impl SigningArgs {
    pub fn schedule(&self, token_life: Duration) -> Schedule {
        Schedule { lead: self.key_lead, token_life }
    }
}

/// Below two seconds a controller might look for a key later than others have signed with it.
fn lead(text: &str) -> Result<Duration, String> {
    let lead = parse_duration(text).map_err(|error| error.to_string())?;
    let range = Duration::from_secs(2)..=Duration::from_secs(24 * 3_600);
    if range.contains(&lead) { Ok(lead) } else { Err("a key is published from 2s to 1d before it signs".to_owned()) }
}

/// Each key stays for the life of its tokens: more than one in a minute would fill the answers that list them.
fn period(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text).map_err(|error| error.to_string())?;
    if period >= Duration::from_secs(60) { Ok(period) } else { Err("keys are rotated every minute at most".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_have_bounds() {
        assert!(lead("2s").is_ok() && lead("1d").is_ok() && lead("1s").is_err() && lead("25h").is_err());
        assert!(period("1m").is_ok() && period("59s").is_err() && period("often").is_err());
    }
}
