//! Logs to standard error, and the recorder behind `/metrics`.

use std::{io::IsTerminal, time::Duration};

use clap::{Args, ValueEnum};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

const TEND_EVERY: Duration = Duration::from_secs(5);

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Logging")]
pub struct LogArgs {
    /// What to log: a level, or directives such as `info,podling_gateway=debug`
    #[arg(long, env = "PODLING_LOG", default_value = "info", global = true)]
    pub log: String,

    /// How to write log lines: text for people, json for machines
    #[arg(long, env = "PODLING_LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// Libraries that write what passes through them at their finest levels: headers, frames, tokens. They are held to
/// what they say for everyone, whatever the directives ask.
const TALKATIVE: [&str; 8] =
    ["h2", "hyper", "hyper_util", "reqwest", "rustls", "tokio_tungstenite", "tonic", "tungstenite"];

/// Sends log lines of this process to standard error.
///
/// # Errors
/// When the directives cannot be parsed or a subscriber is installed already.
pub fn start(args: &LogArgs) -> anyhow::Result<()> {
    let mut filter = EnvFilter::try_new(&args.log)?;
    for library in TALKATIVE {
        filter = filter.add_directive(format!("{library}=info").parse()?);
    }
    let registry = tracing_subscriber::registry().with(filter);
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Text => {
            registry.with(layer.with_ansi(std::io::stderr().is_terminal()).with_target(false)).try_init()?
        }
        LogFormat::Json => registry.with(layer.json()).try_init()?,
    }
    Ok(())
}

/// Installs the process's metrics recorder; the handle renders it as Prometheus text. Whoever records histograms also
/// [tends](tend) it.
///
/// # Errors
/// When a recorder is installed already.
pub fn record_metrics() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new().install_recorder()
}

/// Folds what histograms were told into their sums, until `stop`. Without it every sample stays in memory until somebody
/// reads the metrics, which may be never.
pub async fn tend(metrics: PrometheusHandle, stop: CancellationToken) {
    let mut ticks = interval(TEND_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        metrics.run_upkeep();
    }
}
