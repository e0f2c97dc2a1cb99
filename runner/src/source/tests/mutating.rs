//! Good archives with a few bytes changed: whatever comes of them, nothing leaves the folder and nothing hangs.

use std::{fs, io::Write, time::Instant};

use podling_session::source::Format;
use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::{
    Limits, Part, names,
    tars::{gzip, small, zstd},
    zips::{Entry, file, stored, zip, zip64},
};
use crate::source::place;

const LIMITS: Limits = Limits {
    archive_bytes: 1 << 20,
    expanded_bytes: 4 << 20,
    entries: 50,
    connect: super::SHORT,
    idle: super::SHORT,
    total: super::SHORT,
};

fn tar() -> Vec<u8> {
    use std::io::Read;
    let mut tar = Vec::new();
    flate2::read::GzDecoder::new(&small()[..]).read_to_end(&mut tar).expect("it is gzip");
    tar
}

fn zipped() -> Vec<Entry> {
    vec![
        Entry { mode: Some(0o040_755), ..stored("top/", b"") },
        file("top/a", &b"text ".repeat(500)),
        Entry { flags: 8, ..stored("top/.b/c", b"as it is") },
    ]
}

/// Extracts beside a file that must stay as it is. The time is bounded by what is on the disk, not by a clock.
fn extract(archive: &[u8], format: Format) -> Result<u64, String> {
    let outside = tempfile::tempdir().expect("a folder");
    let into = outside.path().join("work");
    fs::create_dir(&into).expect("made");
    fs::write(outside.path().join("canary"), "alive").expect("written");
    let mut scratch = tempfile::tempfile().expect("a file");
    scratch.write_all(archive).expect("written");
    let job = place::Job {
        archive: scratch,
        archive_bytes: archive.len() as u64,
        format,
        part: Part::Whole,
        into: into.clone(),
        limits: LIMITS,
        deadline: Instant::now() + std::time::Duration::from_secs(60),
        stop: CancellationToken::new(),
    };
    let files = place::extract(job).map_err(|error| error.end().detail);
    assert_eq!(fs::read_to_string(outside.path().join("canary")).expect("there"), "alive");
    let mut beside = fs::read_dir(outside.path()).expect("a folder").count();
    beside -= 2;
    assert_eq!(beside, 0, "something was left outside");
    if files.is_err() {
        assert_eq!(names(&into), [""; 0], "left behind");
    }
    files
}

/// Some bytes changed, some taken out, some put in.
fn mutate(archive: &mut Vec<u8>, changes: &[(prop::sample::Index, u8, u8)]) {
    for (index, value, kind) in changes {
        if archive.is_empty() {
            return;
        }
        let at = index.index(archive.len());
        match kind % 6 {
            0 => _ = archive.remove(at),
            1 => archive.insert(at, *value),
            2 => archive.truncate(at),
            3 => archive[at] = 0xff,
            _ => archive[at] = *value,
        }
    }
}

fn changes() -> impl Strategy<Value = Vec<(prop::sample::Index, u8, u8)>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<u8>()), 1..6)
}

#[test]
fn unchanged_they_are_good() {
    for (archive, format) in [
        (small(), Format::TarGz),
        (zstd(&tar()), Format::TarZst),
        (zip(&zipped()), Format::Zip),
        (zip64(&zipped()), Format::Zip),
    ] {
        assert_eq!(extract(&archive, format), Ok(2), "{format:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_zip_stays_in_its_folder(changes in changes(), large in any::<bool>()) {
        let mut archive = if large { zip64(&zipped()) } else { zip(&zipped()) };
        mutate(&mut archive, &changes);
        let _ = extract(&archive, Format::Zip); // Good or bad, it asserts what it must.
    }

    #[test]
    fn a_changed_tar_stays_in_its_folder(changes in changes(), fix in any::<bool>()) {
        let mut archive = tar();
        mutate(&mut archive, &changes);
        if fix {
            correct_sums(&mut archive);
        }
        let _ = extract(&gzip(&archive), Format::TarGz); // Good or bad, it asserts what it must.
    }

    #[test]
    fn a_changed_stream_stays_in_its_folder(changes in changes(), kind in any::<bool>()) {
        let (mut archive, format) = if kind { (small(), Format::TarGz) } else { (zstd(&tar()), Format::TarZst) };
        mutate(&mut archive, &changes);
        let _ = extract(&archive, format); // Good or bad, it asserts what it must.
    }

    #[test]
    fn noise_is_no_archive(noise in prop::collection::vec(any::<u8>(), 0..2_000)) {
        for format in [Format::Zip, Format::TarGz, Format::TarZst] {
            prop_assert!(extract(&noise, format).is_err());
        }
    }
}

/// Makes every block's sum right, as one who forges an archive would.
fn correct_sums(archive: &mut [u8]) {
    for block in archive.chunks_exact_mut(512) {
        if &block[257..262] == b"ustar" {
            block[148..156].fill(b' ');
            let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
            block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        }
    }
}
