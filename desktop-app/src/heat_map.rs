//! The heat map behind "Why", ready to be laid over the crop. How it is found is [`inference::explain`]'s business.

/// Evidence for one class, over the pixels of the crop.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Row-major, 0 (no evidence, or evidence against) to 1 (the strongest of this photo).
    pub values: Vec<f32>,
    /// The class it speaks of.
    pub index: usize,
    /// By how much its probability falls, at most, when a part is hidden (0..=1); none when no part was hidden to
    /// find out.
    pub largest_drop: Option<f32>,
}

/// Side of the crop over the radius of the blur.
const SOFTNESS: usize = 18;

/// Averages over squares of side `2 * radius + 1`, cut at the edges.
fn blur(values: &mut [f32], width: usize, height: usize, radius: usize) {
    if radius == 0 {
        return;
    }
    let line = |count: usize, at: &dyn Fn(usize) -> usize, values: &mut [f32]| {
        let mut sums = vec![0.0_f64; count + 1];
        for i in 0..count {
            sums[i + 1] = sums[i] + f64::from(values[at(i)]);
        }
        for i in 0..count {
            let (from, to) = (i.saturating_sub(radius), (i + radius + 1).min(count));
            values[at(i)] = ((sums[to] - sums[from]) / (to - from) as f64) as f32;
        }
    };
    for row in 0..height {
        line(width, &|i| row * width + i, values);
    }
    for column in 0..width {
        line(height, &|i| i * width + column, values);
    }
}

impl HeatMap {
    /// From the loss of probability at every pixel of a crop of `width` x `height`. Pixels without a number have no
    /// evidence.
    pub fn new(width: usize, height: usize, importance: &[f32], index: usize) -> Self {
        let mut values: Vec<f32> = importance
            .iter()
            .chain(std::iter::repeat(&0.0))
            .take(width * height)
            .map(|value| {
                if value.is_finite() {
                    value.max(0.0)
                } else {
                    0.0
                }
            })
            .collect();
        let largest_drop = values.iter().copied().fold(0.0_f32, f32::max);
        // The squares that were hidden leave hard edges that mean nothing: twice a box blur makes them soft.
        for _ in 0..2 {
            blur(&mut values, width, height, width.max(height) / SOFTNESS);
        }
        let softened = values.iter().copied().fold(0.0_f32, f32::max);
        let scale = if softened > 1e-6 { 1.0 / softened } else { 0.0 };
        for value in &mut values {
            *value = (*value * scale).clamp(0.0, 1.0);
        }
        Self {
            width,
            height,
            values,
            index,
            largest_drop: Some(largest_drop),
        }
    }

    /// The same, found without hiding anything: the numbers were parts of a score, not losses of probability.
    pub fn without_hiding(self) -> Self {
        Self {
            largest_drop: None,
            ..self
        }
    }

    /// Pixels to lay over the crop, RGBA, not premultiplied: dark where there is no evidence, amber to red where
    /// there is.
    pub fn overlay(&self) -> Vec<u8> {
        let mut pixels = Vec::with_capacity(4 * self.values.len());
        for value in &self.values {
            let cold = [12.0, 14.0, 22.0, 140.0];
            let warm = [250.0, 168.0, 40.0, 70.0];
            let hot = [240.0, 66.0, 24.0, 150.0];
            let mix = |a: [f32; 4], b: [f32; 4], t: f32| {
                std::array::from_fn::<_, 4, _>(|i| a[i] + (b[i] - a[i]) * t)
            };
            let color = if *value < 0.5 {
                mix(cold, warm, value * 2.0)
            } else {
                mix(warm, hot, value * 2.0 - 1.0)
            };
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
        let heat = HeatMap::new(2, 2, &[0.2, 0.1, -0.3, f32::NAN], 7);
        assert_eq!(heat.values, [1.0, 0.5, 0.0, 0.0]);
        assert_eq!((heat.index, heat.largest_drop), (7, Some(0.2)));
        assert_eq!(heat.overlay().len(), 16);
        assert_eq!(heat.overlay()[..4], [240, 66, 24, 150]);
    }

    #[test]
    fn edges_are_softened_and_the_place_stays() {
        let mut importance = vec![0.0; 36 * 36];
        for y in 18..24 {
            for x in 6..12 {
                importance[y * 36 + x] = 0.5;
            }
        }
        let heat = HeatMap::new(36, 36, &importance, 0);
        let at = |x: usize, y: usize| heat.values[y * 36 + x];
        assert!(at(9, 21) > 0.99);
        assert!(at(4, 21) > 0.0 && at(4, 21) < at(6, 21) && at(6, 21) < at(8, 21));
        assert!(at(30, 5) < 1e-6);
        assert_eq!(heat.largest_drop, Some(0.5));
        assert_eq!(heat.without_hiding().largest_drop, None);
    }

    #[test]
    fn no_evidence_is_no_division_by_zero() {
        let heat = HeatMap::new(1, 2, &[0.0, -1.0], 0);
        assert_eq!(heat.values, [0.0, 0.0]);
        assert_eq!(HeatMap::new(2, 2, &[0.5], 0).values.len(), 4);
    }
}
