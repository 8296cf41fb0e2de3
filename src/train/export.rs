//! The trained model as one plain ONNX file: weights inside, any number of images, and what
//! is needed to use it in its metadata.
//!
//! Takes weights and what a pass knows; gives bytes. Input `images`: `[N, 3, H, W]`, RGB, 0 to
//! 255. Outputs: `score_maps` (0 to 1) and `locref`, or `probabilities`.

use serde::{Deserialize, Serialize};

use super::error::TrainError;
use super::network::Network;
use crate::models::weights::Tensors;
use crate::onnx::Encoding;

/// Key of the metadata of a model file.
pub const KEY: &str = "labelvet";

/// What a model file says of itself, as JSON under [`KEY`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Version of this layout.
    pub schema: u32,
    /// `pose` or `class`.
    pub task: String,
    /// Keypoints in the order of the score maps, or classes in that of the probabilities.
    pub names: Vec<String>,
    /// Left-right pairs, indices into the names.
    pub pairs: Vec<[u16; 2]>,
    /// Edges of the skeleton, indices into the names.
    pub edges: Vec<[u16; 2]>,
    /// Width and height of the images that the network sees.
    pub size: [usize; 2],
    /// What the network sees: whole images (`image`), scaled to fit in the middle of black, or
    /// boxes of animals (`instance`).
    pub subject: String,
    /// Room around an instance's box on each side, as a share of its width or height.
    pub box_margin: f64,
    /// Ratio of the extents of images and score maps.
    pub stride: usize,
    /// What offsets are multiplied by, pixels.
    pub locref_stdev_px: f64,
    /// Name of the network.
    pub architecture: String,
}

impl ModelCard {
    /// Reads the card of a model file's metadata.
    ///
    /// # Errors
    /// Where the text is none.
    pub fn parse(text: &str) -> serde_json::Result<ModelCard> {
        serde_json::from_str(text)
    }
}

/// Returns the bytes of a model file.
///
/// # Errors
/// [`TrainError`] where the weights do not fit the network.
pub fn export(
    network: &Network,
    weights: &Tensors,
    card: &ModelCard,
) -> Result<Vec<u8>, TrainError> {
    let [width, height] = card.size;
    let mut lowered = network.inference(weights, [height, width], &Encoding::portable())?;
    let text = serde_json::to_string(card).expect("text and numbers");
    lowered.metadata.insert(KEY.to_owned(), text);
    Ok(lowered.to_bytes())
}
