//! What a recipe holds where its file says nothing.

use image_data::augment::AugmentConfig;
use model_core::preprocessing::Preprocessing;

use super::*;

impl Default for Recipe {
    fn default() -> Self {
        Self {
            name: "unnamed".into(),
            description: String::new(),
            source: String::new(),
            published: String::new(),
            tested: String::new(),
            data: None,
            synthetic: None,
            val_split: None,
            class_map: None,
            max_steps: None,
            balanced_sampling: false,
            bad_images: BadImages::Skip,
            decode: DecodeKind::Exact,
            workers: None,
            threads: None,
            device: "auto".into(),
            deterministic: false,
            arch: "resnet50".into(),
            dropout: None,
            stochastic_depth: 0.0,
            zero_init_residual: false,
            whitening_images: None,
            init: None,
            freeze: Vec::new(),
            seed: 0,
            epochs: 90,
            batch_size: 256,
            accumulate_steps: 1,
            micro_batch_size: MicroBatchSize::Rule(MicroBatchRule::Auto),
            gradient_checkpointing: false,
            cuda_graphs: false,
            sync_batch_norm: false,
            precision: TrainPrecision::Auto,
            channels_last: None,
            loss: LossConfig::default(),
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            ema: None,
            augment: AugmentConfig::default(),
            preprocessing: Preprocessing::imagenet(),
            evaluation: EvaluationConfig::default(),
            checkpoints: CheckpointConfig::default(),
            non_finite: NonFiniteConfig::default(),
        }
    }
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            kind: LossKind::CrossEntropy,
            label_smoothing: 0.0,
            target_threshold: None,
            class_weights: None,
        }
    }
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Sgd,
            learning_rate: 0.05,
            reference_batch: None,
            momentum: 0.9,
            nesterov: false,
            betas: [0.9, 0.999],
            eps: 1e-8,
            weight_decay: 1e-4,
            decay_norm_and_bias: true,
            equal_decay: false,
            clip_norm: None,
            body_lr_factor: 1.0,
            norm_bias_lr_factor: 1.0,
            layer_decay: 1.0,
        }
    }
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            kind: ScheduleKind::Cosine,
            warmup_epochs: 5.0,
            warmup_start_factor: 0.1,
            final_learning_rate: 1e-6,
            step_epochs: 30.0,
            milestones: Vec::new(),
            step_factor: 0.1,
            granularity: Granularity::Step,
        }
    }
}

impl Default for EmaConfig {
    fn default() -> Self {
        Self {
            decay: 0.9999,
            warmup: true,
            every_steps: 1,
            keep_raw: true,
            statistics_images: None,
        }
    }
}

impl Default for EvaluationConfig {
    fn default() -> Self {
        Self {
            batch_size: None,
            every_epochs: 1,
            flip: false,
            skip: false,
            metric: BestMetric::Top1,
            patience: None,
        }
    }
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            keep_every_epochs: 10,
            save_every_minutes: 10.0,
            save_every_steps: 0,
            keep_last: 0,
            keep_states: true,
            record_every_steps: 50,
        }
    }
}

impl Default for NonFiniteConfig {
    fn default() -> Self {
        Self {
            skip_budget: 10,
            rollback_budget: 3,
            min_loss_scale: 128.0,
        }
    }
}
