//! A trained model as a function of images.
//!
//! Takes the bytes of an exported model; gives its outputs for batches of images. The same for
//! `predict`, for evaluation and for the error on test images while a run goes.

use ort::session::Session;
use ort::value::Tensor as OrtTensor;

use super::session::{SessionError, Sessions, Tensor};

/// An exported model, compiled.
#[derive(Debug)]
pub struct Predictor {
    session: Session,
    /// Height and width of its images.
    size: [usize; 2],
}

impl Predictor {
    /// Compiles a model for images of a height and width.
    ///
    /// # Errors
    /// [`SessionError`] where ONNX Runtime does not take it.
    pub fn new(
        sessions: &Sessions,
        model: &[u8],
        size: [usize; 2],
    ) -> Result<Predictor, SessionError> {
        Ok(Predictor { session: sessions.asleep().compile(model)?, size })
    }

    /// Sets height and width of the model's images.
    pub fn set_size(&mut self, size: [usize; 2]) {
        self.size = size;
    }

    /// Returns what the model's metadata holds under a key.
    pub fn metadata(&self, key: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(key)
    }

    /// Returns outputs of the model by their names.
    ///
    /// # Shapes
    /// `images: [N, 3, H, W]`, values 0 to 255, flat; every output begins with `N`.
    ///
    /// # Errors
    /// [`SessionError`] where ONNX Runtime fails, or the model has no such output.
    pub fn run(&mut self, images: Vec<f32>, names: &[&str]) -> Result<Vec<Tensor>, SessionError> {
        let [height, width] = self.size;
        let count = images.len() / (3 * height * width);
        let shape = [count, 3, height, width].map(|extent| extent as i64);
        let images = OrtTensor::from_array((shape, images))?;
        let outputs = self.session.run(ort::inputs!["images" => images])?;
        names
            .iter()
            .map(|&name| {
                let value = outputs
                    .get(name)
                    .ok_or_else(|| ort::Error::new(format!("the model has no output `{name}`")))?;
                let (shape, elements) = value.try_extract_tensor::<f32>()?;
                let shape = shape.iter().map(|&extent| extent as usize).collect();
                Ok(Tensor { shape, elements: elements.to_vec() })
            })
            .collect()
    }
}
