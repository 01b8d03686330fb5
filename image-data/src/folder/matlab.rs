//! As much of MATLAB's version 5 MAT-file as the ImageNet devkit's `meta.mat` needs: the struct array `synsets`
//! with its fields `ILSVRC2012_ID` and `WNID`. Written from MathWorks' "MAT-File Format"; every length is checked.

use std::io::Read;

/// The real file inflates to under 1 MB.
const MAX_INFLATED_BYTES: u64 = 64 << 20;
const MI_MATRIX: u32 = 14;
const MI_COMPRESSED: u32 = 15;
const CLASS_STRUCT: u8 = 2;

type Parsed<T> = Result<T, String>;

/// `(ILSVRC2012_ID, WNID)` of every synset in the file.
pub(super) fn synsets(file: &[u8]) -> Parsed<Vec<(u32, String)>> {
    let endian = file
        .get(126..128)
        .ok_or("expected a MATLAB 5 file of at least 128 bytes, got less")?;
    if endian != b"IM" {
        let got = if file.starts_with(b"\x89HDF") {
            "a MATLAB 7.3 (HDF5) file"
        } else {
            "something else"
        };
        return Err(format!(
            "expected a little-endian MATLAB 5 file, got {got}; take meta.mat from the original devkit"
        ));
    }
    let mut elements = Elements(&file[128..]);
    while let Some((kind, body)) = elements.next()? {
        let found = match kind {
            MI_MATRIX => synset_array(body)?,
            MI_COMPRESSED => {
                let inflated = inflate(body)?;
                match Elements(&inflated).next()? {
                    Some((MI_MATRIX, body)) => synset_array(body)?,
                    _ => None,
                }
            }
            _ => None,
        };
        if let Some(pairs) = found {
            return Ok(pairs);
        }
    }
    Err("expected the struct array `synsets`, got none".to_owned())
}

fn inflate(body: &[u8]) -> Parsed<Vec<u8>> {
    let mut out = Vec::new();
    let decoder = flate2::read::ZlibDecoder::new(body);
    decoder
        .take(MAX_INFLATED_BYTES)
        .read_to_end(&mut out)
        .map_err(|error| format!("a damaged compressed part: {error}"))?;
    Ok(out)
}

/// Reads `synsets` when this matrix is it: flags, dimensions, name, length of field names, field names, then one
/// matrix per field of every entry.
fn synset_array(body: &[u8]) -> Parsed<Option<Vec<(u32, String)>>> {
    let mut parts = Elements(body);
    let Some(header) = matrix_header(&mut parts)? else {
        return Ok(None);
    };
    if header.class != CLASS_STRUCT || header.name != b"synsets" {
        return Ok(None);
    }
    let length = number(parts.expect("the length of field names")?)? as usize;
    let (_, names) = parts.expect("field names")?;
    if length == 0 || length > 256 {
        return Err(format!(
            "expected field names of 1 to 256 bytes, got {length}"
        ));
    }
    let names: Vec<&[u8]> = names
        .chunks_exact(length)
        .map(|n| n.split(|&b| b == 0).next().unwrap_or_default())
        .collect();
    let column = |wanted: &str| {
        let place = names.iter().position(|&n| n == wanted.as_bytes());
        place.ok_or_else(|| format!("expected a field `{wanted}` in `synsets`, got none"))
    };
    let (id_at, wnid_at) = (column("ILSVRC2012_ID")?, column("WNID")?);
    let mut pairs = Vec::new();
    for _ in 0..header.entries {
        let (mut id, mut wnid) = (None, None);
        for field in 0..names.len() {
            let (kind, body) = parts.expect("a field of `synsets`")?;
            if kind == MI_MATRIX && field == id_at {
                id = Some(number(content(body)?)? as u32);
            } else if kind == MI_MATRIX && field == wnid_at {
                wnid = Some(text(content(body)?)?);
            }
        }
        pairs.push(
            id.zip(wnid)
                .ok_or("expected a number and a name in every entry of `synsets`")?,
        );
    }
    Ok(Some(pairs))
}

struct MatrixHeader<'a> {
    class: u8,
    entries: usize,
    name: &'a [u8],
}

/// `None` for an empty matrix, which MATLAB may write without anything inside.
fn matrix_header<'a>(parts: &mut Elements<'a>) -> Parsed<Option<MatrixHeader<'a>>> {
    let Some((_, flags)) = parts.next()? else {
        return Ok(None);
    };
    let class = *flags.first().ok_or("expected array flags, got nothing")?;
    let (_, dimensions) = parts.expect("dimensions")?;
    let mut entries = 1_usize;
    for side in dimensions.as_chunks::<4>().0 {
        entries = entries.saturating_mul(u32::from_le_bytes(*side) as usize);
    }
    let (_, name) = parts.expect("an array name")?;
    Ok(Some(MatrixHeader {
        class,
        entries,
        name,
    }))
}

/// The real part of a numeric or character array.
fn content(body: &[u8]) -> Parsed<(u32, &[u8])> {
    let mut parts = Elements(body);
    matrix_header(&mut parts)?.ok_or("expected a value, got an empty array")?;
    parts.expect("a value")
}

/// The first number, whatever type MATLAB packed it into.
fn number((kind, body): (u32, &[u8])) -> Parsed<f64> {
    let value = match kind {
        1 => body.first().map(|&b| f64::from(b as i8)),
        2 => body.first().map(|&b| f64::from(b)),
        3 => body
            .first_chunk()
            .map(|&b| f64::from(i16::from_le_bytes(b))),
        4 => body
            .first_chunk()
            .map(|&b| f64::from(u16::from_le_bytes(b))),
        5 => body
            .first_chunk()
            .map(|&b| f64::from(i32::from_le_bytes(b))),
        6 => body
            .first_chunk()
            .map(|&b| f64::from(u32::from_le_bytes(b))),
        7 => body
            .first_chunk()
            .map(|&b| f64::from(f32::from_le_bytes(b))),
        9 => body.first_chunk().map(|&b| f64::from_le_bytes(b)),
        _ => None,
    };
    value.ok_or_else(|| format!("expected a number, got {} bytes of type {kind}", body.len()))
}

/// Characters: bytes (types 1, 2, 16) or UTF-16 (types 4, 17).
fn text((kind, body): (u32, &[u8])) -> Parsed<String> {
    match kind {
        1 | 2 | 16 => Ok(String::from_utf8_lossy(body).into_owned()),
        4 | 17 => {
            let units: Vec<u16> = body
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&b| u16::from_le_bytes(b))
                .collect();
            Ok(String::from_utf16_lossy(&units))
        }
        _ => Err(format!("expected characters, got type {kind}")),
    }
}

/// Data elements one after another: an 8-byte tag and a body padded to 8, or both in 8 bytes.
struct Elements<'a>(&'a [u8]);

impl<'a> Elements<'a> {
    fn next(&mut self) -> Parsed<Option<(u32, &'a [u8])>> {
        let Some((tag, rest)) = self.0.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let tag = u32::from_le_bytes(*tag);
        let (small, kind) = (tag >> 16, tag & 0xFFFF);
        let cut = || {
            "a part is longer than what is left of the file; download the devkit again".to_owned()
        };
        if small != 0 {
            let body = rest
                .get(..small as usize)
                .filter(|_| small <= 4)
                .ok_or_else(cut)?;
            self.0 = rest.get(4..).ok_or_else(cut)?;
            return Ok(Some((kind, body)));
        }
        let (length, rest) = rest.split_first_chunk::<4>().ok_or_else(cut)?;
        let length = u32::from_le_bytes(*length) as usize;
        let body = rest.get(..length).ok_or_else(cut)?;
        // Compressed parts are not padded, and the last one need not be.
        let padded = if kind == MI_COMPRESSED {
            length
        } else {
            length.next_multiple_of(8)
        };
        self.0 = rest.get(padded..).unwrap_or_default();
        Ok(Some((kind, body)))
    }

    fn expect(&mut self, what: &str) -> Parsed<(u32, &'a [u8])> {
        self.next()?
            .ok_or_else(|| format!("expected {what}, got the end of the file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_files_are_errors() {
        assert!(synsets(b"").is_err());
        let mut file = vec![0; 126];
        file.extend(b"IM");
        assert!(synsets(&file).unwrap_err().contains("got none"));
        file.extend([14, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 1, 2, 3]);
        assert!(synsets(&file).unwrap_err().contains("longer than"));
    }

    #[test]
    fn mutated_files_never_panic() {
        use crate::random::{Key, Purpose};
        let files = [
            include_bytes!("../../tests/data/devkit/meta.mat").as_slice(),
            include_bytes!("../../tests/data/devkit/meta-plain.mat").as_slice(),
        ];
        for (number, file) in files.into_iter().enumerate() {
            assert_eq!(synsets(file).unwrap().len(), 6);
            for round in 0..3000 {
                let mut random = Key::new(round, number as u32, 0, Purpose::Other).stream();
                let mut bytes = file.to_vec();
                for _ in 0..=random.below(4) {
                    let at = 128 + random.below(bytes.len() as u64 - 128) as usize;
                    bytes[at] = random.next_u32() as u8;
                }
                bytes.truncate(bytes.len() - random.below(200) as usize);
                let _ = synsets(&bytes);
            }
        }
    }
}
