//! Which picture of an icon or cursor file counts, and what it is: the largest, as Pillow takes it; a PNG inside is decoded as
//! one, whatever its color type.

/// The chosen picture.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Entry<'a> {
    /// A PNG file.
    Png(&'a [u8]),
    /// A bitmap, as an icon file of this one entry.
    Bitmap(Vec<u8>),
}

/// Bytes of the file's header, and of one entry.
const HEADER_BYTES: usize = 6;
const ENTRY_BYTES: usize = 16;

/// Picks the picture; `None` when no entry lies inside the file.
pub(super) fn choose(bytes: &[u8]) -> Option<Entry<'_>> {
    let count = usize::from(u16::from_le_bytes([*bytes.get(4)?, *bytes.get(5)?]));
    let entries = bytes.get(HEADER_BYTES..)?.as_chunks::<ENTRY_BYTES>().0;
    let (_, entry, body) = entries
        .iter()
        .take(count)
        .filter_map(|entry| {
            let number = |at: usize| {
                u32::from_le_bytes([entry[at], entry[at + 1], entry[at + 2], entry[at + 3]])
                    as usize
            };
            let body = bytes.get(number(12)..)?;
            let body = &body[..number(8).min(body.len())];
            // A side of 256 is written as 0.
            let side = |v: u8| if v == 0 { 256_u32 } else { u32::from(v) };
            let depth = match bytes[2] {
                2 => 0,
                _ => u16::from_le_bytes([entry[6], entry[7]]),
            };
            let rank = (side(entry[0]) * side(entry[1]), depth);
            (!body.is_empty()).then_some((rank, entry, body))
        })
        .max_by_key(|(rank, ..)| *rank)?;
    if body.starts_with(super::png::SIGNATURE) {
        return Some(Entry::Png(body));
    }
    let mut alone = vec![0, 0, 1, 0, 1, 0];
    alone.extend(&entry[..4]);
    // A cursor has its hot spot where an icon has planes and depth, which the bitmap says again.
    alone.extend(if bytes[2] == 2 { &[0; 4] } else { &entry[4..8] });
    alone.extend((body.len() as u32).to_le_bytes());
    alone.extend(((HEADER_BYTES + ENTRY_BYTES) as u32).to_le_bytes());
    alone.extend(body);
    Some(Entry::Bitmap(alone))
}
