//! What the updates of parameters share: `[R, 64]` of parameters, gradients and means, in rows
//! that have a learning rate and a weight decay of their own.

use super::operator::{Input, Pool, for_each};

/// Rows of one task.
const ROWS: usize = 256;

/// Checks that states have one shape, that scalars are scalars and that rows have numbers.
pub(super) fn check(
    states: &[&[usize]],
    scalars: &[&[usize]],
    of_rows: &[&[usize]],
) -> Result<(), String> {
    let &[rows, columns] = states[0] else { return Err("parameters need two axes".to_owned()) };
    if rows == 0 || columns == 0 || states.iter().any(|state| *state != states[0]) {
        return Err("parameters, gradients and means need one shape".to_owned());
    }
    if scalars.iter().any(|scalar| !scalar.is_empty()) {
        return Err("factor, finite, learning rate and step are scalars".to_owned());
    }
    match of_rows.iter().all(|of_rows| *of_rows == [rows, 1]) {
        true => Ok(()),
        false => Err("rate and decay need one element for each row".to_owned()),
    }
}

/// Returns a scalar.
pub(super) fn scalar(input: &Input) -> Result<f32, String> {
    input.elements.first().copied().ok_or_else(|| "a scalar is empty".to_owned())
}

/// A row of the parameters.
pub(super) struct Row<'a, const S: usize> {
    /// Its gradients.
    pub(super) gradients: &'a [f32],
    /// Its states: parameters and means.
    pub(super) states: [&'a mut [f32]; S],
    /// Factor of the learning rate.
    pub(super) rate: f32,
    /// Weight decay.
    pub(super) decay: f32,
}

/// Runs `update` on each row, spread over the pool.
pub(super) fn for_each_row<const S: usize>(
    pool: &dyn Pool,
    gradients: &Input,
    of_rows: [&Input; 2],
    states: &mut [&mut [f32]],
    update: impl Fn(Row<S>) + Sync,
) -> Result<(), String> {
    let &[_, columns] = gradients.shape else { return Err("two axes".to_owned()) };
    let part = ROWS * columns;
    let mut states: Vec<_> = states.iter_mut().map(|state| state.chunks_mut(part)).collect();
    let [rates, decays] = of_rows.map(|input| input.elements.chunks(ROWS));
    let mut items = Vec::new();
    for ((gradients, rates), decays) in gradients.elements.chunks(part).zip(rates).zip(decays) {
        let parts: Vec<&mut [f32]> = states.iter_mut().filter_map(Iterator::next).collect();
        let parts: [&mut [f32]; S] = parts.try_into().map_err(|_| "states differ in size")?;
        items.push((gradients, rates, decays, parts));
    }
    for_each(pool, items, |(gradients, rates, decays, states)| {
        let mut states = states.map(|state| state.chunks_exact_mut(columns));
        let rows = gradients.chunks_exact(columns).zip(rates).zip(decays);
        for ((gradients, &rate), &decay) in rows {
            let states = states.each_mut().map(|state| state.next().unwrap_or(&mut []));
            update(Row { gradients, states, rate, decay });
        }
    })
}
