use super::*;

struct Desk(tempfile::TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for name in ["a.jpg", "b.jpg", "c.jpg", "c.CR2"] {
            fs::write(desk.path(name), b"\xff\xd8\xff\xe0 a photo").unwrap();
        }
        let mine = with_keywords(None, &[vec!["Ann".to_owned()]])
            .unwrap()
            .unwrap();
        fs::write(desk.path("b.xmp"), &mine).unwrap();
        fs::write(desk.path("c.xmp"), &mine).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn plan(&self, names: &[&str]) -> KeywordPlan {
        let photos: Vec<Tagged> = names
            .iter()
            .map(|name| Tagged {
                photo: self.path(name),
                keyword: vec!["animal".to_owned(), "cat".to_owned()],
            })
            .collect();
        KeywordPlan::new(&photos, self.0.path())
    }

    fn shelf(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let entries = walkdir::WalkDir::new(self.0.path()).sort_by_file_name();
        entries
            .into_iter()
            .map(|entry| entry.unwrap().into_path())
            .filter(|path| path.is_file())
            .map(|path| (path.clone(), fs::read(&path).unwrap()))
            .collect()
    }
}

#[test]
fn sidecars_are_made_merged_and_given_back_to_the_byte() {
    let desk = Desk::new();
    let before = desk.shelf();
    let plan = desk.plan(&["a.jpg", "b.jpg", "c.jpg"]);
    let sidecars: Vec<PathBuf> = plan.edits.iter().map(|edit| edit.sidecar.clone()).collect();
    // `c.xmp` may mean the raw file, so the JPEG gets its own.
    assert_eq!(
        sidecars,
        [
            desk.path("a.jpg.xmp"),
            desk.path("b.xmp"),
            desk.path("c.jpg.xmp")
        ]
    );
    assert_eq!(
        plan.edits.iter().map(Edit::merges).collect::<Vec<_>>(),
        [false, true, false]
    );
    assert_eq!(desk.shelf(), before, "a plan changes nothing");
    write(&plan, |_| ()).unwrap();
    let merged = fs::read_to_string(desk.path("b.xmp")).unwrap();
    assert!(
        merged.contains("Ann") && merged.contains("animal|cat"),
        "{merged}"
    );
    let again = desk.plan(&["a.jpg", "b.jpg", "c.jpg"]);
    assert_eq!((again.edits.len(), again.unchanged), (0, 3));
    let undone = undo(desk.0.path()).unwrap();
    assert_eq!((undone.files, undone.left.len()), (3, 0));
    assert_eq!(desk.shelf(), before);
    assert!(matches!(
        undo(desk.0.path()),
        Err(SortError::NothingToUndo { .. })
    ));
}

#[test]
fn what_changed_since_stays() {
    let desk = Desk::new();
    let plan = desk.plan(&["a.jpg", "b.jpg"]);
    write(&plan, |_| ()).unwrap();
    fs::write(desk.path("b.xmp"), b"edited").unwrap();
    let undone = undo(desk.0.path()).unwrap();
    assert_eq!((undone.files, undone.left.len()), (1, 1));
    assert_eq!(fs::read(desk.path("b.xmp")).unwrap(), b"edited");
    assert!(!desk.path("a.jpg.xmp").exists());
    // And nothing is written over what changed between reading and writing.
    let plan = desk.plan(&["a.jpg"]);
    fs::write(desk.path("a.jpg.xmp"), b"quicker").unwrap();
    let error = write(&plan, |_| ()).unwrap_err();
    assert!(matches!(error, SortError::SidecarChanged { .. }), "{error}");
    assert_eq!(fs::read(desk.path("a.jpg.xmp")).unwrap(), b"quicker");
}

#[test]
fn keywords_broken_off_anywhere_are_undone() {
    for stop in 0..3 {
        let desk = Desk::new();
        let before = desk.shelf();
        let plan = desk.plan(&["a.jpg", "b.jpg", "c.jpg"]);
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut done = 0;
            write(&plan, |_| {
                assert_ne!(done, stop, "the power fails");
                done += 1;
            })
        }));
        assert!(broken.is_err());
        fs::write(desk.path(".c.jpg.xmp.k1l2.partial"), b"half").unwrap();
        fs::write(desk.path(".other.partial"), b"somebody else's").unwrap();
        undo(desk.0.path()).unwrap();
        fs::remove_file(desk.path(".other.partial")).unwrap();
        assert_eq!(desk.shelf(), before, "{stop}");
    }
}

#[test]
fn a_sidecar_that_is_not_understood_is_named_and_stays() {
    let desk = Desk::new();
    fs::write(desk.path("a.jpg.xmp"), b"no XML").unwrap();
    let plan = desk.plan(&["a.jpg", "b.jpg"]);
    assert_eq!((plan.edits.len(), plan.refused.len()), (1, 1));
    assert_eq!(plan.refused[0].0, desk.path("a.jpg.xmp"));
    write(&plan, |_| ()).unwrap();
    assert_eq!(fs::read(desk.path("a.jpg.xmp")).unwrap(), b"no XML");
}

#[test]
fn a_damaged_journal_is_told_by_line() {
    let good = format!("{HEADER}\nsidecar /a 00 -\nend\n");
    assert_eq!(parse(&good).map(|entries| entries.len()), Ok(1));
    assert_eq!(parse(&good.replace("end\n", "")).err(), Some(2));
    assert_eq!(parse(&good.replace(" 00 -", " 00 !")).err(), Some(2));
    assert_eq!(parse("").err(), Some(1));
}

#[test]
fn a_sidecar_that_cannot_be_read_says_why_in_words() {
    let desk = Desk::new();
    fs::create_dir(desk.path("a.jpg.xmp")).unwrap();
    let plan = desk.plan(&["a.jpg"]);
    let (_, error) = &plan.refused[0];
    assert!(matches!(error, SidecarError::Read(_)), "{error}");
    assert!(!error.to_string().contains("os error"), "{error}");
}
