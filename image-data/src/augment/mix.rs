//! Parameters of mixup (Zhang et al. 2018) and CutMix (Yun et al. 2019), drawn as torchvision draws them. Blending the
//! batch is the trainer's: it has the tensors.

use super::Area;
use crate::random::Random;

/// Mixup's weight of the sample itself, from Beta(`alpha`, `alpha`): `lambda * x + (1 - lambda) * partner`.
pub fn mixup_lambda(alpha: f64, random: &mut Random) -> f64 {
    random.beta(alpha, alpha)
}

/// CutMix's rectangle, which comes from the partner, and the weight of the sample itself: the share of pixels it keeps.
/// The center is uniform and the rectangle is clipped at the border (torchvision `CutMix.make_params`).
pub fn cutmix_area(alpha: f64, width: u32, height: u32, random: &mut Random) -> (Area, f64) {
    let lambda = random.beta(alpha, alpha);
    let (cx, cy) = (
        random.below(u64::from(width)) as i64,
        random.below(u64::from(height)) as i64,
    );
    let half = 0.5 * (1.0 - lambda).sqrt();
    let (half_w, half_h) = (
        (half * f64::from(width)) as i64,
        (half * f64::from(height)) as i64,
    );
    let clip = |v: i64, end: u32| v.clamp(0, i64::from(end)) as u32;
    let (x1, x2) = (clip(cx - half_w, width), clip(cx + half_w, width));
    let (y1, y2) = (clip(cy - half_h, height), clip(cy + half_h, height));
    let area = Area {
        x: x1,
        y: y1,
        width: x2 - x1,
        height: y2 - y1,
    };
    let share =
        f64::from(area.width) * f64::from(area.height) / (f64::from(width) * f64::from(height));
    (area, 1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Key, Purpose};

    #[test]
    fn rectangles_are_inside_and_lambda_is_their_complement() {
        let mut random = Key::new(3, 0, 0, Purpose::Mix).stream();
        let mut mean = 0.0;
        for _ in 0..5000 {
            let (area, lambda) = cutmix_area(1.0, 40, 30, &mut random);
            assert!(area.x + area.width <= 40 && area.y + area.height <= 30);
            assert!((lambda - (1.0 - f64::from(area.width * area.height) / 1200.0)).abs() < 1e-12);
            mean += lambda / 5000.0;
        }
        // Clipping at the border keeps more of the sample than the drawn 0.5.
        assert!((0.55..0.75).contains(&mean), "{mean}");
    }
}
