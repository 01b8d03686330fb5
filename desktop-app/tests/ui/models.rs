//! Choosing, dropping and remembering models.

use std::path::PathBuf;

use tempfile::tempdir;

use super::common::{Setup, drop_files, picture, until, until_done};
use super::{click, shows};
use desktop_app::classify::ModelChoice;
use desktop_app::settings_store::SettingsStore;

#[test]
fn a_wrong_model_explains_itself_and_the_old_one_stays() {
    let dir = tempdir().unwrap();
    let red = picture(dir.path(), "red.png", [250, 10, 10]);
    let mut window = Setup {
        settings: Some(dir.path().join("settings")),
        ..Setup::default()
    }
    .open();
    drop_files(&mut window, &[red]);
    until_done(&mut window, 1);
    drop_files(&mut window, &[PathBuf::from("/models/wrong.onnx")]);
    until(&mut window, "the model is refused", |w| {
        shows(
            w,
            "/models/wrong.onnx cannot be used as a model. Expected an ONNX model",
        )
    });
    assert!(shows(&window, "\u{201c}colors\u{201d} stays in use"));
    assert!(shows(&window, "Model: colors"));

    drop_files(&mut window, &[PathBuf::from("/models/good one.onnx")]);
    until(&mut window, "the new model is in use", |w| {
        shows(w, "Model: good one")
    });
    until(&mut window, "the photo was looked at again", |w| {
        shows(w, "by good one")
    });
    assert_eq!(
        window.state().settings().recent_models,
        [PathBuf::from("/models/good one.onnx")]
    );
    click(&mut window, "Model: good one");
    click(&mut window, "Use Everyday things");
    until(&mut window, "the built-in model is back", |w| {
        shows(w, "Model: colors")
    });
    assert_eq!(window.state().settings().model, Some(ModelChoice::Embedded));
}

#[test]
fn a_remembered_model_that_is_gone_gives_way_to_the_built_in_one() {
    let mut window = Setup {
        model: Some(ModelChoice::File("/gone.onnx".into())),
        ..Setup::default()
    }
    .open();
    until(&mut window, "the built-in model is used", |w| {
        shows(w, "Model: colors")
    });
    assert!(shows(&window, "/gone.onnx cannot be used"));
}

#[test]
fn a_model_of_the_users_takes_the_defaults_place_until_another_is_chosen() {
    let dir = tempdir().unwrap();
    let open = |default: &str| {
        Setup {
            settings: Some(dir.path().to_owned()),
            default_model: ModelChoice::File(default.into()),
            ..Setup::default()
        }
        .open()
    };
    let mut window = open("/models/good resnet50.onnx");
    until(&mut window, "the user's default is used", |w| {
        shows(w, "Model: good resnet50")
    });
    assert_eq!(window.state().settings().model, None, "it was not chosen");
    click(&mut window, "Model: good resnet50");
    click(&mut window, "Use Everyday things");
    until(&mut window, "the built-in model is chosen", |w| {
        shows(w, "Model: colors")
    });
    until(&mut window, "the choice is saved", |_| {
        SettingsStore::in_folder(Some(dir.path().to_owned()))
            .load()
            .0
            .model
            == Some(ModelChoice::Embedded)
    });
    drop(window);
    let mut window = open("/models/good resnet50.onnx");
    until(&mut window, "the choice outlives the window", |w| {
        shows(w, "Model: colors")
    });
}
