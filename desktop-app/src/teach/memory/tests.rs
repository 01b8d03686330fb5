use super::*;

fn memory() -> (tempfile::TempDir, ClassMemory, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("deep/er");
    let memory = ClassMemory::in_folder(Some(&folder));
    (dir, memory, folder.join("classes.json"))
}

fn board(classes: &[(&str, &[&str])]) -> ClassBoard {
    let mut board = ClassBoard::default();
    for (name, photos) in classes {
        let photos: Vec<PathBuf> = photos.iter().map(PathBuf::from).collect();
        board.take_in(name, &photos, None);
    }
    board
}

/// `cat: a b, dog:` of what is on the disk.
fn stored(memory: &ClassMemory) -> String {
    let (board, warning) = memory.load();
    assert_eq!(warning, None);
    let class = |class: &PhotoClass| {
        let photos = class
            .photos
            .iter()
            .map(|photo| format!(" {}", photo.display()));
        format!("{}:{}", class.name, photos.collect::<String>())
    };
    board
        .classes()
        .iter()
        .map(class)
        .collect::<Vec<_>>()
        .join(", ")
}

fn save(memory: &ClassMemory, before: &ClassBoard, now: &ClassBoard) {
    memory.save(&before.snapshot(), &now.snapshot()).unwrap();
}

#[test]
fn classes_come_back_with_odd_names_and_their_model() {
    let (_dir, memory, file) = memory();
    assert_eq!(stored(&memory), "");
    let empty = ClassBoard::default();
    let mut now = board(&[("cat", &["/p/a.jpg", "/p/b.jpg"]), ("dog", &[])]);
    now.build_on(
        ModelChoice::File("/m/pets.onnx".into()),
        vec![KeptClass {
            name: "owl".to_owned(),
            photos: 12,
        }],
    );
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStringExt as _;
        let odd: PathBuf = std::ffi::OsString::from_vec(b"/p/caf\xe9.jpg".to_vec()).into();
        now.take_in("dog", &[odd], None);
    }
    save(&memory, &empty, &now);
    let (read, warning) = memory.load();
    assert_eq!((read.snapshot(), warning), (now.snapshot(), None));
    let left = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(left, 2, "the classes and their lock");
    memory.forget().unwrap();
    memory.forget().unwrap();
    assert_eq!(stored(&memory), "");
}

#[test]
fn damaged_and_newer_files_are_kept_and_said() {
    let (_dir, memory, file) = memory();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let newer = r#"{"version": 2, "groups": []}"#;
    for (text, ending, words) in [
        ("{ not json", "json.unreadable", "damaged"),
        (
            r#"{"version": 1, "classes": 3}"#,
            "json.unreadable",
            "damaged",
        ),
        (newer, "json.newer", "newer version"),
    ] {
        std::fs::write(&file, text).unwrap();
        let (read, warning) = memory.load();
        assert_eq!(read.snapshot(), Arrangement::default());
        let (what, where_it_is) = warning.unwrap().sentences();
        assert!(what.contains(words), "{what}");
        let kept = file.with_extension(ending);
        assert!(
            where_it_is.contains(&kept.display().to_string()),
            "{where_it_is}"
        );
        assert_eq!(std::fs::read_to_string(kept).unwrap(), text);
        assert!(!file.exists());
    }
    // A newer program that runs at the same time loses nothing either, and this window's classes stay its own.
    let (before, now) = (board(&[("cat", &["a"])]), board(&[("cat", &["a", "b"])]));
    std::fs::write(&file, newer).unwrap();
    save(&memory, &before, &now);
    assert_eq!(stored(&memory), "cat: a b");
    assert_eq!(
        std::fs::read_to_string(file.with_extension("json.newer")).unwrap(),
        newer
    );
}

#[test]
fn two_windows_do_not_undo_each_others_changes() {
    let (_dir, memory, _) = memory();
    let start = board(&[("cat", &["a", "b"]), ("dog", &["x"]), ("owl", &["o"])]);
    save(&memory, &ClassBoard::default(), &start);
    // One adds a photo, corrects one and renames a class; the other one adds a class and takes one away.
    let first = board(&[
        ("cat", &["a", "c"]),
        ("dog", &["x", "b"]),
        ("barn owl", &["o"]),
    ]);
    let second = board(&[("cat", &["a", "b"]), ("owl", &["o"]), ("bee", &["y"])]);
    save(&memory, &start, &first);
    save(&memory, &start, &second);
    assert_eq!(stored(&memory), "cat: a c, barn owl: o, bee: y, dog: b");
    // What a window only carries along does not come back.
    let third = board(&[
        ("cat", &["a", "c", "d"]),
        ("dog", &["x", "b"]),
        ("barn owl", &["o"]),
    ]);
    save(&memory, &first, &third);
    assert_eq!(stored(&memory), "cat: a c d, barn owl: o, bee: y, dog: b");
}

#[test]
fn a_model_that_was_chosen_here_wins_with_its_classes() {
    let (_dir, memory, _) = memory();
    let kept = |name: &str| KeptClass {
        name: name.to_owned(),
        photos: 3,
    };
    let start = board(&[("cat", &["a"])]);
    save(&memory, &ClassBoard::default(), &start);
    let mut first = board(&[("cat", &["a"])]);
    first.build_on(ModelChoice::File("m.onnx".into()), vec![kept("dog")]);
    save(&memory, &start, &first);
    save(&memory, &start, &board(&[("cat", &["a", "b"])]));
    let (read, _) = memory.load();
    assert_eq!(read.base(), first.base());
    assert_eq!(stored(&memory), "cat: a b, dog:");
    assert_eq!(read.classes()[1].kept, Some(kept("dog")));
}

#[test]
fn many_savers_at_once_leave_a_whole_file_with_all_of_it() {
    let (_dir, memory, _) = memory();
    std::thread::scope(|scope| {
        for n in 0..8 {
            let memory = memory.clone();
            scope.spawn(move || {
                let photo = format!("{n}.jpg");
                for _ in 0..5 {
                    save(
                        &memory,
                        &ClassBoard::default(),
                        &board(&[("cat", &[photo.as_str()])]),
                    );
                }
            });
        }
    });
    assert_eq!(memory.load().0.photos(), 8);
}
