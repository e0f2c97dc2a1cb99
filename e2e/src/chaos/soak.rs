//! Create, attach and end, for long, and whether anything grows meanwhile.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, ensure};
use tokio::time::Instant;

use super::{cluster::Cluster, fleet::Fleet, invariants};

/// Sessions of one round; the machine's comfortable rate is what it makes of them.
const ROUND: usize = 8;
const LINES: u64 = 5;
const PATIENCE: Duration = Duration::from_secs(60);
/// Caches and pools fill at first: growth is looked for after this part of the time.
const SETTLING: f64 = 0.2;

/// One look at a process.
#[derive(Clone, Copy, Debug)]
struct Sample {
    seconds: f64,
    memory_kilobytes: f64,
    descriptors: f64,
}

/// How a service fared.
#[derive(Debug)]
pub struct Trend {
    pub service: String,
    pub memory_kilobytes: f64,
    /// Of its memory, in kB an hour.
    pub memory_slope: f64,
    pub descriptors: f64,
    /// An hour.
    pub descriptors_slope: f64,
}

/// What a soak came to.
#[derive(Debug)]
pub struct Soaked {
    pub sessions: usize,
    pub time: Duration,
    pub trends: Vec<Trend>,
    pub broken: Vec<String>,
}

/// # Errors
/// When a round cannot be held.
pub async fn soak(cluster: &mut Cluster, time: Duration) -> anyhow::Result<Soaked> {
    let (api, viewers, began) = (cluster.api().clone(), cluster.viewers(), Instant::now());
    let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    let (mut sessions, mut broken) = (0, Vec::new());
    while began.elapsed() < time {
        let mut fleet = Fleet::start(&api, &viewers, ROUND).await?;
        fleet.advances(LINES, PATIENCE).await?;
        for (uid, story) in fleet.end().await? {
            broken.extend(invariants::of_viewer(&uid, &story));
        }
        sessions += ROUND;
        for (service, pid) in cluster.processes()? {
            samples.entry(service).or_default().push(look(pid, began)?);
        }
        eprint!("\r{sessions} sessions in {:.0} s", began.elapsed().as_secs_f64());
    }
    eprintln!();
    let store = invariants::Store::open(&cluster.database()).await?;
    broken.extend(store.settled().await?);
    broken.extend(invariants::left_runners(cluster.data_dir()));
    let trends = samples.into_iter().map(|(service, samples)| trend(service, &samples)).collect();
    Ok(Soaked { sessions, time: began.elapsed(), trends, broken })
}

fn look(pid: i32, began: Instant) -> anyhow::Result<Sample> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("a service has ended")?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd"))?.count();
    Ok(Sample {
        seconds: began.elapsed().as_secs_f64(),
        memory_kilobytes: resident.context("a process has resident memory")?,
        descriptors: descriptors as f64,
    })
}

fn trend(service: String, samples: &[Sample]) -> Trend {
    let end = samples.last().map_or(0.0, |last| last.seconds);
    let settled: Vec<_> = samples.iter().filter(|sample| sample.seconds >= SETTLING * end).copied().collect();
    let points = |of: fn(&Sample) -> f64| settled.iter().map(move |sample| (sample.seconds / 3_600.0, of(sample)));
    Trend {
        service,
        memory_kilobytes: settled.last().map_or(0.0, |last| last.memory_kilobytes),
        memory_slope: slope(points(|sample| sample.memory_kilobytes)),
        descriptors: settled.last().map_or(0.0, |last| last.descriptors),
        descriptors_slope: slope(points(|sample| sample.descriptors)),
    }
}

/// Of the line of least squares; 0 through fewer than two points.
fn slope(points: impl Iterator<Item = (f64, f64)> + Clone) -> f64 {
    let count = points.clone().count() as f64;
    let (x, y) = points.clone().fold((0.0, 0.0), |sum, point| (sum.0 + point.0 / count, sum.1 + point.1 / count));
    let above: f64 = points.clone().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let below: f64 = points.map(|point| (point.0 - x).powi(2)).sum();
    if below > 0.0 { above / below } else { 0.0 }
}

impl Soaked {
    /// As Markdown.
    ///
    /// # Errors
    /// When nothing was measured.
    pub fn table(&self) -> anyhow::Result<String> {
        ensure!(!self.trends.is_empty(), "no service was looked at");
        let mut table = format!(
            "{} sessions were created, watched and ended in {:.0} minutes. Slopes are of the line of least squares, \
without the first fifth.\n\n| service | memory at the end | slope | descriptors at the end | slope |\n|---|---|---|---|---|\n",
            self.sessions,
            self.time.as_secs_f64() / 60.0
        );
        for trend in &self.trends {
            let Trend { service, memory_kilobytes, memory_slope, descriptors, descriptors_slope } = trend;
            table.push_str(&format!(
                "| {service} | {:.1} MB | {:+.2} MB an hour | {descriptors} | {descriptors_slope:+.1} an hour |\n",
                memory_kilobytes / 1024.0,
                memory_slope / 1024.0
            ));
        }
        Ok(table)
    }

    /// The page around its table. `date` is a day, `command` what was run.
    pub fn page(&self, table: &str, date: &str, command: &str) -> String {
        let broken = if self.broken.is_empty() { "nothing".to_owned() } else { self.broken.join("; ") };
        format!(
            "# Soak\n\nWritten by `{command}` on {date}: two controllers, two gateways, a Postgres and a Redis on one machine of \
two\nprocessors. Rounds of {ROUND} sessions are created, watched until each has printed {LINES} more lines, and ended, one \
round after the\nother; memory is what is resident. Broken or left over: {broken}.\n\n{table}"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slope_is_that_of_the_line() {
        let line = (0..10).map(|x| (f64::from(x), 3.0 * f64::from(x) + 1.0));
        assert!((slope(line) - 3.0).abs() < 1e-9);
        assert_eq!(slope([(1.0, 5.0)].into_iter()).to_bits(), 0.0_f64.to_bits());
    }
}
