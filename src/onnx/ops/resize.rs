//! Images at another size.

use crate::onnx::{
    Arg, Attribute, Emit, Graph, GraphError, Lowering, Operator, Provider, Step, TensorType, Value,
    always,
};

/// Images at another size; centres of pixels lie at half numbers, so corners stay corners.
///
/// # Shapes
/// `x: [N, C, H, W]`, `y: [N, C, size]`.
///
/// # Gradient
/// Along each axis the map is a matrix `R: [Ho, H]`, `y = R·x`; `dx = Rᵀ·d`.
#[derive(Clone, Debug)]
pub struct Resize {
    /// Extents `[Ho, Wo]` of the result.
    pub size: [usize; 2],
    /// How pixels are found.
    pub interpolation: Interpolation,
}

/// How pixels at another size are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Interpolation {
    /// Pixel `⌊(i + ½)·H/Ho⌋`.
    Nearest,
    /// Between the two pixels around `(i + ½)·H/Ho − ½`, without smoothing when shrinking.
    Bilinear,
}

impl Interpolation {
    /// Returns the rows of the map of one axis: for each place of the result the places that it
    /// comes from, with their weights.
    fn rows(self, from: usize, to: usize) -> Vec<[(usize, f64); 2]> {
        let last = from - 1;
        let row = |index: usize| match self {
            Interpolation::Nearest => {
                // In whole numbers, for a quotient may be just below the number that it is.
                let place = (2 * index + 1) * from / (2 * to);
                [(place, 1.0), (place, 0.0)]
            }
            Interpolation::Bilinear => {
                let place = (index as f64 + 0.5) * from as f64 / to as f64 - 0.5;
                let place = place.clamp(0.0, last as f64);
                let low = place.floor();
                let share = place - low;
                [(low as usize, 1.0 - share), ((low as usize + 1).min(last), share)]
            }
        };
        (0..to).map(row).collect()
    }

    /// Returns the map of one axis as a matrix `[to, from]`, row-major.
    fn matrix(self, from: usize, to: usize) -> Vec<f32> {
        let mut matrix = vec![0.0; to * from];
        for (row, places) in self.rows(from, to).into_iter().enumerate() {
            for (place, weight) in places {
                matrix[row * from + place] += weight as f32;
            }
        }
        matrix
    }
}

impl Operator for Resize {
    const NAME: &'static str = "Resize";

    fn output_types(&self, inputs: &[&TensorType]) -> Result<Vec<TensorType>, String> {
        let [x] = inputs else { return Err("takes one input".to_owned()) };
        if x.rank() != 4 || x.shape[2..].contains(&0) || self.size.contains(&0) {
            return Err("images need four axes and pixels".to_owned());
        }
        Ok(vec![x.with_shape(&[x.shape[0], x.shape[1], self.size[0], self.size[1]])])
    }

    fn gradient(&self, graph: &mut Graph, step: &Step) -> Result<Vec<Option<Value>>, GraphError> {
        let shape = graph.shape(step.inputs[0]).to_vec();
        let [n, c, height, width] = shape[..] else { unreachable!("a checked node") };
        let [rows, columns] = self.size;
        // Matrices on the right: CUDA multiplies a batch by one matrix fast only there.
        let across = self.interpolation.matrix(width, columns);
        let across = graph.constant(&[columns, width], across);
        let down = self.interpolation.matrix(height, rows);
        let down = graph.constant(&[rows, height], down);

        let d = graph.reshape(step.d(), &[n * c * rows, columns])?;
        let d = graph.matmul(d, across)?;
        let d = graph.reshape(d, &[n * c, rows, width])?;
        let d = graph.transpose_last(d)?;
        let d = graph.reshape(d, &[n * c * width, rows])?;
        let d = graph.matmul(d, down)?;
        let d = graph.reshape(d, &[n * c, width, height])?;
        let d = graph.transpose_last(d)?;
        Ok(vec![Some(graph.reshape(d, &shape)?)])
    }

    fn lowerings() -> &'static [Lowering<Self>] {
        &[
            // Exact, where the runtime's own rounding of positions is not.
            Lowering {
                name: "gather",
                providers: Provider::ALL,
                applies: |op, _| op.interpolation == Interpolation::Nearest,
                emit: |op, emit, args| vec![gather(op, emit, args[0])],
            },
            Lowering {
                name: "resize",
                providers: Provider::ALL,
                applies: |op, _| op.interpolation == Interpolation::Bilinear,
                emit: |op, emit, args| vec![resize(op, emit, args[0])],
            },
            Lowering {
                name: "products",
                providers: Provider::ALL,
                applies: always,
                emit: |op, emit, args| vec![products(op, emit, args[0])],
            },
        ]
    }
}

fn gather(op: &Resize, emit: &mut Emit, x: Arg) -> Arg {
    let mut y = x;
    for (axis, &to) in op.size.iter().enumerate() {
        let mut shape = emit.shape(y).to_vec();
        let rows = op.interpolation.rows(shape[axis + 2], to);
        let places: Vec<i64> = rows.iter().map(|places| places[0].0 as i64).collect();
        let places = emit.integers(&places);
        shape[axis + 2] = to;
        let axis = vec![("axis", Attribute::Int(axis as i64 + 2))];
        y = emit.op("Gather", &[y, places], &shape, axis);
    }
    y
}

fn resize(op: &Resize, emit: &mut Emit, x: Arg) -> Arg {
    let tensor =
        emit.tensor(x).with_shape(&[emit.shape(x)[0], emit.shape(x)[1], op.size[0], op.size[1]]);
    let sizes: Vec<i64> = tensor.shape.iter().map(|&extent| extent as i64).collect();
    let sizes = emit.integers(&sizes);
    let text = |text: &str| Attribute::Text(text.to_owned());
    let attributes =
        vec![("coordinate_transformation_mode", text("half_pixel")), ("mode", text("linear"))];
    emit.node("", "Resize", &[Some(x), None, None, Some(sizes)], vec![tensor], attributes)[0]
}

/// Along each axis the product with its matrix, from the right.
fn products(op: &Resize, emit: &mut Emit, x: Arg) -> Arg {
    let mut y = x;
    for to in [op.size[1], op.size[0]] {
        let shape = emit.shape(y).to_vec();
        let [n, c, other, from] = shape[..] else { unreachable!("a checked node") };
        let matrix = op.interpolation.matrix(from, to);
        let turned: Vec<f32> = (0..from * to).map(|i| matrix[i % to * from + i / to]).collect();
        let turned = emit.floats(&[from, to], &turned);
        let rows = emit.reshape(y, &[n * c * other, from]);
        let product = emit.matmul(rows, turned);
        let product = emit.reshape(product, &[n, c, other, to]);
        y = emit.transpose(product, &[0, 1, 3, 2]);
    }
    y
}

impl Graph {
    /// Adds `x: [N, C, H, W]` at another size; nothing where it has that size.
    ///
    /// # Errors
    /// [`GraphError::Inputs`] when there are no pixels.
    pub fn resize(
        &mut self,
        x: Value,
        size: [usize; 2],
        interpolation: Interpolation,
    ) -> Result<Value, GraphError> {
        if self.shape(x).get(2..) == Some(&size[..]) {
            return Ok(x);
        }
        self.apply(Resize { size, interpolation }, &[x])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::check;

    #[test]
    fn gradient() {
        for interpolation in [Interpolation::Nearest, Interpolation::Bilinear] {
            for size in [[8, 10], [7, 3], [2, 9], [1, 1]] {
                check::gradient(&[&[2, 3, 4, 5]], |graph, x| {
                    graph.resize(x[0], size, interpolation)
                });
            }
        }
    }

    #[test]
    fn the_nearest_pixel_is_found_where_a_quotient_is_not_exact() {
        // (1 + ½)·30/9 is 5 exactly, but 1.5/0.3 is below it in floating point.
        assert_eq!(Interpolation::Nearest.rows(30, 9)[1][0].0, 5);
    }

    #[test]
    fn reference() {
        let cases = include_str!("../../../fixtures/ops/resize.json");
        check::reference(cases, |graph, case, x| {
            let interpolation = match case.word("interpolation") {
                "nearest" => Interpolation::Nearest,
                _ => Interpolation::Bilinear,
            };
            Ok(vec![graph.resize(x[0], case.list("size"), interpolation)?])
        });
    }
}
