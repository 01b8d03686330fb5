//! Tests of [`super`].

use super::*;

#[test]
fn the_side_grows_between_the_two_epochs() {
    let augment = AugmentConfig {
        progressive: Some(ProgressiveConfig {
            start_size: 160,
            end_size: 192,
            start_epoch: 34,
            end_epoch: 38,
            multiple: 8,
        }),
        ..AugmentConfig::default()
    };
    let sides: Vec<u32> = (33..40).map(|epoch| augment.size_at(epoch)).collect();
    assert_eq!(sides, [160, 160, 168, 176, 184, 192, 192]);
}

#[test]
fn impossible_values_are_named_by_their_key() {
    let said = |change: fn(&mut AugmentConfig)| {
        let mut config = AugmentConfig::default();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    assert_eq!(
        said(|c| c.scale = [0.5, 0.1]),
        "augment.scale: expected 0 < low <= high <= 1, got [0.5, 0.1]"
    );
    assert_eq!(
        said(|c| c.repeats = 17),
        "augment.repeats: expected 1 to 16, got 17"
    );
    assert_eq!(
        said(|c| c.flip_probability = 1.5),
        "augment.flip_probability: expected 0 to 1, got 1.5"
    );
    assert!(said(|c| c.policy_ops = 0).contains("policy_ops: expected 1 to 64, got 0"));
    assert!(said(|c| c.policy_magnitude = 31).contains("0 to 30, got 31"));
    assert!(said(|c| c.image_size = 0).contains("image_size: expected 8 to 4096 pixels"));
    assert!(said(|c| c.mixup_alpha = f64::NAN).contains("mixup_alpha"));
    assert_eq!(AugmentConfig::default().validate(), Ok(()));
}

#[test]
fn mixing_ends_where_it_is_switched_off() {
    let augment = AugmentConfig {
        mixup_alpha: 0.2,
        mix_off_epoch: Some(3),
        ..AugmentConfig::default()
    };
    assert_eq!(
        [0, 2, 3].map(|epoch| augment.is_mixing_at(epoch)),
        [true, true, false]
    );
    assert!(!AugmentConfig::default().is_mixing_at(0));
}
