use super::*;

#[test]
fn a_name_stays_in_its_line() {
    let name = |name: &str| PhotoSource::File(format!("/p/{name}").into()).name();
    assert_eq!(name("a\nb\u{202E}gpj.jpg"), "a\u{FFFD}b\u{FFFD}gpj.jpg");
    assert_eq!(name("caf\u{e9} 1.jpg"), "caf\u{e9} 1.jpg");
}

fn answer(kind: Answers, scores: &[(&str, f32)]) -> PhotoAnswer {
    PhotoAnswer {
        predictions: scores
            .iter()
            .enumerate()
            .map(|(index, (label, probability))| Prediction {
                index,
                id: None,
                label: (*label).to_owned(),
                probability: *probability,
                present: None,
            })
            .collect(),
        everyday: None,
        kind,
        threshold: 0.5,
        model: "m".to_owned(),
        took: Duration::ZERO,
        width: 1,
        height: 1,
        content: ContentId::of(b"", None),
        damage: None,
        is_preview: false,
    }
}

#[test]
fn every_kind_of_answer_is_put_in_words() {
    let one = answer(Answers::SingleLabel, &[("cat", 0.3), ("dog", 0.2)]);
    assert_eq!(
        (one.headline().as_str(), one.certainty()),
        ("cat", Some(0.3))
    );
    let yes = answer(Answers::Binary, &[("cat", 0.75)]);
    assert_eq!(
        (yes.headline().as_str(), yes.certainty()),
        ("Yes: cat", Some(0.75))
    );
    let no = answer(Answers::Binary, &[("cat", 0.25)]);
    assert_eq!(
        (no.headline().as_str(), no.certainty()),
        ("No: cat", Some(0.75))
    );
    let two = answer(Answers::Binary, &[("dog", 0.9), ("cat", 0.1)]);
    assert_eq!(
        (two.headline().as_str(), two.certainty()),
        ("dog", Some(0.9))
    );
    let many = answer(
        Answers::MultiLabel,
        &[("ball", 0.9), ("dog", 0.6), ("sea", 0.1)],
    );
    assert_eq!(
        (many.headline().as_str(), many.certainty()),
        ("ball, dog", None)
    );
    assert_eq!(many.confidence(0.4), None);
    let none = answer(Answers::MultiLabel, &[("ball", 0.4), ("dog", 0.1)]);
    assert_eq!(none.headline(), "None of them");
}

#[test]
fn percentages_claim_no_certainty() {
    let shown: Vec<_> = [0.0, 0.004, 0.012, 0.625, 0.994, 0.9992, 1.0, f32::NAN]
        .map(percent)
        .into();
    assert_eq!(
        shown,
        [
            "<1 %", "<1 %", "1 %", "62 %", ">99 %", ">99 %", "100 %", "? %"
        ]
    );
}

#[test]
fn a_probability_that_is_no_number_is_not_sure() {
    assert_eq!(Confidence::of(f32::NAN, 0.4), Confidence::Not);
    assert_eq!(Confidence::of(0.39, 0.4), Confidence::Not);
    assert_eq!(Confidence::of(0.5, 0.4), Confidence::Fairly);
    assert_eq!(Confidence::of(0.9, 0.4), Confidence::Sure);
}
