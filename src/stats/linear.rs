//! Systems of linear equations whose matrix is symmetric and positive definite.

/// Solves `A x = b` for a symmetric positive definite matrix, row by row, of which only the lower
/// triangle is read. `None` where it is not positive definite, as far as can be told.
///
/// # Source
/// Golub & Van Loan, "Matrix Computations", 4th ed., section 4.2: Cholesky's factorisation, then
/// substitution forward and back.
///
/// # Panics
/// Panics where the matrix does not hold as many rows and columns as `b` has numbers.
pub fn solve(matrix: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    let n = b.len();
    assert_eq!(matrix.len(), n * n, "a square matrix");
    let mut factor = matrix.to_vec();
    for row in 0..n {
        let (above, rest) = factor.split_at_mut(row * n);
        for column in 0..row {
            let other = &above[column * n..column * n + column + 1];
            let known = dot(&rest[..column], &other[..column]);
            rest[column] = (rest[column] - known) / other[column];
        }
        let square = rest[row] - dot(&rest[..row], &rest[..row]);
        if square.is_nan() || square <= f64::EPSILON * rest[row].abs() {
            return None;
        }
        rest[row] = square.sqrt();
    }
    let mut x = b.to_vec();
    for row in 0..n {
        let line = &factor[row * n..row * n + row + 1];
        x[row] = (x[row] - dot(&line[..row], &x[..row])) / line[row];
    }
    for row in (0..n).rev() {
        x[row] /= factor[row * n + row];
        let value = x[row];
        for (below, of) in x[..row].iter_mut().zip(&factor[row * n..row * n + row]) {
            *below -= of * value;
        }
    }
    Some(x)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    // Four sums at once, which one sum would not let the compiler do.
    let mut sums = [0.0; 4];
    let ((a4, a), (b4, b)) = (a.as_chunks::<4>(), b.as_chunks::<4>());
    for (a, b) in a4.iter().zip(b4) {
        for at in 0..4 {
            sums[at] += a[at] * b[at];
        }
    }
    sums.iter().sum::<f64>() + a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::SplitMix64;

    #[test]
    fn a_solution_gives_the_right_side_again() {
        let mut random = SplitMix64::named("linear", 1);
        for n in [1, 2, 5, 9] {
            let root: Vec<f64> = (0..n * n).map(|_| random.normal()).collect();
            let at = |row: usize, column: usize| -> f64 {
                let of = |row: usize| &root[row * n..(row + 1) * n];
                dot(of(row), of(column)) + f64::from(u8::from(row == column))
            };
            let matrix: Vec<f64> = (0..n * n).map(|place| at(place / n, place % n)).collect();
            let b: Vec<f64> = (0..n).map(|_| random.normal()).collect();
            let x = solve(&matrix, &b).expect("positive definite");
            for (row, &right) in matrix.chunks(n).zip(&b) {
                assert!((dot(row, &x) - right).abs() < 1e-9, "{n}");
            }
        }
    }

    #[test]
    fn what_has_no_single_solution_is_refused() {
        assert_eq!(solve(&[1.0, 1.0, 1.0, 1.0], &[1.0, 2.0]), None);
        assert_eq!(solve(&[f64::NAN], &[1.0]), None);
        assert_eq!(solve(&[-1.0], &[1.0]), None);
        assert_eq!(solve(&[], &[]), Some(vec![]));
    }
}
