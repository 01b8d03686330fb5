//! The compressed data of one scan, cut at its markers: stuffed bytes are removed, restart markers found, and lost ones
//! worked around as libjpeg does (`jdmarker.c`, `jpeg_resync_to_restart`).

use super::bits::PADDING;
use super::markers::next_marker;

/// The end-of-image marker, which libjpeg assumes where a file ends.
const EOI: u8 = 0xD9;

/// How the data went on after a restart interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Restart {
    /// With the marker that was due.
    Found,
    /// With another one: data was lost or is still to come.
    Lost,
    /// Not at all: another part of the file begins, or it ends.
    Ended,
}

/// Walks over one scan.
pub(super) struct Segments<'a, 'b> {
    bytes: &'a [u8],
    /// Next byte to read.
    at: usize,
    /// A marker that was reached and not dealt with yet, and the position behind it.
    pending: Option<(u8, usize)>,
    /// The present segment without stuffing, and padding.
    buffer: &'b mut Vec<u8>,
}

impl<'a, 'b> Segments<'a, 'b> {
    /// The scan's data begins at `at`. `buffer` is only lent, to be used again for other scans.
    pub fn new(bytes: &'a [u8], at: usize, buffer: &'b mut Vec<u8>) -> Self {
        Self {
            bytes,
            at,
            pending: None,
            buffer,
        }
    }

    /// Reads up to the next marker. Empty when a marker is already waiting.
    pub fn load(&mut self) -> &[u8] {
        self.buffer.clear();
        while self.pending.is_none() {
            let rest = &self.bytes[self.at..];
            let plain = memchr::memchr(0xFF, rest).unwrap_or(rest.len());
            self.buffer.extend_from_slice(&rest[..plain]);
            let fill = rest[plain..].iter().take_while(|&&b| b == 0xFF).count();
            match rest.get(plain + fill) {
                None => {
                    self.at = self.bytes.len();
                    self.pending = Some((EOI, self.at));
                }
                Some(0) => {
                    self.buffer.push(0xFF);
                    self.at += plain + fill + 1;
                }
                Some(&code) => {
                    self.pending = Some((code, self.at + plain + fill + 1));
                    // Stay in front of the marker, so that whoever reads on finds it again.
                    self.at += plain + fill - 1;
                }
            }
        }
        self.buffer.resize(self.buffer.len() + PADDING, 0);
        self.buffer
    }

    /// Moves behind restart marker number `expected` without reading what lies before it, where that marker is the next
    /// one. Otherwise nothing moves.
    pub fn skip_to_restart(&mut self, expected: usize) -> bool {
        if self.pending.is_some() {
            return false;
        }
        let mut at = self.at;
        let is_next = next_marker(self.bytes, &mut at) == Some(0xD0 + (expected % 8) as u8);
        if is_next {
            self.pass(at);
        }
        is_next
    }

    /// A marker was reached that nothing has dealt with yet: there is no data before it.
    pub fn waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// Moves over the restart marker that is due, number `expected` modulo 8.
    pub fn restart(&mut self, expected: usize) -> Restart {
        if self.pending.is_none() {
            self.load();
        }
        let expected = (expected % 8) as u8;
        let (mut code, mut after) = self.pending.unwrap_or((EOI, self.at));
        if code == 0xD0 + expected {
            self.pass(after);
            return Restart::Found;
        }
        loop {
            let distance = code.wrapping_sub(0xD0 + expected) & 7;
            match code {
                // One of the next two: it is this one that is lost. Leave it, the interval stays empty.
                0xD0..=0xD7 if distance == 1 || distance == 2 => break,
                // One of the last two, or no marker at all: look on.
                0xD0..=0xD7 if distance < 6 => {
                    self.pass(after);
                    return Restart::Lost;
                }
                0xD0..=0xD7 | 0x00..=0xBF => {
                    let mut at = after;
                    code = next_marker(self.bytes, &mut at).unwrap_or(EOI);
                    after = at;
                }
                _ => {
                    self.pending = Some((code, after));
                    return Restart::Ended;
                }
            }
        }
        self.pending = Some((code, after));
        Restart::Lost
    }

    /// Moves to the end of the scan without looking at its data, from the restart marker of number `from` on, `intervals` in
    /// all. What is damaged is worked around as reading does it: what follows must begin at the same place.
    pub fn skip(&mut self, from: usize, intervals: u64) {
        for number in from..usize::try_from(intervals)
            .unwrap_or(usize::MAX)
            .saturating_sub(1)
        {
            self.restart(number);
            self.load();
        }
    }

    fn pass(&mut self, after: usize) {
        self.pending = None;
        self.at = after;
    }

    /// Where the file goes on behind this scan: in front of the marker that ended it.
    pub fn end(&self) -> usize {
        self.pending
            .map_or(self.at, |(_, after)| after.saturating_sub(2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(bytes: &[u8], intervals: usize) -> Vec<(Vec<u8>, Restart)> {
        let mut buffer = Vec::new();
        let mut segments = Segments::new(bytes, 0, &mut buffer);
        (0..intervals)
            .map(|number| {
                let segment = segments.load();
                let data = segment[..segment.len() - PADDING].to_vec();
                (data, segments.restart(number))
            })
            .collect()
    }

    #[test]
    fn stuffing_goes_and_markers_cut() {
        let bytes = [1, 0xFF, 0, 2, 0xFF, 0xFF, 0xD0, 3, 0xFF, 0xD1, 0xFF, 0xD9];
        let parts = walk(&bytes, 3);
        assert_eq!(parts[0], (vec![1, 0xFF, 2], Restart::Found));
        assert_eq!(parts[1], (vec![3], Restart::Found));
        assert_eq!(parts[2], (vec![], Restart::Ended));
    }

    #[test]
    fn an_interval_is_passed_where_its_marker_is_the_next_one() {
        let bytes = [
            1, 0xFF, 0, 2, 0xFF, 0xFF, 0xD3, 7, 0xFF, 0xD5, 8, 0xFF, 0xD9,
        ];
        let mut buffer = Vec::new();
        let mut segments = Segments::new(&bytes, 0, &mut buffer);
        assert!(!segments.skip_to_restart(2) && !segments.waiting());
        assert!(segments.skip_to_restart(11), "numbers count modulo 8");
        // The next marker is another one: the data stays to be read.
        assert!(!segments.skip_to_restart(4));
        assert_eq!(segments.load()[0], 7);
        assert!(
            !segments.skip_to_restart(5),
            "a marker that was reached waits"
        );
        assert_eq!(segments.restart(5), Restart::Found);
        assert!(!segments.skip_to_restart(6), "the picture ends");
        assert_eq!(segments.load()[0], 8);
    }

    #[test]
    fn a_lost_marker_costs_its_interval_only() {
        // RST0 is gone: the second interval is taken for the first's rest, the third comes in its place.
        let bytes = [1, 2, 0xFF, 0xD1, 3, 0xFF, 0xD2, 4, 0xFF, 0xD9];
        let parts = walk(&bytes, 4);
        assert_eq!(parts[0], (vec![1, 2], Restart::Lost));
        assert_eq!(parts[1], (vec![], Restart::Found));
        assert_eq!(parts[2], (vec![3], Restart::Found));
        assert_eq!(parts[3], (vec![4], Restart::Ended));
    }

    #[test]
    fn an_old_marker_is_skipped() {
        // RST7 once more where RST0 is due: what follows belongs to nobody.
        let bytes = [1, 0xFF, 0xD7, 9, 9, 0xFF, 0xD0, 2, 0xFF, 0xD1];
        let parts = walk(&bytes, 2);
        assert_eq!(parts[0], (vec![1], Restart::Lost));
        assert_eq!(parts[1], (vec![2], Restart::Found));
    }
}
