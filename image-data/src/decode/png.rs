//! What the PNG decoder does not tell: metadata that stands behind the pixels, and files with wrong checksums or
//! without an end, which are mended and tried again. Pixels are the `png` crate's work.

use std::io::Read;

use flate2::Crc;
use flate2::read::ZlibDecoder;

pub(super) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const END: &[u8] = b"\0\0\0\0IEND\xAE\x42\x60\x82";

/// Compressed text is read up to here: a profile is some kilobytes.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// One chunk as it lies in the file.
struct Chunk<'a> {
    kind: [u8; 4],
    body: &'a [u8],
    /// The checksum is there and right.
    sound: bool,
    /// The body is as long as its header says.
    whole: bool,
}

/// The chunks, as far as the file goes.
fn chunks(bytes: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (header, after) = rest.split_first_chunk::<8>()?;
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let kind = [header[4], header[5], header[6], header[7]];
        let whole = after.len() >= length;
        let (body, after) = after.split_at(length.min(after.len()));
        let sound = after
            .first_chunk::<4>()
            .is_some_and(|sum| *sum == checksum(kind, body));
        rest = after.get(4..).unwrap_or_default();
        Some(Chunk {
            kind,
            body,
            sound,
            whole,
        })
    })
}

fn checksum(kind: [u8; 4], body: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(&kind);
    crc.update(body);
    crc.sum().to_be_bytes()
}

/// EXIF and XMP, wherever they stand.
pub(super) fn metadata(bytes: &[u8]) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let (mut exif, mut raw, mut xmp) = (None, None, None);
    for chunk in chunks(bytes).filter(|chunk| chunk.whole) {
        match &chunk.kind {
            b"eXIf" if exif.is_none() => exif = Some(chunk.body.to_vec()),
            b"tEXt" | b"zTXt" | b"iTXt" => match text(&chunk) {
                Some((b"Raw profile type exif" | b"Raw profile type APP1", profile)) => {
                    raw = raw.or_else(|| raw_profile(&profile));
                }
                Some((b"XML:com.adobe.xmp", packet)) => xmp = xmp.or(Some(packet)),
                Some((b"Raw profile type xmp", profile)) => {
                    xmp = xmp.or_else(|| raw_profile(&profile));
                }
                _ => {}
            },
            _ => {}
        }
    }
    // ImageMagick calls an XMP packet "APP1", too.
    if let Some(packet) = raw.take_if(|raw| raw.starts_with(b"http://ns.adobe.com/xap/")) {
        xmp = xmp.or(Some(packet));
    }
    (exif.or(raw), xmp)
}

/// Keyword and text of a text chunk, unpacked.
fn text<'a>(chunk: &Chunk<'a>) -> Option<(&'a [u8], Vec<u8>)> {
    let (keyword, rest) = split_at_zero(chunk.body)?;
    let (compressed, packed) = match &chunk.kind {
        b"tEXt" => (false, rest),
        b"zTXt" => (true, rest.get(1..)?),
        // Compression flag and method, then language and translated keyword, each ended by a zero.
        _ => (
            *rest.first()? == 1,
            split_at_zero(split_at_zero(rest.get(2..)?)?.1)?.1,
        ),
    };
    if !compressed {
        return Some((keyword, packed.to_vec()));
    }
    let mut text = Vec::new();
    let decoder = ZlibDecoder::new(packed);
    decoder.take(MAX_TEXT_BYTES).read_to_end(&mut text).ok()?;
    Some((keyword, text))
}

fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|&b| b == 0)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// ImageMagick's text form of a binary profile: a name, a length in decimal, then hexadecimal digits.
fn raw_profile(text: &[u8]) -> Option<Vec<u8>> {
    let mut words = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let (_name, _length) = (words.next()?, words.next()?);
    let digits: Vec<u8> = words
        .flatten()
        .map(|&digit| (digit as char).to_digit(16).map(|value| value as u8))
        .collect::<Option<_>>()?;
    Some(
        digits
            .as_chunks::<2>()
            .0
            .iter()
            .map(|[high, low]| high << 4 | low)
            .collect(),
    )
}

/// The file again with right checksums and an end, and what was wrong with it. `None` when that was not the trouble.
pub(super) fn mend(bytes: &[u8]) -> Option<(Vec<u8>, String)> {
    let mut mended = SIGNATURE.to_vec();
    let mut wrong = Vec::new();
    let (mut ended, mut pixels) = (false, false);
    for chunk in chunks(bytes) {
        if &chunk.kind == b"IEND" {
            ended = true;
            break;
        }
        let is_pixels = &chunk.kind == b"IDAT";
        pixels |= is_pixels;
        // Of what is cut off, only pixels are worth keeping.
        if !chunk.whole && !is_pixels {
            break;
        }
        if chunk.whole && !chunk.sound {
            let name = String::from_utf8_lossy(&chunk.kind).into_owned();
            wrong.push(format!("the checksum of its {name} chunk is wrong"));
        }
        mended.extend((chunk.body.len() as u32).to_be_bytes());
        mended.extend(chunk.kind);
        mended.extend(chunk.body);
        mended.extend(checksum(chunk.kind, chunk.body));
    }
    if !ended {
        wrong.push("its end (the IEND chunk) is missing".to_owned());
    }
    mended.extend(END);
    wrong.dedup();
    (pixels && !wrong.is_empty()).then(|| (mended, wrong.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        [&length, &kind[..], body, &checksum(*kind, body)].concat()
    }

    #[test]
    fn profiles_are_found_in_every_text_chunk() {
        let hex = b"Raw profile type exif\0\nexif\n      4\n4d4d\n002a\n";
        let plain = [SIGNATURE, &chunk(b"IDAT", b"x"), &chunk(b"tEXt", hex)].concat();
        assert_eq!(metadata(&plain).0.as_deref(), Some(&b"MM\0*"[..]));
        let xmp = b"XML:com.adobe.xmp\0\0\0\0\0<x/>";
        let packet = [SIGNATURE, &chunk(b"iTXt", xmp)].concat();
        assert_eq!(metadata(&packet).1.as_deref(), Some(&b"<x/>"[..]));
        for end in 0..plain.len() {
            let _ = (metadata(&plain[..end]), mend(&plain[..end]));
        }
    }

    #[test]
    fn only_what_is_wrong_is_mended() {
        let sound = [SIGNATURE, &chunk(b"IHDR", b"h"), &chunk(b"IDAT", b"x"), END].concat();
        assert_eq!(mend(&sound), None);
        let (mended, why) = mend(&sound[..sound.len() - END.len()]).expect("no end");
        assert_eq!(mended, sound);
        assert!(why.contains("IEND"), "{why}");
        let mut wrong = sound.clone();
        wrong[SIGNATURE.len() + 12] ^= 1; // the checksum of IHDR
        let (mended, why) = mend(&wrong).expect("a wrong checksum");
        assert_eq!(mended, sound);
        assert!(why.contains("IHDR"), "{why}");
    }
}
