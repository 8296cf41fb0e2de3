//! The trunk of EfficientNet-Lite0, embedded, so that training starts from ImageNet
//! weights on a machine without network.
//!
//! Stem and stages 0 to 4, 112 channels at stride 16, 0.70 million parameters in
//! 32 bits: storing convolutions in 16 would change the features by 0.5 %.
//! Apache-2.0, © 2020 ML Illustrated; see NOTICE.

use super::tensors::Tensors;
use super::{Data, Tensor, safetensors};

/// Written by `UPDATE=1 cargo test --release weights` from the fetched weights.
static BYTES: &[u8] = include_bytes!("efficientnet_lite0_trunk.safetensors");

/// Returns the embedded weights of EfficientNet-Lite0's stem and stages 0 to 4.
pub fn efficientnet_lite0_trunk() -> Tensors {
    safetensors::parse(BYTES).expect("a test holds the embedded file to the fetched weights")
}

/// Returns whether a tensor of an EfficientNet of timm's belongs to the embedded
/// trunk: parameters and statistics of the stem and of stages 0 to 4, no counters.
pub fn in_trunk(name: &str, tensor: &Tensor) -> bool {
    let stem = ["conv_stem.", "bn1."].iter().any(|part| name.starts_with(part));
    let stage = name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.'));
    let low = stage.is_some_and(|(stage, _)| ["0", "1", "2", "3", "4"].contains(&stage));
    (stem || low) && matches!(tensor.data(), Data::F32(_))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::weights::check;
    use crate::models::{Depth, Model as _, Trunk};

    #[test]
    fn trunk_fits_its_network() {
        let architecture = "tf_efficientnet_lite0".parse().expect("a network");
        let network = Trunk::new(architecture, Depth::Stage(4));
        let expected = network.inventory().expect("a network").tensors();
        assert_eq!(check(&expected, &efficientnet_lite0_trunk()), Ok(()));
    }

    #[test]
    fn trunk_has_its_parameters() {
        let trunk = efficientnet_lite0_trunk();
        assert!(trunk.iter().all(|(name, tensor)| in_trunk(name, tensor)));
        let is_parameter = |name: &str| name.ends_with(".weight") || name.ends_with(".bias");
        let parameters: usize =
            trunk.iter().filter(|(name, _)| is_parameter(name)).map(|(_, t)| t.data().len()).sum();
        assert_eq!(parameters, 700_768);
        let stem = trunk.get("conv_stem.weight").expect("the stem");
        assert_eq!(stem.shape(), [32, 3, 3, 3]);
        let last = trunk.get("blocks.4.2.conv_pwl.weight").expect("the last layer of stage 4");
        assert_eq!(last.shape(), [112, 672, 1, 1]);
    }
}
