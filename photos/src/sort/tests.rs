use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;

struct Desk {
    dir: tempfile::TempDir,
}

/// Content, permissions and time of change of every file below a folder.
type Shelf = BTreeMap<PathBuf, (Vec<u8>, bool, SystemTime)>;

impl Desk {
    fn new() -> Self {
        let desk = Self {
            dir: tempfile::tempdir().unwrap(),
        };
        for (number, name) in ["in/a.jpg", "in/b.jpg", "in/sub/a.jpg", "in/same.jpg"]
            .iter()
            .enumerate()
        {
            let content = if *name == "in/same.jpg" {
                0
            } else {
                number as u8
            };
            desk.put(name, &[content; 3000]);
        }
        let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let file = fs::File::options()
            .write(true)
            .open(desk.path("in/a.jpg"))
            .unwrap();
        file.set_modified(old).unwrap();
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn put(&self, name: &str, content: &[u8]) {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        fs::write(self.path(name), content).unwrap();
    }

    fn plan(&self, mode: Mode) -> Plan {
        let item = |name: &str, folder: &str| Item {
            from: self.path(name),
            folder: folder.into(),
        };
        let items = [
            item("in/a.jpg", "cat"),
            item("in/b.jpg", "dog"),
            item("in/sub/a.jpg", "cat"),
            item("in/same.jpg", "cat"),
        ];
        Plan::new(&items, &self.path("out"), mode)
    }

    fn shelf(&self) -> Shelf {
        shelf(self.dir.path())
    }
}

fn shelf(dir: &Path) -> Shelf {
    let mut all = Shelf::new();
    for entry in walkdir::WalkDir::new(dir) {
        let entry = entry.unwrap();
        if entry.file_type().is_file() {
            let facts = entry.metadata().unwrap();
            let content = fs::read(entry.path()).unwrap();
            let fact = (
                content,
                facts.permissions().readonly(),
                facts.modified().unwrap(),
            );
            all.insert(entry.into_path(), fact);
        }
    }
    all
}

#[test]
fn names_that_collide_are_numbered() {
    let desk = Desk::new();
    let plan = desk.plan(Mode::Copy);
    let names: Vec<String> = plan
        .steps
        .iter()
        .map(|step| {
            step.to
                .strip_prefix(desk.path("out"))
                .unwrap()
                .display()
                .to_string()
        })
        .collect();
    // `same.jpg` has the bytes of `a.jpg` but another name: it is a file of its own.
    assert_eq!(
        names,
        ["cat/a.jpg", "dog/b.jpg", "cat/a (2).jpg", "cat/same.jpg"]
    );
    assert_eq!((plan.renamed, plan.same.len()), (1, 0));
    assert_eq!(
        plan.folders,
        [desk.path("out"), desk.path("out/cat"), desk.path("out/dog")]
    );
    assert!(!desk.path("out").exists(), "a plan changes nothing");
}

#[test]
fn what_is_stopped_in_the_middle_is_undone_exactly() {
    let desk = Desk::new();
    let before = desk.shelf();
    let mut seen = 0;
    let done = carry_out_until(&desk.plan(Mode::Move), |_| {
        seen += 1;
        match seen {
            3 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    });
    assert_eq!((done.unwrap(), seen), (3, 3));
    assert!(desk.path("in/same.jpg").exists(), "the fourth of four");
    assert_eq!(undo(&desk.path("out")).unwrap().files, 3);
    assert_eq!(desk.shelf(), before);
}

#[test]
fn each_way_is_undone_exactly() {
    for mode in [Mode::Copy, Mode::Move, Mode::Link] {
        let desk = Desk::new();
        let before = desk.shelf();
        let plan = desk.plan(mode);
        let mut done = 0;
        carry_out(&plan, |_| done += 1).unwrap();
        assert_eq!(done, 4);
        assert_eq!(desk.path("in/a.jpg").exists(), mode != Mode::Move);
        let sorted = fs::metadata(desk.path("out/cat/a.jpg")).unwrap();
        assert_eq!(
            sorted.modified().unwrap(),
            before[&desk.path("in/a.jpg")].2,
            "{mode:?}"
        );
        let undone = undo(&desk.path("out")).unwrap();
        assert_eq!((undone.files, undone.left.len()), (4, 0), "{mode:?}");
        assert_eq!(desk.shelf(), before, "{mode:?}");
        assert!(!desk.path("out").exists(), "{mode:?}");
        assert!(matches!(
            undo(&desk.path("out")),
            Err(SortError::NothingToUndo { .. })
        ));
    }
}

#[test]
fn a_second_run_does_nothing_twice() {
    let desk = Desk::new();
    carry_out(&desk.plan(Mode::Copy), |_| ()).unwrap();
    let once = desk.shelf();
    let again = desk.plan(Mode::Copy);
    assert_eq!((again.steps.len(), again.same.len()), (0, 4));
    carry_out(&again, |_| ()).unwrap();
    assert_eq!(desk.shelf(), once);
}

#[test]
fn what_has_the_name_already_is_never_overwritten() {
    for mode in [Mode::Copy, Mode::Move, Mode::Link] {
        let desk = Desk::new();
        desk.put("out/cat/a.jpg", b"mine");
        let plan = desk.plan(mode);
        assert_eq!(plan.steps[0].to, desk.path("out/cat/a (2).jpg"));
        // Somebody is quicker than we.
        desk.put("out/dog/b.jpg", b"mine, too");
        let error = carry_out(&plan, |_| ()).unwrap_err();
        assert!(error.to_string().contains("b.jpg"), "{error}");
        undo(&desk.path("out")).unwrap();
        assert_eq!(fs::read(desk.path("out/cat/a.jpg")).unwrap(), b"mine");
        assert_eq!(fs::read(desk.path("out/dog/b.jpg")).unwrap(), b"mine, too");
        assert_eq!(fs::read(desk.path("in/b.jpg")).unwrap(), [1; 3000]);
    }
}

#[test]
fn a_changed_file_and_a_last_copy_stay() {
    let desk = Desk::new();
    carry_out(&desk.plan(Mode::Copy), |_| ()).unwrap();
    desk.put("out/cat/a.jpg", b"edited");
    fs::remove_file(desk.path("in/b.jpg")).unwrap();
    let undone = undo(&desk.path("out")).unwrap();
    assert_eq!((undone.files, undone.left.len()), (2, 2));
    assert_eq!(fs::read(desk.path("out/cat/a.jpg")).unwrap(), b"edited");
    assert!(desk.path("out/dog/b.jpg").exists());
}

#[test]
fn a_work_broken_off_anywhere_is_undone() {
    for stop in 0..4 {
        for mode in [Mode::Copy, Mode::Move] {
            let desk = Desk::new();
            let before = desk.shelf();
            let plan = desk.plan(mode);
            let broken = std::panic::catch_unwind(|| {
                let mut done = 0;
                carry_out(&plan, |_| {
                    assert_ne!(done, stop, "the power fails");
                    done += 1;
                })
            });
            assert!(broken.is_err());
            // Half a copy, and half a move: the new name is there and the old one still is.
            let next = &plan.steps[(stop + 1).min(3)];
            fs::write(super::files::partial(&next.to), b"half").unwrap();
            if mode == Mode::Move && next.from.exists() {
                fs::hard_link(&next.from, &next.to).unwrap();
            }
            undo(&desk.path("out")).unwrap();
            assert_eq!(desk.shelf(), before, "{stop} {mode:?}");
        }
    }
}

#[test]
fn a_work_broken_off_before_its_plan_was_written_leaves_nothing() {
    let desk = Desk::new();
    let before = desk.shelf();
    desk.put(
        "out/.infer-cli/.sort-000001.journal.x.partial",
        b"half a pl",
    );
    let error = undo(&desk.path("out")).unwrap_err();
    assert!(matches!(error, SortError::NothingToUndo { .. }), "{error}");
    assert_eq!(desk.shelf(), before);
    assert!(!desk.path("out").exists());
}

#[test]
fn labels_become_names_of_folders_and_nothing_leads_out() {
    for (label, name) in [
        ("cat", "cat"),
        ("red/white", "red_white"),
        ("..", "_"),
        ("CON", "CON_"),
        ("jack-o'-lantern", "jack-o'-lantern"),
        (" a: b. ", "a_ b"),
    ] {
        assert_eq!(folder_name(label), name);
    }
    let desk = Desk::new();
    let item = Item {
        from: desk.path("in/a.jpg"),
        folder: "../../etc".into(),
    };
    let plan = Plan::new(&[item], &desk.path("out"), Mode::Copy);
    assert_eq!(plan.steps[0].to, desk.path("out/etc/a.jpg"));
}

#[test]
fn what_the_system_says_comes_without_its_number() {
    let reason = fs::read("no/such/file").unwrap_err();
    assert!(reason.to_string().contains("(os error "), "{reason}");
    let error = problem("move", Path::new("a.jpg"))(reason).to_string();
    assert!(error.starts_with("cannot move a.jpg: "), "{error}");
    assert!(!error.contains("os error"), "{error}");
}
