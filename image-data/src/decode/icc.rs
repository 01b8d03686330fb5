//! Embedded color profiles: RGB pixels to sRGB through `moxcms`.

use model_core::RgbImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

use crate::sandbox::catch;

/// Converts in place. A profile that cannot be used, or that is sRGB by another name, changes nothing: a picture without
/// its profile is what every other reader shows.
pub(super) fn to_srgb(image: &mut RgbImage, profile: &[u8]) {
    // Profiles are as untrusted as pixels.
    if let Ok(Some(converted)) = catch(|| convert(image, profile)) {
        image.data = converted;
    }
}

fn convert(image: &RgbImage, profile: &[u8]) -> Option<Vec<u8>> {
    let source = ColorProfile::new_from_slice(profile).ok()?;
    if source.color_space != DataColorSpace::Rgb {
        return None;
    }
    let srgb = ColorProfile::new_srgb();
    let transform = source
        .create_transform_8bit(Layout::Rgb, &srgb, Layout::Rgb, TransformOptions::default())
        .ok()?;
    // Most profiles are sRGB itself; converting would only add rounding.
    let steps = || (0..=255_u8).step_by(17);
    let cube: Vec<u8> = steps()
        .flat_map(|r| steps().flat_map(move |g| steps().flat_map(move |b| [r, g, b])))
        .collect();
    let mut probe = vec![0; cube.len()];
    transform.transform(&cube, &mut probe).ok()?;
    if cube.iter().zip(&probe).all(|(a, b)| a.abs_diff(*b) <= 2) {
        return None;
    }
    let mut converted = vec![0; image.data.len()];
    transform.transform(&image.data, &mut converted).ok()?;
    Some(converted)
}
