//! Tests of [`super`].

use model_core::preprocessing::Resize;

use super::*;

#[test]
fn one_level_is_one_level_in_every_channel_and_order() {
    for channels in [ChannelOrder::Rgb, ChannelOrder::Bgr] {
        let p = Preprocessing {
            channels,
            resize: Resize::None,
            crop: [2, 2],
            ..Preprocessing::imagenet()
        };
        let gray = RgbImage::filled(2, 2, [100; 3]).unwrap();
        for channel in 0..3 {
            let mut other = gray.clone();
            other.data[channel] = 101;
            let levels = largest_levels(&p, &p.apply(&gray), &p.apply(&other));
            assert!((levels - 1.0).abs() < 1e-4, "{channel}: {levels}");
        }
        let mut broken = p.apply(&gray);
        broken[0] = f32::NAN;
        assert_eq!(largest_levels(&p, &broken, &p.apply(&gray)), f64::INFINITY);
    }
}
