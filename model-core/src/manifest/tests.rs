//! Tests of [`super`].

use super::*;

fn sample() -> Manifest {
    let labels = vec![
        Label::named("cat"),
        Label {
            id: Some("n1".into()),
            name: "dog".into(),
        },
    ];
    let mut manifest = Manifest::new("tiny", "resnet_tiny", labels, Preprocessing::cifar10());
    manifest.accuracy = Some(Accuracy {
        top1_percent: 61.5,
        top5_percent: None,
        images: 200,
        dataset: "held out".into(),
    });
    manifest.certificate = Some(serde_json::json!({"max_abs_diff": 1e-6}));
    manifest
}

#[test]
fn both_forms_come_back_equal_and_are_stable() {
    let manifest = sample();
    let json = manifest.to_json().unwrap();
    assert_eq!(Manifest::from_json(&json).unwrap(), manifest);
    assert_eq!(Manifest::from_json(&json).unwrap().to_json().unwrap(), json);
    assert_eq!(
        Manifest::from_yaml(&manifest.to_yaml().unwrap()).unwrap(),
        manifest
    );
}

#[test]
fn version_1_called_tensorflows_lite0_by_what_is_another_network_now() {
    let mut manifest = sample();
    manifest.arch = "efficientnet_lite0".to_owned();
    let new = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
    assert_eq!(new.arch, "efficientnet_lite0");
    manifest.format_version = 1;
    let old = Manifest::from_json(&manifest.to_json().unwrap()).unwrap();
    assert_eq!(old.arch, "tf_efficientnet_lite0");
    assert_eq!(old.format_version, FORMAT_VERSION);
}

#[test]
fn a_misspelt_key_is_an_error_that_names_it() {
    let json = sample()
        .to_json()
        .unwrap()
        .replacen("temperature", "temprature", 1);
    let error = Manifest::from_json(&json).unwrap_err().to_string();
    assert!(
        error.contains("unknown field `temprature`") && error.contains("temperature"),
        "{error}"
    );
}

#[test]
fn scores_follow_what_the_output_is() {
    let near = |got: Vec<f32>, want: &[f32]| {
        assert_eq!(got.len(), want.len());
        let close = got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6);
        assert!(close, "{got:?} {want:?}");
    };
    let mut manifest = sample();
    let e = std::f32::consts::E;
    near(
        manifest.scores(&[0.0, 1.0]),
        &[1.0 / (1.0 + e), e / (1.0 + e)],
    );
    manifest.output = Output::LogProbabilities;
    near(
        manifest.scores(&[0.25f32.ln(), 0.75f32.ln()]),
        &[0.25, 0.75],
    );
    manifest.output = Output::Probabilities;
    near(manifest.scores(&[0.25, 0.75]), &[0.25, 0.75]);
    manifest.output = Output::SigmoidScores;
    near(manifest.scores(&[0.9, 0.8]), &[0.9, 0.8]);
    assert_eq!(manifest.answers(2), Answers::MultiLabel);
    // Two labels name both sides of one number.
    near(manifest.scores(&[0.9]), &[0.1, 0.9]);
    assert_eq!(manifest.answers(1), Answers::Binary);
    manifest.output = Output::SigmoidLogits;
    near(
        manifest.scores(&[0.0, 2.0]),
        &[0.5, 1.0 / (1.0 + (-2.0f32).exp())],
    );
    manifest.temperature = 2.0;
    near(
        manifest.scores(&[0.0, 2.0]),
        &[0.5, 1.0 / (1.0 + (-1.0f32).exp())],
    );
    manifest.output = Output::SigmoidScores;
    near(
        manifest.scores(&[0.5, 1.0 / (1.0 + (-2.0f32).exp())]),
        &[0.5, 1.0 / (1.0 + (-1.0f32).exp())],
    );
}

#[test]
fn values_out_of_range_are_named() {
    let mut manifest = sample();
    manifest.temperature = f32::NAN;
    assert!(
        manifest
            .validate()
            .unwrap_err()
            .to_string()
            .starts_with("manifest.temperature")
    );
    manifest = sample();
    manifest.format_version = FORMAT_VERSION + 1;
    assert!(
        manifest
            .validate()
            .unwrap_err()
            .to_string()
            .contains("newer")
    );
    manifest = sample();
    manifest.labels.clear();
    assert!(
        manifest
            .validate()
            .unwrap_err()
            .to_string()
            .starts_with("manifest.labels")
    );
}
