use std::time::Duration;

use super::*;
use crate::classify::{Answers, Prediction};
use crate::content::{ContentId, FileStamp};
use crate::view::PhotoGroup;

fn stamp() -> Option<FileStamp> {
    Some(FileStamp {
        size_bytes: 1,
        modified: None,
    })
}

fn files<const N: usize>(paths: [&str; N]) -> Vec<FoundFile> {
    paths
        .map(|path| FoundFile {
            path: path.into(),
            stamp: stamp(),
        })
        .into()
}

fn answer(label: &str, probability: f32) -> PhotoAnswer {
    PhotoAnswer {
        predictions: vec![Prediction {
            index: 0,
            id: None,
            label: label.to_owned(),
            probability,
            present: None,
        }],
        everyday: None,
        kind: Answers::SingleLabel,
        threshold: 0.5,
        model: "m".to_owned(),
        took: Duration::from_millis(5),
        width: 4,
        height: 4,
        content: ContentId::of(label.as_bytes(), stamp()),
        damage: None,
        is_preview: false,
    }
}

fn names(list: &mut PhotoList, filter: &PhotoFilter, sort: SortOrder) -> Vec<String> {
    let ids = list.shown(filter, sort, 0.4).to_vec();
    ids.iter()
        .map(|id| list.photo(*id).unwrap().source.name())
        .collect()
}

fn four() -> PhotoList {
    let mut list = PhotoList::default();
    let ids = list
        .add_files(files(["/p/c.jpg", "/p/a.jpg", "/p/B.jpg", "/p/d.txt"]))
        .new;
    list.answered(ids[0], answer("tabby", 0.9));
    list.answered(ids[1], answer("beagle", 0.3));
    list.answered(ids[2], answer("tabby", 0.95));
    list.failed(ids[3], Problem::new("no picture", "try another"));
    list
}

#[test]
fn orders() {
    let mut list = four();
    for (sort, expected) in [
        (SortOrder::Added, ["c.jpg", "a.jpg", "B.jpg", "d.txt"]),
        (SortOrder::Name, ["a.jpg", "B.jpg", "c.jpg", "d.txt"]),
        (SortOrder::Label, ["a.jpg", "B.jpg", "c.jpg", "d.txt"]),
        (SortOrder::Surest, ["B.jpg", "c.jpg", "a.jpg", "d.txt"]),
        (SortOrder::LeastSure, ["a.jpg", "c.jpg", "B.jpg", "d.txt"]),
    ] {
        let found = names(&mut list, &PhotoFilter::default(), sort);
        assert_eq!(found, expected, "{sort:?}");
    }
}

#[test]
fn filters() {
    let mut list = four();
    let only = |only| PhotoFilter {
        only,
        ..PhotoFilter::default()
    };
    let text = |text: &str| PhotoFilter {
        text: text.to_owned(),
        ..PhotoFilter::default()
    };
    assert_eq!(
        names(&mut list, &only(PhotoGroup::NotSure), SortOrder::Added),
        ["a.jpg"]
    );
    assert_eq!(
        names(&mut list, &only(PhotoGroup::Failed), SortOrder::Added),
        ["d.txt"]
    );
    assert_eq!(
        names(
            &mut list,
            &only(PhotoGroup::Label("tabby".into())),
            SortOrder::Added
        ),
        ["c.jpg", "B.jpg"]
    );
    assert_eq!(
        names(&mut list, &text(" TAB "), SortOrder::Added),
        ["c.jpg", "B.jpg"]
    );
    assert_eq!(names(&mut list, &text("d.tx"), SortOrder::Added), ["d.txt"]);
    assert_eq!(
        list.labels(),
        [("tabby".to_owned(), 2), ("beagle".to_owned(), 1)]
    );
}

#[test]
fn counts_hold_through_everything() {
    let mut list = four();
    assert_eq!(
        list.counts(),
        PhotoCounts {
            pending: 0,
            done: 3,
            failed: 1,
            stopped: 0
        }
    );
    let added = list.add_files(files(["/p/c.jpg", "/p/e.jpg", "/p/f.jpg"]));
    let ids = added.new;
    assert_eq!((ids.len(), added.again.len()), (2, 0));
    list.started(ids[0]);
    list.stop();
    assert_eq!(
        list.counts(),
        PhotoCounts {
            pending: 0,
            done: 3,
            failed: 1,
            stopped: 2
        }
    );
    list.started(ids[0]);
    assert_eq!(
        list.counts().stopped,
        2,
        "a late start does not wake a stopped photo"
    );
    assert_eq!(list.resume().len(), 2);
    assert_eq!(list.ask_again().len(), 6);
    assert_eq!(
        list.counts(),
        PhotoCounts {
            pending: 6,
            ..PhotoCounts::default()
        }
    );
    list.remove(&[ids[0]]);
    list.answered(ids[0], answer("late", 0.5));
    assert_eq!(list.counts().pending, 5);
    assert_eq!(list.photos().len(), 5);
    assert!(list.with_file(std::path::Path::new("/p/e.jpg")).is_none());
    assert_eq!(
        list.add_files(files(["/p/e.jpg"])).new.len(),
        1,
        "removed files can come back"
    );
    assert_eq!(list.photo(ids[1]).unwrap().source.name(), "f.jpg");
}

#[test]
fn a_file_that_changed_or_failed_is_looked_at_again() {
    let mut list = four();
    let mut dropped = files(["/p/c.jpg", "/p/a.jpg", "/p/d.txt"]);
    dropped[1].stamp = Some(FileStamp {
        size_bytes: 2,
        modified: None,
    });
    let added = list.add_files(dropped.clone());
    let id = |path: &str| list.with_file(Path::new(path)).unwrap();
    assert_eq!(added.new, []);
    assert_eq!(added.again, [id("/p/a.jpg"), id("/p/d.txt")]);
    assert_eq!(added.first, Some(id("/p/c.jpg")));
    assert_eq!((list.counts().pending, list.counts().done), (2, 2));
    assert!(
        list.add_files(dropped).again.is_empty(),
        "they wait already"
    );
}

#[test]
fn every_removal_can_be_undone() {
    let mut list = four();
    let before = list.photos().to_vec();
    let ids: Vec<_> = before.iter().map(|photo| photo.id).collect();
    let some = list.remove(&[ids[1], ids[3]]);
    assert_eq!((some.len(), list.photos().len()), (2, 2));
    assert_eq!(list.restore(some), []);
    assert_eq!(list.photos(), before);
    list.ask_again();
    let all = list.remove(&ids);
    assert_eq!(list.counts(), PhotoCounts::default());
    list.add_files(files(["/p/a.jpg"]));
    let waiting = list.restore(all);
    assert_eq!(waiting.len(), 3, "one came back by itself meanwhile");
    assert_eq!(list.counts().pending, 4);
    assert_eq!(list.photo(ids[2]).unwrap().source.name(), "B.jpg");
}
