//! Tests of [`super`].

use super::*;

#[test]
fn offsets_round_half_to_even() {
    // int(round(x / 2.0)) for x = 0..6 in Python
    let got: Vec<i64> = (0..7).map(|spare| crop_offset(224 + spare, 224)).collect();
    assert_eq!(got, [0, 0, 1, 2, 2, 2, 3]);
}

#[test]
fn the_long_side_is_truncated() {
    let at = Preprocessing::imagenet().geometry(500, 375);
    assert_eq!((at.resized_width, at.resized_height), (341, 256));
    assert_eq!((at.crop_x, at.crop_y), (58, 16));
    let at = Preprocessing::imagenet().geometry(375, 500);
    assert_eq!((at.resized_width, at.resized_height), (256, 341));
}

#[test]
fn a_small_image_is_padded_with_black_around() {
    let keep = Preprocessing {
        resize: Resize::None,
        crop: [4, 5],
        ..Preprocessing::imagenet()
    };
    let image = RgbImage::filled(2, 1, [9, 9, 9]).unwrap();
    let crop = keep.crop_pixels(&image);
    assert_eq!((crop.width, crop.height), (5, 4));
    let lit: Vec<usize> = (0..20).filter(|i| crop.data[i * 3] == 9).collect();
    assert_eq!(lit, [6, 7]);
}

#[test]
fn layout_and_channel_order_move_the_same_numbers() {
    let chw = Preprocessing {
        resize: Resize::None,
        crop: [1, 2],
        ..Preprocessing::imagenet()
    };
    let image = RgbImage::new(2, 1, vec![0, 100, 200, 50, 150, 250]).unwrap();
    let planes = chw.apply(&image);
    let bgr = Preprocessing {
        layout: Layout::Nhwc,
        channels: ChannelOrder::Bgr,
        ..chw.clone()
    };
    assert_eq!(
        bgr.apply(&image),
        [
            planes[4], planes[2], planes[0], planes[5], planes[3], planes[1]
        ]
    );
    assert_eq!(planes[0], (0.0f32 / 255.0 - 0.485) / 0.229);
    assert_eq!(bgr.input_shape(7), [7, 1, 2, 3]);
}

#[test]
fn unusable_values_are_named() {
    let mut bad = Preprocessing::imagenet();
    bad.std[1] = 0.0;
    assert!(
        bad.validate()
            .unwrap_err()
            .to_string()
            .starts_with("preprocessing.std: expected three positive")
    );
    bad = Preprocessing::imagenet();
    bad.resize = Resize::ShortSide(0);
    assert_eq!(bad.validate().unwrap_err().field, "resize.short_side");
    assert_eq!(Preprocessing::imagenet().validate(), Ok(()));
}

#[test]
fn yaml_names_are_plain_and_unknown_keys_are_errors() {
    let yaml = serde_yaml::to_string(&Preprocessing::cifar10()).unwrap();
    assert!(yaml.contains("short_side: 32"), "{yaml}");
    assert_eq!(
        serde_yaml::from_str::<Preprocessing>(&yaml).unwrap(),
        Preprocessing::cifar10()
    );
    let error = serde_yaml::from_str::<Preprocessing>(&format!("{yaml}sdt: 1\n")).unwrap_err();
    assert!(error.to_string().contains("unknown field `sdt`"), "{error}");
}
