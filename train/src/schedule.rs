//! The learning rate as a pure function of time in epochs: nothing to save, nothing to restore, and the same at a place
//! of the run whatever a step is (batch size, processes, images may change when a run is resumed).

use std::f64::consts::PI;

use crate::recipe::{Granularity, ScheduleConfig as Settings, ScheduleKind};

/// A schedule for a run of known length.
#[derive(Clone, Debug)]
pub struct Schedule {
    settings: Settings,
    peak: f64,
    epochs: f64,
    warmup_epochs: f64,
}

impl Schedule {
    /// `peak` is the rate after linear scaling. The warm-up never takes more than half of the run.
    pub fn new(settings: &Settings, peak: f64, epochs: u32) -> Self {
        let epochs = f64::from(epochs);
        Self {
            settings: settings.clone(),
            peak,
            epochs,
            warmup_epochs: settings.warmup_epochs.min(epochs / 2.0),
        }
    }

    /// Epochs of warm-up, where they had to be fewer than the recipe's.
    pub fn shortened_warmup(&self) -> Option<f64> {
        (self.warmup_epochs < self.settings.warmup_epochs).then_some(self.warmup_epochs)
    }

    /// Length of the run.
    pub fn epochs(&self) -> f64 {
        self.epochs
    }

    /// The rate at a moment of the run: 2.25 is a quarter into the third epoch.
    pub fn rate(&self, at_epochs: f64) -> f64 {
        let epoch = match self.settings.granularity {
            Granularity::Step => at_epochs,
            Granularity::Epoch => at_epochs.floor(),
        };
        let s = &self.settings;
        if epoch < self.warmup_epochs {
            let start = self.peak * s.warmup_start_factor;
            return start + (self.peak - start) * epoch / self.warmup_epochs;
        }
        let progress = ((epoch - self.warmup_epochs) / (self.epochs - self.warmup_epochs)).min(1.0);
        let last = s.final_learning_rate;
        match s.kind {
            ScheduleKind::Constant => self.peak,
            ScheduleKind::Linear => self.peak + (last - self.peak) * progress,
            ScheduleKind::Cosine => last + (self.peak - last) * 0.5 * (1.0 + (PI * progress).cos()),
            ScheduleKind::Step => self.peak * s.step_factor.powf((epoch / s.step_epochs).floor()),
            ScheduleKind::MultiStep => {
                let passed = s.milestones.iter().filter(|&&at| at <= epoch).count();
                self.peak * s.step_factor.powf(passed as f64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::{catalog, load};

    fn schedule(recipe: &str) -> Schedule {
        let recipe = load::resolve(recipe, &[]).unwrap();
        Schedule::new(
            &recipe.schedule,
            recipe.optimizer.learning_rate,
            recipe.epochs,
        )
    }

    #[test]
    fn the_default_warms_up_from_0_005_to_0_05_and_ends_at_1e_6() {
        let s = schedule(catalog::DEFAULT);
        assert!((s.rate(0.0) - 0.005).abs() < 1e-12);
        assert!((s.rate(2.5) - 0.0275).abs() < 1e-12);
        assert!((s.rate(5.0) - 0.05).abs() < 1e-12);
        // half way through the cosine: (0.05 + 1e-6) / 2
        assert!((s.rate(47.5) - 0.025_000_5).abs() < 1e-9);
        assert!((s.rate(90.0) - 1e-6).abs() < 1e-12);
        assert!(s.rate(89.999) < 1.1e-6);
    }

    #[test]
    fn steps_are_stairs() {
        let s = schedule("resnet50-torchvision-v1");
        let rates: Vec<f64> = [0.0, 29.99, 30.0, 59.99, 60.0].map(|at| s.rate(at)).into();
        for (got, expected) in rates.iter().zip([0.1, 0.1, 0.01, 0.01, 0.001]) {
            assert!((got - expected).abs() < 1e-12, "{rates:?}");
        }
    }

    #[test]
    fn once_an_epoch_means_the_same_rate_all_epoch() {
        let s = schedule("resnet50-nvidia-90");
        assert_eq!(s.rate(1.0), s.rate(1.98));
        assert_ne!(s.rate(1.98), s.rate(2.0));
    }

    #[test]
    fn a_short_run_shortens_its_warm_up() {
        let recipe = load::resolve(catalog::DEFAULT, &[]).unwrap();
        let s = Schedule::new(&recipe.schedule, 0.05, 2);
        assert_eq!(s.shortened_warmup(), Some(1.0));
        assert!((s.rate(1.0) - 0.05).abs() < 1e-12);
        assert!((s.rate(2.0) - 1e-6).abs() < 1e-12);
    }
}
