//! What an operator chooses of bundles.

use std::time::Duration;

use clap::Args;
use humantime::parse_duration;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Bundles")]
pub struct BundleArgs {
    /// The largest folder that `podling run` may upload, packed, in bytes
    #[arg(long, env = "PODLING_MAX_BUNDLE_BYTES", value_name = "BYTES", default_value_t = 512 << 20)]
    pub max_bundle_bytes: u64,

    /// The most that one tenant may keep of bundles and of uploads that go on, together, in bytes
    #[arg(long, env = "PODLING_MAX_TENANT_BUNDLE_BYTES", value_name = "BYTES", default_value_t = 8 << 30)]
    pub max_tenant_bundle_bytes: u64,

    /// How long a bundle is kept after a session was last created from it; never less than a session may take to start
    #[arg(long, env = "PODLING_KEEP_BUNDLES", value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    pub keep_bundles: Duration,

    /// How long an upload that was cut waits to be gone on with
    #[arg(long, env = "PODLING_KEEP_UPLOADS", value_name = "DURATION", default_value = "24h", value_parser = parse_duration)]
    pub keep_uploads: Duration,
}

impl Default for BundleArgs {
    fn default() -> BundleArgs {
        const HOUR: Duration = Duration::from_secs(3_600);
        BundleArgs {
            max_bundle_bytes: 512 << 20,
            max_tenant_bundle_bytes: 8 << 30,
            keep_bundles: 7 * 24 * HOUR,
            keep_uploads: 24 * HOUR,
        }
    }
}
