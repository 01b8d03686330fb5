//! The heat map behind "Why", ready to be laid over the crop. How it is found is [`inference::explain`]'s business.

/// Evidence for one class, over the pixels of the crop.
#[derive(Clone, Debug, PartialEq)]
pub struct Heat {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row-major, 0 (no evidence, or evidence against) to 1 (the strongest of this photo).
    pub values: Vec<f32>,
    /// The class it speaks of.
    pub index: usize,
    /// By how much its probability falls, at most, when a part is hidden (0..=1).
    pub largest_drop: f32,
}

impl Heat {
    /// From the loss of probability at every pixel of a crop of `width` x `height`.
    ///
    /// # Errors
    /// When the numbers are not one a pixel.
    pub fn new(width: usize, height: usize, importance: &[f32], index: usize) -> Result<Self, String> {
        if importance.len() != width * height {
            return Err(format!("expected {} numbers, got {}", width * height, importance.len()));
        }
        let largest_drop = importance.iter().copied().filter(|value| value.is_finite()).fold(0.0_f32, f32::max);
        let scale = if largest_drop > 1e-6 { 1.0 / largest_drop } else { 0.0 };
        let values = importance.iter().map(|value| if value.is_finite() { (value * scale).clamp(0.0, 1.0) } else { 0.0 }).collect();
        Ok(Self { width, height, values, index, largest_drop })
    }

    /// Pixels to lay over the crop, RGBA, not premultiplied: dark where there is no evidence, amber to red where there is.
    pub fn overlay(&self) -> Vec<u8> {
        let mut pixels = Vec::with_capacity(4 * self.values.len());
        for value in &self.values {
            let cold = [12.0, 14.0, 22.0, 150.0];
            let warm = [255.0, 176.0, 32.0, 105.0];
            let hot = [235.0, 52.0, 28.0, 165.0];
            let mix = |a: [f32; 4], b: [f32; 4], t: f32| std::array::from_fn::<_, 4, _>(|i| a[i] + (b[i] - a[i]) * t);
            let color = if *value < 0.5 { mix(cold, warm, value * 2.0) } else { mix(warm, hot, value * 2.0 - 1.0) };
            pixels.extend(color.map(|channel| channel.round() as u8));
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_strongest_evidence_is_one_and_evidence_against_is_none() {
        let heat = Heat::new(2, 2, &[0.2, 0.1, -0.3, f32::NAN], 7).unwrap();
        assert_eq!(heat.values, [1.0, 0.5, 0.0, 0.0]);
        assert_eq!((heat.index, heat.largest_drop), (7, 0.2));
        assert_eq!(heat.overlay().len(), 16);
        assert_eq!(heat.overlay()[..4], [235, 52, 28, 165]);
    }

    #[test]
    fn no_evidence_is_no_division_by_zero() {
        let heat = Heat::new(1, 2, &[0.0, -1.0], 0).unwrap();
        assert_eq!(heat.values, [0.0, 0.0]);
        assert!(Heat::new(2, 2, &[0.0], 0).is_err());
    }
}
