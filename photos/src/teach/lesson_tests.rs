use std::path::PathBuf;

use model_core::splitmix::splitmix64;

use super::*;

/// A photo whose features lean towards its class, and vary with `number`.
fn photo(class: Option<&str>, lean: usize, number: u64) -> TrainingPhoto {
    let features = (0..12)
        .map(|j| {
            let noise = (splitmix64(0, 12 * number + j as u64) >> 40) as f32 / (1u64 << 24) as f32;
            let value = noise + if j == lean { 1.5 } else { 0.0 };
            half::f16::from_f32(value).to_f32()
        })
        .collect();
    TrainingPhoto {
        path: Some(PathBuf::from(format!("{number}.jpg"))),
        class: class.map(str::to_owned),
        sha256: format!("{number:064x}"),
        print: splitmix64(0, !number),
        features,
    }
}

fn photos() -> Vec<TrainingPhoto> {
    let classes = ["cat", "dog", "owl"];
    (0..60)
        .map(|n| photo(Some(classes[n as usize % 3]), n as usize % 3, n))
        .collect()
}

fn learn(photos: Vec<TrainingPhoto>) -> Lesson {
    Lesson::learn(photos, &TeachConfig::default()).unwrap()
}

#[test]
fn the_order_of_the_photos_does_not_matter() {
    let one = learn(photos());
    let mut turned = photos();
    turned.reverse();
    let other = learn(turned);
    assert_eq!(one.head, other.head);
    assert_eq!(one.findings, other.findings);
    assert_eq!((one.none, one.temperature), (other.none, other.temperature));
}

#[test]
fn as_many_photos_are_refused_as_was_promised_and_strangers_more_often() {
    let lesson = learn(photos());
    assert_eq!(lesson.findings.false_refusals_percent, 5.0);
    assert!(
        lesson.findings.accuracy_percent >= 85.0,
        "{:?}",
        lesson.findings
    );
    let mut with_others = photos();
    with_others.extend((100..120).map(|n| photo(None, 8, n)));
    let with_others = learn(with_others);
    assert!(with_others.none.is_some_and(|none| none.has_others));
    let findings = with_others.findings;
    let others = findings.others.unwrap();
    assert_eq!((others.photos, findings.photos), (20, 60));
    assert!(others.refused_percent >= 50.0, "{others:?}");
    // Refusals that were learned leave the classes what was promised.
    assert_eq!(findings.false_refusals_percent, 5.0);
    let config = TeachConfig {
        false_refusals: 0.0,
        ..TeachConfig::default()
    };
    let lesson = Lesson::learn(photos(), &config).unwrap();
    assert_eq!(lesson.labels().len(), 3);
}

#[test]
fn a_photo_in_the_wrong_folder_is_suspected_first() {
    let mut wrong = photos();
    wrong.push(photo(Some("dog"), 2, 777));
    let findings = learn(wrong).findings;
    let first = &findings.suspects[0];
    assert_eq!(
        (first.photo.as_str(), first.looks_like.as_str()),
        ("777.jpg", "owl")
    );
}

#[test]
fn copies_are_learned_once_and_contradictions_not_at_all() {
    let mut twice = photos();
    let mut copy = twice[0].clone();
    copy.path = Some(PathBuf::from("copy.jpg"));
    twice.push(copy.clone());
    let findings = learn(twice.clone()).findings;
    assert_eq!((findings.copies, findings.photos), (1, 60));
    copy.class = Some("dog".to_owned());
    twice.push(copy);
    let findings = learn(twice).findings;
    assert_eq!(findings.photos, 59);
    assert_eq!(findings.contradictions[0].len(), 3);
}

#[test]
fn photos_that_look_alike_are_found_by_print_and_features() {
    let mut burst = photos();
    let mut next = burst[0].clone();
    next.sha256 = "f".repeat(64);
    next.print ^= 0b101;
    next.path = Some(PathBuf::from("burst.jpg"));
    burst.push(next);
    let findings = learn(burst.clone()).findings;
    assert_eq!(findings.alike, [["0.jpg", "burst.jpg"]]);
    burst.last_mut().unwrap().features.reverse();
    assert!(learn(burst).findings.alike.is_empty());
}

#[test]
fn too_little_is_refused_with_a_reason() {
    let config = TeachConfig::default();
    let few = vec![photo(Some("cat"), 0, 1), photo(Some("cat"), 0, 2)];
    let error = Lesson::learn(few.clone(), &config).err().unwrap();
    assert!(matches!(error, TeachError::OneClass(1)), "{error}");
    let thin = [few, vec![photo(Some("dog"), 1, 3)]].concat();
    let error = Lesson::learn(thin, &config).err().unwrap();
    assert!(error.to_string().contains("'dog'"), "{error}");
}

#[test]
fn the_thinnest_and_weakest_class_needs_photos_most() {
    let mut uneven = photos();
    uneven.retain(|photo| photo.class.as_deref() != Some("owl"));
    uneven.extend((200..203).map(|n| photo(Some("owl"), 1, n)));
    let findings = learn(uneven).findings;
    let help = findings.help.unwrap();
    assert_eq!((help.class.as_str(), help.photos), ("owl", 3));
    assert!(findings.classes[2].few && !findings.classes[0].few);
}
