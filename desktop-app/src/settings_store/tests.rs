use super::*;
use crate::classify::ModelChoice;
use crate::settings::Appearance;

fn store() -> (tempfile::TempDir, SettingsStore, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let store = SettingsStore::in_folder(Some(dir.path().join("deep/er")));
    let file = dir.path().join("deep/er/settings.json");
    (dir, store, file)
}

fn write(file: &Path, text: &str) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, text).unwrap();
}

#[test]
fn settings_come_back() {
    let (_dir, store, _) = store();
    assert_eq!(store.load(), (Settings::default(), None));
    let mut settings = Settings {
        appearance: Appearance::Dark,
        ..Settings::default()
    };
    settings.remember_model(&ModelChoice::File("/m/a.onnx".into()));
    settings.remember_answer(Path::new("/p/cat.jpg"), "tabby", 0.7, "lite0");
    settings.remember_answer(Path::new("/p/dog.jpg"), "beagle", 0.9, "lite0");
    settings.remember_answer(Path::new("/p/cat.jpg"), "tiger cat", 0.8, "lite0");
    store.save(&Settings::default(), &settings).unwrap();
    assert_eq!(store.load(), (settings.clone(), None));
    assert_eq!(settings.history.len(), 2);
    assert_eq!(settings.history[0].label, "tiger cat");
    let forgotten = Settings {
        history: Vec::new(),
        ..settings.clone()
    };
    store.save(&settings, &forgotten).unwrap();
    assert_eq!(store.load().0, forgotten);
}

#[test]
fn damaged_settings_are_kept_and_said() {
    let (_dir, store, file) = store();
    write(&file, "{ not json");
    let (settings, warning) = store.load();
    assert_eq!(settings, Settings::default());
    let kept = file.with_extension("json.unreadable");
    assert_eq!(
        warning,
        Some(SettingsWarning::Damaged { kept: kept.clone() })
    );
    assert_eq!(std::fs::read_to_string(kept).unwrap(), "{ not json");
}

#[test]
fn an_unknown_value_resets_that_value_only_and_stays_in_the_file() {
    let (_dir, store, file) = store();
    write(
        &file,
        r#"{"appearance": "sepia", "sure_from": 0.25, "zoom": [1, 2], "answers_shown": "many",
            "model": {"Cloud": "x"}, "recent_models": ["/m/a.onnx", 7],
            "history": [{"path": "/p/cat.jpg", "label": "tabby", "probability": 0.5, "model": "m", "unix_secs": 3}, {"new": 1}]}"#,
    );
    let (settings, warning) = store.load();
    assert_eq!(settings.sure_from, 0.25);
    assert_eq!(
        (settings.appearance, settings.model.clone()),
        (Appearance::System, None)
    );
    assert_eq!(settings.recent_models, [PathBuf::from("/m/a.onnx")]);
    assert_eq!(settings.history.len(), 1);
    let (what, _) = warning.unwrap().sentences();
    assert!(what.contains("light or dark, number of answers"), "{what}");
    assert!(
        !what.contains("variant") && !what.contains("line 1"),
        "{what}"
    );

    let changed = Settings {
        sure_from: 0.5,
        ..settings.clone()
    };
    store.save(&settings, &changed).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    for kept in ["sepia", "zoom", "Cloud", "many"] {
        assert!(text.contains(kept), "{kept} is gone: {text}");
    }
    let chosen = Settings {
        appearance: Appearance::Dark,
        ..changed.clone()
    };
    store.save(&changed, &chosen).unwrap();
    let read = store.load().0;
    assert_eq!((read.appearance, read.sure_from), (Appearance::Dark, 0.5));
}

#[test]
fn two_windows_do_not_undo_each_others_choices() {
    let (_dir, store, _) = store();
    let start = Settings::default();
    store.save(&start, &start).unwrap();
    let (mut first, mut second) = (store.load().0, store.load().0);
    first.appearance = Appearance::Light;
    first.remember_answer(Path::new("/p/a.jpg"), "tabby", 0.5, "m");
    store.save(&start, &first).unwrap();
    second.sure_from = 0.75;
    second.remember_answer(Path::new("/p/b.jpg"), "beagle", 0.5, "m");
    store.save(&start, &second).unwrap();
    let read = store.load().0;
    assert_eq!((read.appearance, read.sure_from), (Appearance::Light, 0.75));
    assert_eq!(read.history.len(), 2);
    let forgotten = Settings {
        history: Vec::new(),
        ..first.clone()
    };
    store.save(&first, &forgotten).unwrap();
    let left: Vec<_> = store.load().0.history;
    assert_eq!(left.len(), 1, "what the other window added stays");
    assert_eq!(left[0].path, Path::new("/p/b.jpg"));
}

#[test]
fn many_savers_at_once_leave_a_whole_file_and_nothing_else() {
    let (_dir, store, file) = store();
    std::thread::scope(|scope| {
        for n in 0..8_usize {
            let store = store.clone();
            scope.spawn(move || {
                for _ in 0..5 {
                    let mut now = Settings::default();
                    now.remember_answer(Path::new(&format!("/p/{n}.jpg")), "x", 0.5, "m");
                    store.save(&Settings::default(), &now).unwrap();
                }
            });
        }
    });
    let (settings, warning) = store.load();
    assert_eq!((settings.history.len(), warning), (8, None));
    let left = std::fs::read_dir(file.parent().unwrap()).unwrap().count();
    assert_eq!(left, 2, "the settings and their lock");
}

#[cfg(unix)]
#[cfg(unix)]
#[test]
fn links_are_not_followed_and_odd_names_are_kept() {
    use std::os::unix::{ffi::OsStringExt as _, fs::symlink};
    let (dir, store, file) = store();
    let target = dir.path().join("important");
    std::fs::write(&target, "{}").unwrap();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    symlink(&target, &file).unwrap();
    let odd: PathBuf = std::ffi::OsString::from_vec(b"/p/caf\xe9.jpg".to_vec()).into();
    let mut settings = Settings::default();
    settings.remember_answer(&odd, "cup", 0.5, "m");
    settings.remember_model(&ModelChoice::File(odd.clone()));
    store.save(&Settings::default(), &settings).unwrap();
    assert_eq!(std::fs::read_to_string(&target).unwrap(), "{}");
    assert_eq!(store.load(), (settings, None));
}

#[test]
fn values_out_of_range_are_brought_back() {
    let (_dir, store, file) = store();
    write(&file, r#"{"answers_shown": 999, "sure_from": 7}"#);
    let (settings, warning) = store.load();
    assert_eq!(
        (settings.answers_shown, settings.sure_from, warning),
        (10, 0.4, None)
    );
}
