//! The ONNX specification's own image keys (MetadataProps.md): `Image.BitmapPixelFormat` and `Image.NominalPixelRange`,
//! as Custom Vision and WinML's tools write them.

use model_core::onnx::ModelProto;
use model_core::preprocessing::{ChannelOrder, Preprocessing};

use super::Overrides;

/// Obeys the keys where the caller has not said otherwise, and says so.
///
/// The range is obeyed only where no dialect has described the preprocessing (`described`): mean and standard deviation of
/// a dialect say more than a range.
pub(super) fn obey(
    proto: &ModelProto,
    preprocessing: &mut Preprocessing,
    described: bool,
    overrides: &Overrides,
) -> Vec<String> {
    let mut notes = Vec::new();
    let format = proto
        .metadata("Image.BitmapPixelFormat")
        .unwrap_or_default();
    let order = match format {
        _ if overrides.channels.is_some() => None,
        "Bgr8" | "Bgra8" => Some(ChannelOrder::Bgr),
        "Rgb8" | "Rgba8" => Some(ChannelOrder::Rgb),
        _ => None,
    };
    if let Some(order) = order.filter(|order| *order != preprocessing.channels) {
        preprocessing.channels = order;
        notes.push(format!(
            "the file says Image.BitmapPixelFormat={format}: channels are fed in that order"
        ));
    }
    let range = proto
        .metadata("Image.NominalPixelRange")
        .unwrap_or_default();
    let given =
        overrides.mean.is_some() || overrides.std.is_some() || overrides.pixel_max.is_some();
    let numbers = match range {
        _ if described || given => None,
        "NominalRange_0_255" => Some((1.0, 0.0, 1.0)),
        "Normalized_0_1" => Some((255.0, 0.0, 1.0)),
        "Normalized_1_1" => Some((255.0, 0.5, 0.5)),
        // 0..255 onto 16..235: p * 219 / 255 + 16.
        "NominalRange_16_235" => Some((1.0, -16.0 * 255.0 / 219.0, 255.0 / 219.0)),
        _ => None,
    };
    if let Some((pixel_max, mean, std)) = numbers {
        let wanted = (pixel_max, [mean; 3], [std; 3]);
        if (
            preprocessing.pixel_max,
            preprocessing.mean,
            preprocessing.std,
        ) != wanted
        {
            (
                preprocessing.pixel_max,
                preprocessing.mean,
                preprocessing.std,
            ) = wanted;
            notes.push(format!(
                "the file says Image.NominalPixelRange={range}: pixels are scaled to it, without mean and std"
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn obeyed(keys: &[(&str, &str)], overrides: &Overrides) -> (Preprocessing, usize) {
        let mut proto = ModelProto::default();
        for (key, value) in keys {
            proto.set_metadata(key, *value);
        }
        let mut preprocessing = Preprocessing::imagenet();
        let notes = obey(&proto, &mut preprocessing, false, overrides);
        (preprocessing, notes.len())
    }

    #[test]
    fn order_and_range_are_obeyed_and_the_caller_wins() {
        let keys = [
            ("Image.BitmapPixelFormat", "Bgr8"),
            ("Image.NominalPixelRange", "NominalRange_0_255"),
        ];
        let (p, notes) = obeyed(&keys, &Overrides::default());
        assert_eq!(
            (p.channels, p.pixel_max, notes),
            (ChannelOrder::Bgr, 1.0, 2)
        );
        assert_eq!((p.mean, p.std), ([0.0; 3], [1.0; 3]));
        let by_hand = Overrides {
            channels: Some(ChannelOrder::Rgb),
            mean: Some([0.5; 3]),
            ..Overrides::default()
        };
        let (p, notes) = obeyed(&keys, &by_hand);
        assert_eq!((p, notes), (Preprocessing::imagenet(), 0));
        let video = [("Image.NominalPixelRange", "NominalRange_16_235")];
        let (p, _) = obeyed(&video, &Overrides::default());
        let value = |pixel: f32| (pixel / p.pixel_max - p.mean[0]) / p.std[0];
        assert!((value(0.0) - 16.0).abs() < 1e-4 && (value(255.0) - 235.0).abs() < 1e-4);
    }
}
