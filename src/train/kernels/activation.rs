//! The activation functions of [`Activation`] and their derivatives, for the kernels' loops.

use super::operator::Attributes;
use super::simd::{multiply_add, sigmoid};
use crate::onnx::ops::Activation;

/// Reads the attribute `activation`.
pub(super) fn read_activation(attributes: &dyn Attributes) -> Result<Activation, String> {
    use Activation as A;
    let name = attributes.text("activation").ok_or("lacks activation")?;
    let all = [
        A::Identity,
        A::Sigmoid,
        A::Silu,
        A::Relu,
        A::Relu6,
        A::HardSigmoid,
        A::HardSwish,
        A::Softplus,
    ];
    let found = all.into_iter().find(|activation| activation.name() == name);
    found.ok_or_else(|| format!("has no activation {name}"))
}

/// A function that is known when a loop is compiled. NaN stays NaN.
pub(super) trait Function {
    /// Returns `f(u)`.
    fn value<const FMA: bool>(u: f32) -> f32;
    /// Returns `f′(u)`.
    fn slope<const FMA: bool>(u: f32) -> f32;
}

/// Evaluates `$body` with `$function` as the type of an activation's function.
macro_rules! with_function {
    ($activation:expr, $function:ident => $body:expr) => {{
        use $crate::onnx::ops::Activation;
        use $crate::train::kernels::activation as functions;
        macro_rules! with {
            ($name:ident) => {{
                type $function = functions::$name;
                $body
            }};
        }
        match $activation {
            Activation::Identity => with!(Identity),
            Activation::Sigmoid => with!(Sigmoid),
            Activation::Silu => with!(Silu),
            Activation::Relu => with!(Relu),
            Activation::Relu6 => with!(Relu6),
            Activation::HardSigmoid => with!(HardSigmoid),
            Activation::HardSwish => with!(HardSwish),
            Activation::Softplus => with!(Softplus),
        }
    }};
}
pub(super) use with_function;

/// `u`.
pub(super) struct Identity;

impl Function for Identity {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        u
    }

    #[inline(always)]
    fn slope<const FMA: bool>(_: f32) -> f32 {
        1.0
    }
}

/// `σ(u)`.
pub(super) struct Sigmoid;

impl Function for Sigmoid {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        sigmoid::<FMA>(u)
    }

    #[inline(always)]
    fn slope<const FMA: bool>(u: f32) -> f32 {
        let s = sigmoid::<FMA>(u);
        s * (1.0 - s)
    }
}

/// `u·σ(u)`.
pub(super) struct Silu;

impl Function for Silu {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        u * sigmoid::<FMA>(u)
    }

    #[inline(always)]
    fn slope<const FMA: bool>(u: f32) -> f32 {
        let s = sigmoid::<FMA>(u);
        s * multiply_add::<FMA>(u, 1.0 - s, 1.0)
    }
}

/// `max(u, 0)`.
pub(super) struct Relu;

impl Function for Relu {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        if u < 0.0 { 0.0 } else { u }
    }

    #[inline(always)]
    fn slope<const FMA: bool>(u: f32) -> f32 {
        if u > 0.0 { 1.0 } else { 0.0 }
    }
}

/// `min(max(u, 0), 6)`.
pub(super) struct Relu6;

impl Function for Relu6 {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        u.clamp(0.0, 6.0)
    }

    #[inline(always)]
    fn slope<const FMA: bool>(u: f32) -> f32 {
        if u > 0.0 && u < 6.0 { 1.0 } else { 0.0 }
    }
}

/// `min(max(u/6 + 1/2, 0), 1)`.
pub(super) struct HardSigmoid;

impl Function for HardSigmoid {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        multiply_add::<FMA>(u, 1.0 / 6.0, 0.5).clamp(0.0, 1.0)
    }

    #[inline(always)]
    fn slope<const FMA: bool>(u: f32) -> f32 {
        if u > -3.0 && u < 3.0 { 1.0 / 6.0 } else { 0.0 }
    }
}

/// `u·min(max(u/6 + 1/2, 0), 1)`.
pub(super) struct HardSwish;

impl Function for HardSwish {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        u * HardSigmoid::value::<FMA>(u)
    }

    #[inline(always)]
    fn slope<const FMA: bool>(u: f32) -> f32 {
        let inside = multiply_add::<FMA>(u, 1.0 / 3.0, 0.5);
        let above = if u > 3.0 { 1.0 } else { inside };
        if u > -3.0 { above } else { 0.0 }
    }
}

/// `log(1 + eᵘ)`.
pub(super) struct Softplus;

impl Function for Softplus {
    #[inline(always)]
    fn value<const FMA: bool>(u: f32) -> f32 {
        u.max(0.0) + (-u.abs()).exp().ln_1p()
    }

    #[inline(always)]
    fn slope<const FMA: bool>(u: f32) -> f32 {
        sigmoid::<FMA>(u)
    }
}
