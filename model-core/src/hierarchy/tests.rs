use super::*;
use crate::diagnostic::Diagnose;

fn labels(names: &[&str]) -> Vec<Label> {
    names.iter().copied().map(Label::named).collect()
}

fn spec(name: &str, members: &[&str]) -> GroupSpec {
    GroupSpec {
        id: None,
        name: name.to_owned(),
        members: members.iter().copied().map(str::to_owned).collect(),
    }
}

fn imagenet(of: &[(&str, f32)]) -> Vec<f32> {
    let mut probabilities = vec![0.0; 1000];
    for (name, probability) in of {
        let class = imagenet1k().iter().position(|label| label.name == *name);
        probabilities[class.unwrap()] = *probability;
    }
    probabilities
}

fn word(of: &[(&str, f32)]) -> (String, bool) {
    let answer = Hierarchy::imagenet1k()
        .answer(&imagenet(of), imagenet1k(), DEFAULT_AT_LEAST)
        .unwrap();
    (answer.label, answer.sure)
}

#[test]
fn the_finest_word_that_is_likely_enough_answers() {
    let cats = [("Egyptian cat", 0.37), ("tiger cat", 0.37), ("tabby", 0.18)];
    assert_eq!(word(&cats), ("cat".to_owned(), true));
    // A class that is sure alone needs no word above it.
    assert_eq!(
        word(&[("Egyptian cat", 0.9)]),
        ("Egyptian cat".into(), true)
    );
    assert_eq!(
        word(&[("oboe", 0.3), ("violin", 0.3), ("drum", 0.25)]),
        ("musical instrument".into(), true)
    );
    // Nothing in common but what nobody would say.
    assert_eq!(
        word(&[("tabby", 0.5), ("violin", 0.5)]),
        ("tabby cat".into(), false)
    );
}

#[test]
fn a_person_is_answered_in_her_words() {
    assert_eq!(word(&[("sorrel", 0.95)]), ("horse".into(), true));
    let answer = Hierarchy::imagenet1k()
        .answer(&imagenet(&[("sorrel", 0.95)]), imagenet1k(), 0.8)
        .unwrap();
    assert!(answer.is_group(imagenet1k()));
    for stopped in [
        "entity",
        "artifact",
        "whole",
        "instrumentality",
        "placental",
    ] {
        let groups = Hierarchy::imagenet1k().groups();
        assert!(
            groups.iter().all(|group| group.name != stopped),
            "{stopped}"
        );
    }
}

#[test]
fn every_group_of_imagenet_is_sound() {
    let groups = Hierarchy::imagenet1k().groups();
    assert!(groups.len() > 250, "{}", groups.len());
    for group in groups {
        assert!(group.classes.is_sorted() && group.classes[group.classes.len() - 1] < 1000);
        assert!(group.id.as_ref().is_some_and(|id| id.starts_with('n')));
    }
    let mut names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), groups.len(), "a word stands twice");
}

#[test]
fn the_path_narrows_from_animal_to_cat() {
    let cats: Vec<usize> = (281..=283).collect();
    let path = Hierarchy::imagenet1k().path(&cats);
    let names: Vec<&str> = path.iter().map(|group| group.name.as_str()).collect();
    assert_eq!(names.first(), Some(&"animal"));
    assert_eq!(names.last(), Some(&"cat"));
    assert!(path.is_sorted_by(|a, b| a.classes.len() > b.classes.len()));
}

#[test]
fn a_model_with_some_of_imagenets_classes_gets_the_words_above_them() {
    let some: Vec<Label> = [999, 282, 281]
        .map(|class| imagenet1k()[class].clone())
        .to_vec();
    let hierarchy = Hierarchy::of(&some, None).unwrap().unwrap();
    let answer = hierarchy.answer(&[0.1, 0.5, 0.4], &some, 0.8).unwrap();
    assert_eq!((answer.label.as_str(), answer.classes), ("cat", vec![1, 2]));
    assert_eq!(Hierarchy::of(&labels(&["a", "b"]), None), Ok(None));
}

#[test]
fn a_manifest_brings_its_own_groups() {
    let labels = labels(&["spaniel", "tabby", "siamese", "oak"]);
    let groups = [
        spec("cat", &["tabby", "siamese"]),
        spec("animal", &["cat", "0"]),
    ];
    let hierarchy = Hierarchy::of(&labels, Some(&groups)).unwrap().unwrap();
    let answer = hierarchy
        .answer(&[0.3, 0.3, 0.3, 0.1], &labels, 0.8)
        .unwrap();
    assert_eq!(answer.label, "animal");
    let answer = hierarchy
        .answer(&[0.0, 0.5, 0.4, 0.1], &labels, 0.8)
        .unwrap();
    assert_eq!(answer.label, "cat");
    assert!((answer.probability - 0.9).abs() < 1e-6);
}

#[test]
fn wrong_groups_are_named() {
    let labels = labels(&["a", "b"]);
    let error = |groups: &[GroupSpec]| Hierarchy::of(&labels, Some(groups)).unwrap_err();
    assert_eq!(
        error(&[spec("g", &["c"])]).code(),
        "hierarchy.unknown-member"
    );
    assert_eq!(error(&[spec("g", &[])]).code(), "hierarchy.empty-group");
    let twice = [spec("g", &["a", "b"]), spec("g", &["a"])];
    assert_eq!(error(&twice).code(), "hierarchy.name-twice");
}

#[test]
fn nothing_and_nan_do_no_harm() {
    let hierarchy = Hierarchy::imagenet1k();
    assert_eq!(hierarchy.answer(&[], imagenet1k(), 0.8), None);
    let answer = hierarchy.answer(&[f32::NAN; 1000], imagenet1k(), 0.8);
    assert!(!answer.unwrap().sure);
}
