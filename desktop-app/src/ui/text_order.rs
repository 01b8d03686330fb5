//! The order of words that run from right to left. The toolkit shapes each Hebrew or Arabic word rightly, but puts
//! the words of a line from left to right. Here they are put in the order in which the shaped words must stand
//! (Unicode Standard Annex 9).

use std::borrow::Cow;

use unicode_bidi::BidiInfo;

/// `text` with its words in the order in which they are to be drawn from left to right. The letters of a word stay as
/// they are written: the shaper turns them.
pub(super) fn visual_order(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.chars().any(runs_right_to_left) {
        return Cow::Borrowed(text);
    }
    let info = BidiInfo::new(text, None);
    let mut ordered = String::with_capacity(text.len());
    for paragraph in &info.paragraphs {
        let line = paragraph.range.clone();
        let (levels, runs) = info.visual_runs(paragraph, line);
        for run in runs {
            let words = &text[run.clone()];
            if levels[run.start].is_rtl() {
                for piece in pieces(words).into_iter().rev() {
                    match mirrored(piece) {
                        Some(other) => ordered.push(other),
                        None => ordered.push_str(piece),
                    }
                }
            } else {
                ordered.push_str(words);
            }
        }
    }
    if ordered == text {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(ordered)
    }
}

fn runs_right_to_left(c: char) -> bool {
    use unicode_bidi::BidiClass;
    matches!(
        unicode_bidi::bidi_class(c),
        BidiClass::R | BidiClass::AL | BidiClass::AN
    )
}

/// A run cut into what the shaper takes as one: words, and each character between them alone.
fn pieces(run: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = run;
    while let Some(first) = rest.chars().next() {
        let end = if in_word(first) {
            rest.find(|c| !in_word(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (piece, after) = rest.split_at(end);
        pieces.push(piece);
        rest = after;
    }
    pieces
}

/// Letters and the marks on them.
fn in_word(c: char) -> bool {
    use unicode_bidi::BidiClass;
    runs_right_to_left(c) || unicode_bidi::bidi_class(c) == BidiClass::NSM
}

/// A bracket that opens to the other side from right to left.
fn mirrored(piece: &str) -> Option<char> {
    Some(match piece {
        "(" => ')',
        ")" => '(',
        "[" => ']',
        "]" => '[',
        "{" => '}',
        "}" => '{',
        "<" => '>',
        ">" => '<',
        "\u{ab}" => '\u{bb}',
        "\u{bb}" => '\u{ab}',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_from_right_to_left_change_places_and_keep_their_letters() {
        let (one, two, three) = (
            "\u{5d7}\u{5ea}\u{5d5}\u{5dc}",
            "\u{5e9}\u{5d7}\u{5d5}\u{5e8}",
            "\u{5d2}\u{5d3}",
        );
        assert_eq!(
            visual_order(&format!("{one} {two} {three}")),
            format!("{three} {two} {one}")
        );
        assert_eq!(
            visual_order(&format!("{one} ({two})")),
            format!("({two}) {one}")
        );
        assert_eq!(
            visual_order(&format!("cat {one} {two} dog")),
            format!("cat {two} {one} dog")
        );
    }

    #[test]
    fn what_runs_from_left_to_right_is_left_alone() {
        for text in ["a cat.jpg", "caf\u{e9} 1.jpg", "\u{732b} \u{72ac}.jpg", ""] {
            assert!(matches!(visual_order(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn numbers_keep_their_order_inside_right_to_left_text() {
        let cat = "\u{5d7}\u{5ea}\u{5d5}\u{5dc}";
        assert_eq!(visual_order(&format!("{cat} 12")), format!("12 {cat}"));
    }
}
