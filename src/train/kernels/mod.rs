//! labelvet's custom operators: kernels for ONNX Runtime's CPU provider, where what it offers
//! is slow.
//!
//! They belong to the domain `labelvet` and stand behind the lowerings of that name, which are
//! never the only ones: a graph without them gives the same numbers but for rounding, and an
//! exported model has none. Each output is summed by one task in a fixed order, so that the
//! number of threads changes nothing.

mod activation;
mod adam_update;
mod batch_norm;
mod batch_norm_train;
mod batch_norm_train_grad;
mod channels;
mod depthwise;
mod depthwise_conv;
mod depthwise_conv_transpose;
mod depthwise_conv_weight_grad;
mod operator;
mod sgd_update;
mod simd;
mod update;

use ort::operator::OperatorDomain;

use self::operator::Registered;
use crate::onnx::LABELVET;

/// Returns the domain with all of labelvet's operators, to be given to a session's builder.
///
/// # Errors
/// ONNX Runtime's.
pub(crate) fn domain() -> ort::Result<OperatorDomain> {
    OperatorDomain::new(LABELVET)?
        .add(Registered::<adam_update::AdamUpdate>::new())?
        .add(Registered::<sgd_update::SgdUpdate>::new())?
        .add(Registered::<batch_norm::BatchNorm>::new())?
        .add(Registered::<batch_norm::BatchNormGrad>::new())?
        .add(Registered::<batch_norm_train::BatchNormTrain>::new())?
        .add(Registered::<batch_norm_train_grad::BatchNormTrainGrad>::new())?
        .add(Registered::<depthwise_conv::DepthwiseConv>::new())?
        .add(Registered::<depthwise_conv_transpose::DepthwiseConvTranspose>::new())?
        .add(Registered::<depthwise_conv_weight_grad::DepthwiseConvWeightGrad>::new())
}
