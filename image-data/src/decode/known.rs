//! Pictures that are known and not decoded: people have them, so they deserve their name. One table says by which names
//! such files go and what their bytes look like.
//!
//! An extension stands here when a person who finds the file in a folder of photos would call it a picture. Where an
//! extension commonly means something else, the bytes alone decide, and a comment says what else it means. Documents
//! are none, though programs show them as pages: PDF, PostScript (`.ps`, `.ai`), DjVu. Nor are videos: a phone puts a
//! `.mov` beside each "live photo", and counting it would report every photo twice.

/// A picture format without a decoder here.
#[derive(Debug)]
pub struct KnownFormat {
    /// What people call it.
    pub name: &'static str,
    /// File extensions that mean it and nothing else, lower case, without the dot.
    pub extensions: &'static [&'static str],
    /// Whether bytes are such a picture; never for formats without a signature.
    is: fn(&[u8]) -> bool,
}

/// Every such format. HEIC and AVIF are decoded all the same where the system has a program for them; their bytes are
/// known by the brands that [`super::Format`] has.
pub const NOT_DECODED: &[KnownFormat] = &[
    known("AVIF", &["avif", "avifs"], |_| false),
    known("HEIC", &["heic", "heif", "hif", "heics", "heifs"], |_| {
        false
    }),
    // What painting and photo programs save to go on with.
    known("Photoshop PSD", &["psd", "psb"], |b| b.starts_with(b"8BPS")),
    known("GIMP image (XCF)", &["xcf"], |b| {
        b.starts_with(b"gimp xcf ")
    }),
    known("Krita painting", &["kra"], |b| {
        is_zip_of(b, b"application/x-krita")
    }),
    known("OpenRaster painting", &["ora"], |b| {
        is_zip_of(b, b"image/openraster")
    }),
    // `.afdesign` and `.afpub` are drawings and pages, `.af` is any of the three; their bytes begin alike.
    known("Affinity picture", &["afphoto"], |b| {
        b.starts_with(b"\0\xffKA")
    }),
    // `.psp` also means a program of a PlayStation Portable.
    known("Paint Shop Pro picture", &["pspimage"], |b| {
        b.starts_with(b"Paint Shop Pro Image File")
    }),
    // `.clip` is a stretch of video for others.
    known("Clip Studio painting", &[], |b| b.starts_with(b"CSFCHUNK")),
    known("Procreate painting", &["procreate"], |_| false),
    // What cameras and scanners wrote. A `.dcr` or `.mos` may be a game's, and `.raw` is any data.
    known("Canon raw", &["crw"], |b| b.get(6..14) == Some(b"HEAPCCDR")),
    known("Minolta raw", &["mrw"], |b| b.starts_with(b"\0MRM")),
    known("Sigma raw", &["x3f"], |b| b.starts_with(b"FOVb")),
    known("Hasselblad raw", &["3fr", "fff"], |_| false),
    known("Phase One raw", &["iiq"], |_| false),
    known("Mamiya raw", &["mef"], |_| false),
    known("Epson raw", &["erf"], |_| false),
    known("Kodak raw", &["kdc"], |_| false),
    known("Kodak Photo CD", &["pcd"], |b| {
        b.get(2048..2055) == Some(b"PCD_IPI")
    }),
    known("FlashPix", &["fpx"], |_| false),
    // More or other than eight bits a channel: renderings, astronomy, film, medicine.
    known("OpenEXR", &["exr"], |b| b.starts_with(b"\x76\x2f\x31\x01")),
    known("Radiance HDR", &["hdr"], |b| {
        b.starts_with(b"#?RADIANCE") || b.starts_with(b"#?RGBE")
    }),
    // `.pfm` is a font's measures on Windows.
    known(
        "portable float map (PFM)",
        &[],
        |b| matches!(b, [b'P', b'F' | b'f', space, ..] if space.is_ascii_whitespace()),
    ),
    // `.fit` is what sports watches write.
    known("FITS", &["fits", "fts"], |b| b.starts_with(b"SIMPLE  =")),
    known("XISF", &["xisf"], |b| b.starts_with(b"XISF0100")),
    known("DPX", &["dpx"], |b| {
        b.starts_with(b"SDPX") || b.starts_with(b"XPDS")
    }),
    // `.cin` is a game's film for others.
    known("Cineon", &[], |b| b.starts_with(b"\x80\x2a\x5f\xd7")),
    known("DICOM", &["dcm"], |b| b.get(128..132) == Some(b"DICM")),
    // Smaller or better than JPEG, and less often met.
    known("JPEG XR", &["jxr", "wdp", "hdp"], |b| {
        b.starts_with(b"II\xbc\x01")
    }),
    // It begins as a JPEG does; whoever reads the markers knows it.
    known("JPEG-LS", &["jls"], |_| false),
    known("high-throughput JPEG 2000", &["jph", "jhc"], |_| false),
    known("JBIG2", &["jb2", "jbig2"], |b| {
        b.starts_with(b"\x97JB2\r\n\x1a\n")
    }),
    known("BPG", &["bpg"], |b| b.starts_with(b"BPG\xfb")),
    known("FLIF", &["flif"], |b| b.starts_with(b"FLIF")),
    known("MNG", &["mng"], |b| b.starts_with(b"\x8aMNG\r\n\x1a\n")),
    known("JNG", &["jng"], |b| b.starts_with(b"\x8bJNG\r\n\x1a\n")),
    // What older programs and computers left behind. `.rgb` and `.bw` are bare samples for some and a genome's for
    // others; `.ras` and `.pic` are many things.
    known("PCX", &["pcx"], is_pcx),
    known("PCX", &["dcx"], |b| b.starts_with(b"\xb1\x68\xde\x3a")),
    known("SGI image", &["sgi"], |b| {
        b.starts_with(b"\x01\xda") && matches!(b.get(2..4), Some([0 | 1, 1 | 2]))
    }),
    known("Sun raster", &[], |b| b.starts_with(b"\x59\xa6\x6a\x95")),
    known("Softimage picture", &[], |b| {
        b.starts_with(b"\x53\x80\xf6\x34")
    }),
    known("Macintosh picture", &["pict", "pct"], |_| false),
    known("X pixmap", &["xpm"], |b| b.starts_with(b"/* XPM")),
    known("X bitmap", &["xbm"], |_| false),
    known("Apple icon", &["icns"], |b| b.starts_with(b"icns")),
    known("DDS texture", &["dds"], |b| b.starts_with(b"DDS ")),
    // Drawings. `.eps` is a picture that goes into a page; `.ps` and `.ai` are the page.
    known("SVG drawing", &["svg", "svgz"], is_svg),
    known("EPS drawing", &["eps"], is_eps),
    known("Windows metafile", &["wmf", "emf"], |b| {
        b.starts_with(b"\xd7\xcd\xc6\x9a")
            || (b.starts_with(b"\x01\0\0\0") && b.get(40..44) == Some(b" EMF"))
    }),
];

const fn known(
    name: &'static str,
    extensions: &'static [&'static str],
    is: fn(&[u8]) -> bool,
) -> KnownFormat {
    KnownFormat {
        name,
        extensions,
        is,
    }
}

/// How many first bytes of a file tell every format of the table but Photo CD, which has a name of its own.
pub(crate) const TELLING_BYTES: u64 = 512;

/// What people call the picture in `bytes`, where it is one of the table.
pub(super) fn by_content(bytes: &[u8]) -> Option<&'static str> {
    let found = NOT_DECODED.iter().find(|format| (format.is)(bytes));
    found.map(|format| format.name)
}

/// Whether a zip archive begins, as these formats demand, with a file that says what it is.
fn is_zip_of(bytes: &[u8], kind: &[u8]) -> bool {
    let Some((header, name)) = bytes.split_at_checked(30) else {
        return false;
    };
    header.starts_with(b"PK\x03\x04")
        && name
            .strip_prefix(b"mimetype")
            .is_some_and(|rest| rest.starts_with(kind))
}

/// PCX has one byte of signature: the version, the packing and the bits a channel must make sense, too.
fn is_pcx(bytes: &[u8]) -> bool {
    matches!(bytes, [0x0A, 0 | 2..=5, 0 | 1, 1 | 2 | 4 | 8, ..]) && bytes.get(64) == Some(&0)
}

/// PostScript that says on its first line that it is one picture, or that with a preview in front.
fn is_eps(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| matches!(byte, b'\r' | b'\n'));
    let first = lines.next().unwrap_or_default();
    let is_text =
        first.starts_with(b"%!PS-Adobe-") && memchr::memmem::find(first, b" EPSF").is_some();
    is_text || bytes.starts_with(b"\xc5\xd0\xd3\xc6")
}

/// XML whose first element is `svg`, as far as the first bytes show.
fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(TELLING_BYTES as usize)];
    let text = String::from_utf8_lossy(head);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let begins = |what: &str| {
        let start = text.get(..what.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(what))
    };
    begins("<svg") || begins("<!doctype svg") || (begins("<?xml") && text.contains("<svg"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first bytes of a file of each format, as programs write them.
    fn heads() -> Vec<(&'static str, Vec<u8>)> {
        let at = |offset: usize, what: &[u8]| [&vec![0; offset][..], what].concat();
        let zip = |kind: &[u8]| [b"PK\x03\x04", &[0; 26][..], b"mimetype", kind, b"PK"].concat();
        let emf = [&[1, 0, 0, 0][..], &[0; 36], b" EMF"].concat();
        let pcx = [&[0x0A, 5, 1, 8][..], &[7; 60], &[0, 3]].concat();
        vec![
            ("Photoshop PSD", b"8BPS\0\x01".to_vec()),
            ("GIMP image (XCF)", b"gimp xcf v011\0".to_vec()),
            ("Krita painting", zip(b"application/x-krita")),
            ("OpenRaster painting", zip(b"image/openraster")),
            ("Affinity picture", b"\0\xffKA\x0a\0\0\0".to_vec()),
            ("Clip Studio painting", b"CSFCHUNK\0\0".to_vec()),
            ("Canon raw", b"II\x1a\0\0\0HEAPCCDR".to_vec()),
            ("Kodak Photo CD", at(2048, b"PCD_IPI")),
            ("portable float map (PFM)", b"PF\n3 2\n-1.0\n".to_vec()),
            ("FITS", b"SIMPLE  =                    T".to_vec()),
            ("DPX", b"SDPX\0\0\x08\0".to_vec()),
            ("DPX", b"XPDS\0\x08\0\0".to_vec()),
            ("Cineon", b"\x80\x2a\x5f\xd7".to_vec()),
            ("DICOM", at(128, b"DICM")),
            ("JBIG2", b"\x97JB2\r\n\x1a\n\x01".to_vec()),
            ("BPG", b"BPG\xfb".to_vec()),
            ("FLIF", b"FLIF31".to_vec()),
            ("PCX", pcx),
            ("SGI image", b"\x01\xda\x01\x01\0\x03".to_vec()),
            ("Sun raster", b"\x59\xa6\x6a\x95\0\0\0\x80".to_vec()),
            ("Softimage picture", b"\x53\x80\xf6\x34".to_vec()),
            ("X pixmap", b"/* XPM */\nstatic char".to_vec()),
            ("SVG drawing", b"<?xml version='1.0'?>\n<svg>".to_vec()),
            ("EPS drawing", b"%!PS-Adobe-3.0 EPSF-3.0\n%%Bo".to_vec()),
            ("EPS drawing", b"\xc5\xd0\xd3\xc6\x1e".to_vec()),
            ("Windows metafile", b"\xd7\xcd\xc6\x9a\0\0".to_vec()),
            ("Windows metafile", emf),
        ]
    }

    #[test]
    fn pictures_are_named_by_their_first_bytes() {
        for (name, head) in heads() {
            assert_eq!(by_content(&head), Some(name));
            let error = super::super::format::sniff(&head).expect_err(name);
            assert_eq!(error.to_string(), format!("{name} is not read"));
            for end in 0..head.len() {
                by_content(&head[..end]);
            }
        }
    }

    #[test]
    fn documents_and_text_are_no_pictures() {
        for head in [
            b"%PDF-1.7".as_slice(),
            b"%!PS-Adobe-3.0\n%%Title: EPSF",
            b"AT&TFORM\0\0\0\0DJVM",
            b"PK\x03\x04\x14\0\0\0\0\0",
            b"\n\x05\x01\x08",
            b"<html><svg>",
            b"#define WIDTH 3",
        ] {
            assert_eq!(by_content(head), None, "{}", head.escape_ascii());
        }
    }
}
