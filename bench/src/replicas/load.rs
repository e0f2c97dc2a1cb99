//! Callers that do one thing after the other, all of them at once, for a while.

use std::time::{Duration, Instant};

use super::CALLERS;

/// How often a second it was done, by all callers together. `caller` makes what the caller of this number does; what it
/// needs for that is made before time counts.
///
/// # Errors
/// When one caller cannot go on.
pub(super) fn rate<Call>(window: Duration, caller: impl Fn(usize) -> anyhow::Result<Call> + Sync) -> anyhow::Result<f64>
where
    Call: FnMut() -> anyhow::Result<()> + Send,
{
    let callers = (0..CALLERS).map(caller).collect::<anyhow::Result<Vec<_>>>()?;
    let started = Instant::now();
    let work = |mut call: Call| {
        let mut done = 0_u32;
        loop {
            call()?;
            done += 1;
            if started.elapsed() >= window {
                return anyhow::Ok(done);
            }
        }
    };
    let done = std::thread::scope(|scope| {
        let working: Vec<_> = callers.into_iter().map(|call| scope.spawn(move || work(call))).collect();
        working.into_iter().map(|caller| caller.join().expect("callers do not panic")).sum::<anyhow::Result<u32>>()
    })?;
    // The last calls end after the window, and count with their time.
    Ok(f64::from(done) / started.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn calls_are_counted_over_all_callers_and_one_that_fails_fails_the_measure() {
        let calls = AtomicU32::new(0);
        let count = |_| {
            Ok(|| {
                calls.fetch_add(1, Ordering::Relaxed);
                std::thread::park_timeout(Duration::from_millis(1));
                Ok(())
            })
        };
        let (begun, rate) = (Instant::now(), rate(Duration::from_millis(50), count).expect("nobody fails"));
        let least = f64::from(calls.load(Ordering::Relaxed)) / begun.elapsed().as_secs_f64();
        assert!(calls.load(Ordering::Relaxed) >= 16 && rate >= least, "{rate} {least}");
        let fails = |number| Ok(move || if number == 3 { anyhow::bail!("no") } else { Ok(()) });
        assert!(super::rate(Duration::from_millis(5), fails).is_err());
    }
}
