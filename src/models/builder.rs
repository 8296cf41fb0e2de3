//! Layers of models, in the mode that is asked for: the one place where training, frozen
//! statistics and inference differ.
//!
//! Takes timm's names and the layers' sizes from a definition; adds nodes to a graph, and keeps
//! the list of what the graph is fed with and what it gives beside its result.

use super::fold::{BatchNorm, fold};
use super::interface::{BatchStatistics, Interface, Mode, ParameterInput, Weights};
use super::layer::{ConvLayer, Conventions, Norm};
use super::parameter::{Initialiser, Kind, Parameter, RunningStatistics};
use super::{ModelError, Regularisation};
use crate::onnx::ops::{Activation, BatchNormVectors, Conv, Window};
use crate::onnx::{Dropped, Graph, GraphError, TensorType, Value, volume};

/// Writes the layers of a model into a graph.
pub struct Builder<'graph, 'weights> {
    graph: &'graph mut Graph,
    mode: Mode<'weights>,
    conventions: Conventions,
    interface: Interface,
}

impl<'graph, 'weights> Builder<'graph, 'weights> {
    /// Returns a builder that adds to `graph`.
    pub fn new(graph: &'graph mut Graph, mode: Mode<'weights>, conventions: Conventions) -> Self {
        Builder { graph, mode, conventions, interface: Interface::default() }
    }

    /// Returns what the graph is fed with, and what it gives beside its result.
    pub fn finish(self) -> Interface {
        self.interface
    }

    /// Returns the type of a value.
    pub fn tensor(&self, value: Value) -> &TensorType {
        self.graph.tensor(value)
    }

    /// Returns the extents of a value.
    pub fn shape(&self, value: Value) -> &[usize] {
        self.graph.shape(value)
    }

    /// Says whether weights are constants and score maps probabilities.
    pub fn is_inference(&self) -> bool {
        matches!(self.mode, Mode::Inference(_))
    }

    /// Adds a convolution without bias, its batch normalisation and an activation.
    ///
    /// # Shapes
    /// `x: [N, C, H, W]` → `[N, channels, H′, W′]`.
    ///
    /// # Errors
    /// [`ModelError::Missing`] and [`ModelError::Length`] where weights do not fit.
    pub fn conv_norm(
        &mut self,
        x: Value,
        name: &str,
        layer: ConvLayer,
        norm: Norm,
    ) -> Result<Value, ModelError> {
        let [_, inputs, height, width] = self.images(x)?;
        let ConvLayer { channels, kernel, groups, .. } = layer;
        let conv = self.conventions.padding.conv([height, width], layer);
        let weights = Parameter {
            name: format!("{name}.weight"),
            shape: vec![channels, inputs / groups, kernel, kernel],
            kind: Kind::ConvWeight,
            initialiser: Initialiser::kaiming_fan_out(kernel * kernel * channels / groups),
        };
        self.normalised(name, weights, 0, norm, |graph, w| graph.conv(x, w, &conv))
    }

    /// Adds a transposed convolution that multiplies height and width by the stride, its batch
    /// normalisation and an activation. It is the transpose of the convolution that the model's
    /// padding gives, so that places correspond as they do in the layers that it undoes.
    ///
    /// # Shapes
    /// `x: [N, C, H, W]` → `[N, channels, stride·H, stride·W]`.
    ///
    /// # Errors
    /// [`ModelError::Missing`] and [`ModelError::Length`] where weights do not fit.
    pub fn deconv_norm(
        &mut self,
        x: Value,
        name: &str,
        layer: ConvLayer,
        norm: Norm,
    ) -> Result<Value, ModelError> {
        let (conv, size, weights) = self.deconv_layer(x, name, layer)?;
        let add = |graph: &mut Graph, w| graph.conv_transpose(x, w, &conv, size);
        self.normalised(name, weights, 1, norm, add)
    }

    /// Adds a transposed convolution with bias, that multiplies height and width by the stride.
    ///
    /// # Shapes
    /// `x: [N, C, H, W]` → `[N, channels, stride·H, stride·W]`.
    ///
    /// # Errors
    /// [`ModelError::Missing`] and [`ModelError::Length`] where weights do not fit.
    pub fn deconv(&mut self, x: Value, name: &str, layer: ConvLayer) -> Result<Value, ModelError> {
        let (conv, size, weights) = self.deconv_layer(x, name, layer)?;
        let weights = self.parameter(weights)?;
        let bias = self.parameter(bias(name, layer.channels))?;
        Ok(self.graph.scoped(name, |graph| {
            let y = graph.conv_transpose(x, weights, &conv, size)?;
            let bias = graph.reshape(bias, &[1, layer.channels, 1, 1])?;
            graph.add(y, bias)
        })?)
    }

    /// Adds a dense layer, whose weights `[outputs, inputs]` may have further axes of extent 1.
    ///
    /// # Shapes
    /// `x: [N, inputs]` → `[N, outputs]`.
    ///
    /// # Errors
    /// [`ModelError::Missing`] and [`ModelError::Length`] where weights do not fit.
    pub fn linear(
        &mut self,
        x: Value,
        name: &str,
        weights: Parameter,
    ) -> Result<Value, ModelError> {
        let [outputs, inputs] = [weights.shape[0], weights.shape[1]];
        let weights = self.parameter(weights)?;
        let bias = self.parameter(bias(name, outputs))?;
        Ok(self.graph.scoped(name, |graph| {
            let weights = graph.reshape(weights, &[outputs, inputs])?;
            graph.linear(x, weights, bias)
        })?)
    }

    /// Adds squeeze-and-excitation: each channel times a gate between 0 and 1, computed from
    /// the means of all channels through a layer of `squeezed` channels.
    ///
    /// # Shapes
    /// `x: [N, C, H, W]` → the same.
    ///
    /// # Errors
    /// [`ModelError::Missing`] and [`ModelError::Length`] where weights do not fit.
    ///
    /// # Source
    /// Hu et al. (2018), "Squeeze-and-Excitation Networks", arXiv:1709.01507.
    pub fn squeeze_excite(
        &mut self,
        x: Value,
        name: &str,
        squeezed: usize,
        activation: Activation,
    ) -> Result<Value, ModelError> {
        let [batch, channels, ..] = self.images(x)?;
        let means = self.pool(x, name)?;
        let mut gate = means;
        let layers =
            [("conv_reduce", squeezed, activation), ("conv_expand", channels, Activation::Sigmoid)];
        for (leaf, outputs, activation) in layers {
            let name = format!("{name}.{leaf}");
            let weights = Parameter {
                name: format!("{name}.weight"),
                shape: vec![outputs, self.shape(gate)[1], 1, 1],
                kind: Kind::ConvWeight,
                initialiser: Initialiser::kaiming_fan_out(outputs),
            };
            let y = self.linear(gate, &name, weights)?;
            gate = self.activate(y, &name, activation)?;
        }
        Ok(self.graph.scoped(name, |graph| {
            let gate = graph.reshape(gate, &[batch, channels, 1, 1])?;
            graph.channel_scale(x, gate)
        })?)
    }

    /// Adds the greatest element of each square window, padded as the model's convolutions.
    ///
    /// # Shapes
    /// `x: [N, C, H, W]` → `[N, C, H′, W′]`.
    ///
    /// # Errors
    /// [`ModelError::Graph`] where the window does not fit the images.
    pub fn max_pool(
        &mut self,
        x: Value,
        name: &str,
        kernel: usize,
        stride: usize,
    ) -> Result<Value, ModelError> {
        let [_, channels, height, width] = self.images(x)?;
        let layer = ConvLayer { stride, ..ConvLayer::dense(channels, kernel) };
        let Conv { strides, pads, .. } = self.conventions.padding.conv([height, width], layer);
        let window = Window { kernel: [kernel; 2], strides, pads };
        Ok(self.graph.scoped(name, |graph| graph.max_pool(x, &window))?)
    }

    /// Adds the mean over places: `x: [N, C, H, W]` → `[N, C]`.
    ///
    /// # Errors
    /// [`ModelError::Images`] where `x` has another number of axes.
    pub fn pool(&mut self, x: Value, name: &str) -> Result<Value, ModelError> {
        self.images(x)?;
        Ok(self.graph.scoped(name, |graph| graph.reduce_mean(x, &[2, 3]))?)
    }

    /// Adds an activation on its own.
    ///
    /// # Errors
    /// None for a floating-point `x`.
    pub fn activate(
        &mut self,
        x: Value,
        name: &str,
        activation: Activation,
    ) -> Result<Value, ModelError> {
        Ok(self.graph.scoped(name, |graph| graph.activate(x, activation))?)
    }

    /// Adds the sum of a block's branch and its input. In training the branch of each image is
    /// dropped with a probability of `share` times the rate of stochastic depth.
    ///
    /// # Shapes
    /// `branch, shortcut: [N, C, H, W]` → the same.
    ///
    /// # Errors
    /// [`ModelError::Graph`] where the shapes differ, [`ModelError::Rate`] where the rate is none.
    ///
    /// # Source
    /// Huang et al. (2016), "Deep Networks with Stochastic Depth", arXiv:1603.09382.
    pub fn residual(
        &mut self,
        branch: Value,
        shortcut: Value,
        name: &str,
        share: f32,
    ) -> Result<Value, ModelError> {
        let rate = self.regularisation().stochastic_depth * share;
        let branch = self.masked(branch, &format!("{name}.drop_path"), rate, Dropped::Samples)?;
        Ok(self.graph.scoped(name, |graph| graph.add(branch, shortcut))?)
    }

    /// Adds dropout of single elements in training, at the rate of the regularisation.
    ///
    /// # Shapes
    /// `x` of any shape → the same.
    ///
    /// # Errors
    /// [`ModelError::Rate`] where that is none.
    pub fn dropout(&mut self, x: Value, name: &str) -> Result<Value, ModelError> {
        let rate = self.regularisation().dropout;
        self.masked(x, &format!("{name}.dropout"), rate, Dropped::Elements)
    }

    /// Returns the extents `[N, C, H, W]` of images.
    ///
    /// # Errors
    /// [`ModelError::Images`] where `x` has another number of axes.
    pub fn images(&self, x: Value) -> Result<[usize; 4], ModelError> {
        let found = self.graph.tensor(x);
        found.shape[..].try_into().map_err(|_| ModelError::Images { found: found.clone() })
    }

    fn regularisation(&self) -> Regularisation {
        match self.mode {
            Mode::Train(regularisation) | Mode::FrozenStatistics(regularisation) => regularisation,
            Mode::Inference(_) => Regularisation::NONE,
        }
    }

    fn masked(
        &mut self,
        x: Value,
        name: &str,
        rate: f32,
        dropped: Dropped,
    ) -> Result<Value, ModelError> {
        if !(0.0..1.0).contains(&rate) {
            return Err(ModelError::Rate { name: name.to_owned(), rate });
        }
        let (y, mask) =
            self.graph.scoped(name, |graph| graph.dropout(x, name, 1.0 - rate, dropped))?;
        self.interface.masks.extend(mask);
        Ok(y)
    }

    /// Returns the transposed convolution of a layer, the extents that it gives, its weights.
    fn deconv_layer(
        &self,
        x: Value,
        name: &str,
        layer: ConvLayer,
    ) -> Result<(Conv, [usize; 2], Parameter), ModelError> {
        let [_, inputs, height, width] = self.images(x)?;
        let ConvLayer { channels, kernel, stride, .. } = layer;
        let size = [height * stride, width * stride];
        let conv = self.conventions.padding.conv(size, layer);
        let taps = kernel * kernel;
        let weights = Parameter {
            name: format!("{name}.weight"),
            shape: vec![inputs, channels, kernel, kernel],
            kind: Kind::ConvWeight,
            initialiser: Initialiser::xavier(inputs * taps, channels * taps),
        };
        Ok((conv, size, weights))
    }

    /// Adds a linear map of images, given by `add`, and its batch normalisation. The channels
    /// lie along `axis` of the weights.
    fn normalised(
        &mut self,
        name: &str,
        weights: Parameter,
        axis: usize,
        norm: Norm,
        add: impl FnOnce(&mut Graph, Value) -> Result<Value, GraphError>,
    ) -> Result<Value, ModelError> {
        let channels = weights.shape[axis];
        let epsilon = self.conventions.epsilon;
        let running = RunningStatistics { layer: norm.name.to_owned(), channels, epsilon };
        let vector = |leaf: &str, kind: Kind, first: f32| Parameter {
            name: format!("{}.{leaf}", norm.name),
            shape: vec![channels],
            kind,
            initialiser: Initialiser::Constant(first),
        };
        let scale = vector("weight", Kind::NormScale, norm.first_scale);
        let offset = vector("bias", Kind::NormOffset, 0.0);
        if let Mode::Inference(known) = self.mode {
            let batch_norm = BatchNorm {
                scale: look_up(known, &scale.name, channels)?,
                offset: look_up(known, &offset.name, channels)?,
                mean: look_up(known, &running.mean(), channels)?,
                variance: look_up(known, &running.variance(), channels)?,
                epsilon,
            };
            let elements = look_up(known, &weights.name, volume(&weights.shape))?;
            let inner = volume(&weights.shape[axis + 1..]);
            let folded = fold(elements, inner, &batch_norm);
            let w = self.graph.constant(&weights.shape, folded.weights);
            let bias = self.graph.constant(&[1, channels, 1, 1], folded.bias);
            return Ok(self.graph.scoped(name, |graph| {
                let y = add(graph, w)?;
                let y = graph.add(y, bias)?;
                graph.activate(y, norm.activation)
            })?);
        }
        let w = self.parameter(weights)?;
        let scale = self.parameter(scale)?;
        let offset = self.parameter(offset)?;
        let x = self.graph.scoped(name, |graph| add(graph, w))?;
        let activation = norm.activation;
        if let Mode::Train(_) = self.mode {
            let trained = self.graph.scoped(norm.name, |graph| {
                graph.batch_norm_train(x, scale, offset, epsilon, activation)
            })?;
            self.interface.statistics.push(BatchStatistics {
                running: running.clone(),
                mean: trained.mean,
                inverse_deviation: trained.inverse_deviation,
                count: self.graph.tensor(x).volume() / channels,
            });
            self.interface.running.push(running);
            return Ok(trained.y);
        }
        let [mean, variance] = [running.mean(), running.variance()]
            .map(|name| self.graph.input(&name, TensorType::f32(&[channels])));
        self.interface.running.push(running);
        let vectors = BatchNormVectors { scale, offset, mean, variance };
        Ok(self
            .graph
            .scoped(norm.name, |graph| graph.batch_norm(x, vectors, epsilon, activation))?)
    }

    /// Returns a parameter as an input, or as a constant in inference.
    fn parameter(&mut self, parameter: Parameter) -> Result<Value, ModelError> {
        if let Mode::Inference(known) = self.mode {
            let elements = look_up(known, &parameter.name, volume(&parameter.shape))?;
            return Ok(self.graph.constant(&parameter.shape, elements.to_vec()));
        }
        let value = self.graph.input(&parameter.name, TensorType::f32(&parameter.shape));
        self.interface.parameters.push(ParameterInput { parameter, value });
        Ok(value)
    }
}

fn bias(name: &str, channels: usize) -> Parameter {
    Parameter {
        name: format!("{name}.bias"),
        shape: vec![channels],
        kind: Kind::Bias,
        initialiser: Initialiser::Constant(0.0),
    }
}

fn look_up<'a>(known: Weights<'a>, name: &str, count: usize) -> Result<&'a [f32], ModelError> {
    let elements = known(name).ok_or_else(|| ModelError::Missing { name: name.to_owned() })?;
    if elements.len() != count {
        let (name, found) = (name.to_owned(), elements.len());
        return Err(ModelError::Length { name, expected: count, found });
    }
    Ok(elements)
}
