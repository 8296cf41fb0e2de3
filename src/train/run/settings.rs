//! From a run's settings to a trainer's.

use super::super::config::{ClipBy, OptimiserName, TrainConfig};
use super::super::runtime::Device;
use super::super::step::{Accumulation, TrainerSettings};
use super::super::update::{Average, Clipping, Optimiser};
use crate::onnx::ops::{LookAhead, WeightDecay};
use crate::onnx::{CustomOperators, Encoding, Precision, Provider};

/// Returns how graphs are written for a device.
pub(super) fn encoding(device: Device, config: &TrainConfig) -> Encoding {
    let precision = if config.model.half_precision { Precision::Half } else { Precision::Full };
    match device {
        Device::Cuda => Encoding { precision, ..Encoding::plain(Provider::Cuda) },
        Device::Auto | Device::Cpu => {
            Encoding { custom: CustomOperators::Use, ..Encoding::plain(Provider::Cpu) }
        }
    }
}

/// Returns how a trainer updates.
pub(super) fn trainer_settings(config: &TrainConfig, encoding: &Encoding) -> TrainerSettings {
    let optimiser = &config.optimiser;
    let adam = |weight_decay| Optimiser::Adam {
        betas: [optimiser.momentum, optimiser.beta2],
        epsilon: optimiser.epsilon,
        weight_decay,
    };
    let sgd = |look_ahead| Optimiser::Sgd { momentum: optimiser.momentum, look_ahead };
    TrainerSettings {
        encoding: encoding.clone(),
        optimiser: match optimiser.name {
            OptimiserName::Adam => adam(WeightDecay::Coupled),
            OptimiserName::AdamW => adam(WeightDecay::Decoupled),
            OptimiserName::Sgd => sgd(LookAhead::None),
            OptimiserName::Nesterov => sgd(LookAhead::Nesterov),
        },
        clipping: match config.clip.by {
            ClipBy::None | ClipBy::Norm | ClipBy::ZClip => Clipping::Norm,
            ClipBy::Value => Clipping::Value,
            ClipBy::Adaptive => Clipping::Adaptive,
        },
        average: if optimiser.average_keep > 0.0 { Average::Exponential } else { Average::Off },
        accumulation: if config.data.accumulate > 1 {
            Accumulation::Sum
        } else {
            Accumulation::Off
        },
        checkpointing: config.model.recompute,
        statistics_momentum: config.model.statistics_momentum,
    }
}
