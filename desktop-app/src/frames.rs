//! The frame log (`--frame-log FILE`): one line a frame, for a report of a slow window, and for our own measurements.
//!
//! Tab-separated, a header line first. It measures and draws nothing; without the flag none of this runs.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::photo_list::PhotoCounts;

/// The columns, in order.
///
/// `unix_ms` is when the frame's layout ended; `gap_ms` the time since the frame before; `ui_ms` what this program
/// did in it (news of the threads, layout); `last_whole_ms` the frame before with tessellation and rendering, without
/// waiting for the display.
pub const COLUMNS: &str = "unix_ms\tframe\tsince_start_ms\tgap_ms\tui_ms\tlast_whole_ms\tpending\tdone\tfailed\tstopped\thovering\tmodel";

/// What the window says of itself in a line.
#[derive(Clone, Copy, Debug, Default)]
pub struct FrameStatus {
    /// Photos by state.
    pub counts: PhotoCounts,
    /// Files hover over the window.
    pub hovering: bool,
    /// A model is ready.
    pub model: bool,
    /// Seconds of work of the frame before.
    pub last_whole: Option<f32>,
}

/// An open frame log.
#[derive(Debug)]
pub struct FrameLog {
    file: File,
    began: Instant,
    frame: u64,
    last_end: Option<Instant>,
    /// Work in this frame so far, and since when more is going on.
    worked: Duration,
    since: Option<Instant>,
}

impl FrameLog {
    /// Opens the log; the program's time begins now.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        let began = Instant::now();
        let mut file = File::create(path)?;
        writeln!(file, "{COLUMNS}")?;
        Ok(Self {
            file,
            began,
            frame: 0,
            last_end: None,
            worked: Duration::ZERO,
            since: None,
        })
    }

    /// The same log for another try at opening the window.
    ///
    /// # Errors
    /// When the system gives no second handle.
    pub fn another(&self) -> std::io::Result<Self> {
        Ok(Self {
            file: self.file.try_clone()?,
            began: self.began,
            frame: 0,
            last_end: None,
            worked: Duration::ZERO,
            since: None,
        })
    }

    /// Work of a frame begins.
    pub fn begin(&mut self) {
        self.since = Some(Instant::now());
    }

    /// It pauses: the toolkit does something of its own.
    pub fn pause(&mut self) {
        if let Some(since) = self.since.take() {
            self.worked += since.elapsed();
        }
    }

    /// The frame's layout is done; writes its line.
    ///
    /// # Errors
    /// When the file can no longer be written.
    pub fn end(&mut self, now: &FrameStatus) -> std::io::Result<()> {
        self.pause();
        let ended = Instant::now();
        self.frame += 1;
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let gap = self.last_end.map_or(Duration::ZERO, |last| ended - last);
        let counts = now.counts;
        let line = format!(
            "{:.3}\t{}\t{:.3}\t{:.3}\t{:.3}\t{:.3}\t{}\t{}\t{}\t{}\t{}\t{}\n",
            millis(unix),
            self.frame,
            millis(ended - self.began),
            millis(gap),
            millis(self.worked),
            1000.0 * f64::from(now.last_whole.unwrap_or(0.0)),
            counts.pending,
            counts.done,
            counts.failed,
            counts.stopped,
            u8::from(now.hovering),
            u8::from(now.model),
        );
        self.last_end = Some(ended);
        self.worked = Duration::ZERO;
        // One write a line, so that a reader never sees half of one.
        self.file.write_all(line.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_a_frame_with_a_number_a_column() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("frames.tsv");
        let mut log = FrameLog::create(&path).unwrap();
        for _ in 0..2 {
            log.begin();
            std::thread::sleep(Duration::from_millis(3));
            log.pause();
            std::thread::sleep(Duration::from_millis(20));
            log.begin();
            let now = FrameStatus {
                counts: PhotoCounts {
                    pending: 7,
                    ..PhotoCounts::default()
                },
                model: true,
                last_whole: Some(0.25),
                ..FrameStatus::default()
            };
            log.end(&now).unwrap();
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|line| line.len() == 12));
        let number = |line: usize, column: usize| lines[line][column].parse::<f64>().unwrap();
        assert_eq!((number(2, 1), number(2, 6), number(2, 11)), (2.0, 7.0, 1.0));
        assert!(number(2, 3) >= 23.0, "the gap holds the whole frame");
        assert!(number(2, 4) >= 3.0, "the work before the pause counts");
        assert!(
            number(2, 4) <= number(2, 3) - 20.0,
            "what the toolkit does itself is not counted: {} of {}",
            number(2, 4),
            number(2, 3)
        );
        assert_eq!(number(1, 5), 250.0);
        assert!(FrameLog::create(Path::new("/nowhere/at/all")).is_err());
    }
}
