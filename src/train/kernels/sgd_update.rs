//! `SgdUpdate`: one step of gradient descent with momentum on all parameters, in one pass over
//! memory.
//!
//! Inputs `p, g, b: [R, 64]`, `f, finite, lr: []`, `rate, decay: [R, 1]`; outputs `p′, b′`,
//! which may lie where `p` and `b` do; attributes `momentum` and `nesterov`. The formula stands
//! at [`crate::onnx::ops::SgdUpdate`].

use super::operator::{Attributes, CustomOperator, Input, Pool};
use super::update::{Row, check, for_each_row, scalar};

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct SgdUpdate {
    momentum: f32,
    nesterov: bool,
}

impl CustomOperator for SgdUpdate {
    const NAME: &'static str = "SgdUpdate";
    const INPUTS: usize = 8;
    const OUTPUTS: usize = 2;
    const STATES: &'static [(usize, usize)] = &[(0, 0), (2, 1)];

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        Ok(SgdUpdate {
            momentum: attributes.float("momentum").ok_or("lacks momentum")?,
            nesterov: attributes.int("nesterov").ok_or("lacks nesterov")? != 0,
        })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        if inputs.len() != Self::INPUTS {
            return Err("takes eight inputs".to_owned());
        }
        check(&inputs[..3], &inputs[3..6], &inputs[6..])?;
        Ok(vec![inputs[0].to_vec(); 2])
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let [_, g, _, factor, finite, lr, rate, decay] = inputs else {
            return Err("takes eight inputs".to_owned());
        };
        if scalar(finite)? <= 0.5 {
            return Ok(());
        }
        let (factor, lr, momentum) = (scalar(factor)?, scalar(lr)?, self.momentum);
        for_each_row::<2>(pool, g, [rate, decay], outputs, |row| match self.nesterov {
            true => update::<true>(factor, lr, momentum, row),
            false => update::<false>(factor, lr, momentum, row),
        })
    }
}

#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn update<const NESTEROV: bool>(factor: f32, lr: f32, momentum: f32, row: Row<2>) {
    let Row { gradients, states: [p, b], rate, decay } = row;
    let eta = lr * rate;
    for ((p, b), &g) in p.iter_mut().zip(b).zip(gradients) {
        let g = factor * g + decay * *p;
        *b = momentum * *b + g;
        let direction = if NESTEROV { g + momentum * *b } else { *b };
        *p -= eta * direction;
    }
}

#[cfg(test)]
mod tests {
    use super::super::operator::tests::{assert_close, outputs};
    use super::*;
    use crate::train::check::random;

    #[test]
    fn agrees_with_double_precision() {
        let (shape, of_rows) = ([300, 64], [300, 1]);
        let [p, g, b] = [1, 2, 3].map(|seed| random(300 * 64, seed));
        let (rate, decay) = (random(300, 5), random(300, 6));
        for nesterov in [false, true] {
            let run = |finite: f32| {
                let scalars = [0.5_f32, finite, 0.1];
                let mut inputs: Vec<(&[usize], &[f32])> = vec![];
                inputs.extend([&p, &g, &b].map(|state| (&shape[..], &state[..])));
                let slices = scalars.each_ref().map(std::slice::from_ref);
                inputs.extend(slices.map(|scalar| (&[][..], scalar)));
                inputs.extend([&rate, &decay].map(|rows| (&of_rows[..], &rows[..])));
                outputs(&SgdUpdate { momentum: 0.9, nesterov }, &inputs)
            };
            let mut expected = [vec![], vec![]];
            for at in 0..p.len() {
                let [p, g, b] = [&p, &g, &b].map(|state| f64::from(state[at]));
                let momentum = f64::from(0.9_f32);
                let g = 0.5 * g + f64::from(decay[at / 64]) * p;
                let b = momentum * b + g;
                let direction = if nesterov { g + momentum * b } else { b };
                expected[0].push(p - 0.1 * f64::from(rate[at / 64]) * direction);
                expected[1].push(b);
            }
            for (found, expected) in run(1.0).iter().zip(&expected) {
                assert_close(found, expected, 1e-6);
            }
            assert_eq!(run(0.0), [p.clone(), b.clone()]);
        }
    }
}
