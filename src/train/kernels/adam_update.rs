//! `AdamUpdate`: one step of Adam or AdamW on all parameters, in one pass over memory.
//!
//! Inputs `p, g, m, v: [R, 64]`, `f, finite, lr, t: []`, `rate, decay: [R, 1]`; outputs
//! `p′, m′, v′: [R, 64]`, which may lie where `p`, `m` and `v` do; attributes `beta1`, `beta2`,
//! `epsilon` and `decoupled`. The formula stands at [`crate::onnx::ops::AdamUpdate`].

use super::operator::{Attributes, CustomOperator, Input, Pool};
use super::update::{Row, check, for_each_row, scalar};

/// The operator.
#[derive(Clone, Debug)]
pub(super) struct AdamUpdate {
    betas: [f32; 2],
    epsilon: f32,
    decoupled: bool,
}

impl CustomOperator for AdamUpdate {
    const NAME: &'static str = "AdamUpdate";
    const INPUTS: usize = 10;
    const OUTPUTS: usize = 3;
    const STATES: &'static [(usize, usize)] = &[(0, 0), (2, 1), (3, 2)];

    fn read(attributes: &dyn Attributes) -> Result<Self, String> {
        let float = |name: &str| attributes.float(name).ok_or_else(|| format!("lacks {name}"));
        Ok(AdamUpdate {
            betas: [float("beta1")?, float("beta2")?],
            epsilon: float("epsilon")?,
            decoupled: attributes.int("decoupled").ok_or("lacks decoupled")? != 0,
        })
    }

    fn output_shapes(&self, inputs: &[&[usize]]) -> Result<Vec<Vec<usize>>, String> {
        if inputs.len() != Self::INPUTS {
            return Err("takes ten inputs".to_owned());
        }
        check(&inputs[..4], &inputs[4..8], &inputs[8..])?;
        Ok(vec![inputs[0].to_vec(); 3])
    }

    fn compute(
        &self,
        inputs: &[Input],
        outputs: &mut [&mut [f32]],
        pool: &dyn Pool,
    ) -> Result<(), String> {
        let [_, g, _, _, factor, finite, lr, step, rate, decay] = inputs else {
            return Err("takes ten inputs".to_owned());
        };
        if scalar(finite)? <= 0.5 {
            return Ok(());
        }
        let t = f64::from(scalar(step)?);
        let [first, second] = self.betas.map(|beta| 1.0 - f64::from(beta).powf(t));
        let step = Step {
            factor: scalar(factor)?,
            lr: scalar(lr)?,
            keep: self.betas,
            take: self.betas.map(|beta| 1.0 - beta),
            first: first as f32,
            root: second.sqrt() as f32,
            epsilon: self.epsilon,
        };
        for_each_row::<3>(pool, g, [rate, decay], outputs, |row| match self.decoupled {
            true => update::<true>(&step, row),
            false => update::<false>(&step, row),
        })
    }
}

/// What all rows have in common.
struct Step {
    factor: f32,
    lr: f32,
    /// `β₁, β₂`.
    keep: [f32; 2],
    /// `1 − β₁, 1 − β₂`.
    take: [f32; 2],
    /// `1 − β₁ᵗ`.
    first: f32,
    /// `√(1 − β₂ᵗ)`.
    root: f32,
    epsilon: f32,
}

#[multiversion::multiversion(targets("x86_64+avx2+fma"))]
fn update<const DECOUPLED: bool>(step: &Step, row: Row<3>) {
    let Row { gradients, states: [p, m, v], rate, decay } = row;
    let eta = step.lr * rate;
    let (coupled, kept) = if DECOUPLED { (0.0, 1.0 - eta * decay) } else { (decay, 1.0) };
    let stride = eta / step.first;
    for (((p, m), v), &g) in p.iter_mut().zip(m).zip(v).zip(gradients) {
        let g = step.factor * g + coupled * *p;
        *m = step.keep[0] * *m + step.take[0] * g;
        *v = step.keep[1] * *v + step.take[1] * (g * g);
        *p = kept * *p - stride * (*m / (v.sqrt() / step.root + step.epsilon));
    }
}

#[cfg(test)]
mod tests {
    use super::super::operator::tests::{assert_close, outputs};
    use super::*;
    use crate::train::check::random;

    fn run(operator: &AdamUpdate, finite: f32) -> (Vec<Vec<f32>>, [Vec<f32>; 4]) {
        let (shape, rows) = ([300, 64], [300, 1]);
        let mut v = random(300 * 64, 4);
        v.iter_mut().for_each(|v| *v = v.abs());
        let [p, g, m] = [1, 2, 3].map(|seed| random(300 * 64, seed));
        let scalars = [0.5_f32, finite, 0.1, 3.0];
        let (rate, decay) = (random(300, 5), random(300, 6));
        let mut inputs: Vec<(&[usize], &[f32])> = vec![];
        inputs.extend([&p, &g, &m, &v].map(|state| (&shape[..], &state[..])));
        inputs.extend(scalars.each_ref().map(|scalar| (&[][..], std::slice::from_ref(scalar))));
        inputs.extend([&rate, &decay].map(|of_rows| (&rows[..], &of_rows[..])));
        (outputs(operator, &inputs), [p, g, m, v])
    }

    #[test]
    fn agrees_with_double_precision() {
        let betas = [0.9_f32, 0.999];
        let (rate, decay) = (random(300, 5), random(300, 6));
        for decoupled in [false, true] {
            let operator = AdamUpdate { betas, epsilon: 1e-8, decoupled };
            let (found, [p, g, m, v]) = run(&operator, 1.0);
            let mut expected = [vec![], vec![], vec![]];
            for at in 0..p.len() {
                let [p, g, m, v] = [&p, &g, &m, &v].map(|state| f64::from(state[at]));
                let (eta, decay) = (0.1 * f64::from(rate[at / 64]), f64::from(decay[at / 64]));
                let (coupled, kept) =
                    if decoupled { (0.0, 1.0 - eta * decay) } else { (decay, 1.0) };
                let [b1, b2] = betas.map(f64::from);
                let g = 0.5 * g + coupled * p;
                let (m, v) = (b1 * m + (1.0 - b1) * g, b2 * v + (1.0 - b2) * g * g);
                let root = (v / (1.0 - b2.powi(3))).sqrt() + 1e-8;
                expected[0].push(kept * p - eta * m / (1.0 - b1.powi(3)) / root);
                expected[1].push(m);
                expected[2].push(v);
            }
            for (found, expected) in found.iter().zip(&expected) {
                assert_close(found, expected, 1e-6);
            }
        }
    }

    #[test]
    fn leaves_all_where_the_norm_is_not_finite() {
        let operator = AdamUpdate { betas: [0.9, 0.999], epsilon: 1e-8, decoupled: true };
        let (found, [p, _, m, v]) = run(&operator, 0.0);
        assert_eq!(found, [p, m, v]);
    }
}
