//! `multipart/form-data` (RFC 7578) as browsers and `curl -F` send it. The body is in memory already, so parts are
//! slices of it; own code, because the kept crates parse streams and bring a table of character sets along.

use percent_encoding::percent_decode_str;

/// One part of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// The field's name.
    pub field: String,
    /// The file's name, when the part is a file.
    pub file: Option<String>,
    /// What it holds.
    pub content: &'a [u8],
}

/// More parts than anybody sends by hand.
const MAX_PARTS: usize = 4096;

/// More than the headers of a part need: a name in them goes into the answer, so it must not be as long as an upload.
const MAX_HEAD: usize = 16 << 10;

/// The boundary in a `Content-Type`, when that says `multipart/form-data`.
///
/// # Errors
/// In words, when there is none or it is too long.
pub fn boundary(content_type: &str) -> Option<Result<String, String>> {
    let (kind, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary").filter(|b| !b.is_empty() && b.len() <= 70);
    Some(boundary.ok_or_else(|| "expected a boundary in the form's Content-Type".to_owned()))
}

/// Splits a body into its parts.
///
/// # Errors
/// In words, when the body is no form with this boundary.
pub fn parse<'a>(body: &'a [u8], boundary: &str) -> Result<Vec<Part<'a>>, String> {
    let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
    // The first delimiter has no line before it.
    let mut rest = match body.strip_prefix(&delimiter[2..]) {
        Some(rest) => rest,
        None => after(body, &delimiter).ok_or_else(|| {
            format!(
                "expected the form's boundary '{boundary}', as its Content-Type has it, in its body"
            )
        })?,
    };
    let mut parts = Vec::new();
    loop {
        if rest.starts_with(b"--") {
            return Ok(parts);
        }
        if parts.len() == MAX_PARTS {
            return Err(format!("expected at most {MAX_PARTS} parts in a form"));
        }
        let cut_off =
            "expected the form to end with its boundary and '--', but it breaks off; send it again";
        // Spaces may follow the boundary on its line.
        let head_and_content = after(rest, b"\r\n").ok_or(cut_off)?;
        let end = position(head_and_content, &delimiter).ok_or(cut_off)?;
        let part = &head_and_content[..end];
        rest = &head_and_content[end + delimiter.len()..];
        let (head, content) = match part.strip_prefix(b"\r\n") {
            Some(content) => (&b""[..], content),
            None => {
                let start = &part[..part.len().min(MAX_HEAD)];
                let at = position(start, b"\r\n\r\n").ok_or_else(|| {
                    let most = MAX_HEAD >> 10;
                    format!("expected an empty line after the headers of a form's part, within {most} KiB")
                })?;
                (&part[..at], &part[at + 4..])
            }
        };
        let (field, file) = disposition(&String::from_utf8_lossy(head));
        parts.push(Part {
            field,
            file,
            content,
        });
    }
}

/// The field's and the file's name among a part's headers.
fn disposition(head: &str) -> (String, Option<String>) {
    for line in head.split("\r\n") {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        if name.trim().eq_ignore_ascii_case("content-disposition") {
            let (_, parameters) = value.split_once(';').unwrap_or((value, ""));
            return (
                parameter(parameters, "name").unwrap_or_default(),
                extended_name(parameters).or_else(|| parameter(parameters, "filename")),
            );
        }
    }
    (String::new(), None)
}

/// `filename*=UTF-8''caf%C3%A9.jpg` (RFC 8187), which some programs send for a name with other letters, alone or beside
/// a plainer one.
fn extended_name(parameters: &str) -> Option<String> {
    let value = parameter(parameters, "filename*")?;
    let mut pieces = value.splitn(3, '\'');
    let is_utf8 = pieces.next()?.eq_ignore_ascii_case("utf-8");
    let text = pieces.nth(1).filter(|_| is_utf8)?;
    Some(percent_decode_str(text).decode_utf8_lossy().into_owned())
}

/// One of `; name="value"; other=value`. In quotes, a backslash keeps the next quote or backslash.
fn parameter(mut text: &str, wanted: &str) -> Option<String> {
    loop {
        let (key, value) = text.split_once('=')?;
        let key = key.trim().trim_start_matches(';').trim();
        let (found, rest) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (mut found, mut end) = (String::new(), quoted.len());
                let mut characters = quoted.char_indices().peekable();
                while let Some((at, c)) = characters.next() {
                    match (c, characters.peek()) {
                        ('\\', Some((_, next @ ('"' | '\\')))) => {
                            found.push(*next);
                            characters.next();
                        }
                        ('"', _) => {
                            end = at + 1;
                            break;
                        }
                        (c, _) => found.push(c),
                    }
                }
                (found, &quoted[end..])
            }
            None => {
                let end = value.find(';').unwrap_or(value.len());
                (value[..end].trim().to_owned(), &value[end..])
            }
        };
        if key.eq_ignore_ascii_case(wanted) {
            return Some(found);
        }
        text = rest;
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, wanted)
}

fn after<'a>(bytes: &'a [u8], wanted: &[u8]) -> Option<&'a [u8]> {
    position(bytes, wanted).map(|at| &bytes[at + wanted.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_other_letters_may_be_written_in_percents() {
        let head = "Content-Disposition: form-data; name=\"file\"; filename*=UTF-8''caf%C3%A9.jpg";
        let expected = ("file".to_owned(), Some("café.jpg".to_owned()));
        assert_eq!(disposition(head), expected);
        // It is the better one of two, unless its letters are in a table that is not known here.
        for (second, name) in [
            ("UTF-8''caf%C3%A9.jpg", "café.jpg"),
            ("ISO-8859-1''caf%E9.jpg", "caf_.jpg"),
        ] {
            let head = format!(
                "Content-Disposition: form-data; name=file; filename=\"caf_.jpg\"; filename*={second}"
            );
            assert_eq!(disposition(&head).1.as_deref(), Some(name));
        }
    }

    #[test]
    fn a_form_as_curl_sends_it() {
        let kind = "multipart/form-data; boundary=------------------------d74496d66958873e";
        let boundary = boundary(kind).unwrap().unwrap();
        let body = b"--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"topk\"\r\n\r\n\
                     2\r\n--------------------------d74496d66958873e\r\nContent-Disposition: form-data; name=\"file\"; \
                     filename=\"a \\\"b\\\".jpg\"\r\nContent-Type: image/jpeg\r\n\r\n\xFF\xD8\r\n--x\r\n\
                     --------------------------d74496d66958873e--\r\n";
        let parts = parse(body, &boundary).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(
            (parts[0].field.as_str(), parts[0].content),
            ("topk", &b"2"[..])
        );
        assert_eq!(parts[1].file.as_deref(), Some("a \"b\".jpg"));
        assert_eq!(parts[1].content, b"\xFF\xD8\r\n--x");
        for end in 0..body.len() {
            let _ = parse(&body[..end], &boundary);
        }
    }

    #[test]
    fn other_bodies_are_no_forms() {
        assert!(boundary("image/jpeg").is_none());
        assert!(boundary("multipart/form-data").unwrap().is_err());
        assert_eq!(
            boundary("Multipart/Form-Data; charset=x; boundary=\"a;b\"")
                .unwrap()
                .unwrap(),
            "a;b"
        );
        assert!(parse(b"nothing", "x").is_err());
        let long = format!("--x\r\nA: {}\r\n\r\n\r\n--x--\r\n", "a".repeat(MAX_HEAD));
        assert!(parse(long.as_bytes(), "x").unwrap_err().contains("16 KiB"));
        assert_eq!(parse(b"--x--\r\n", "x").unwrap(), []);
    }
}
