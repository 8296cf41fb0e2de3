//! Affine maps of the plane: points in, points out, in the pixel convention of
//! [`crate::dataset`].

/// A map `(x, y) → (x[0]·x + x[1]·y + x[2], y[0]·x + y[1]·y + y[2])`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// Coefficients of the new x.
    pub x: [f64; 3],
    /// Coefficients of the new y.
    pub y: [f64; 3],
}

impl Affine {
    /// Leaves every point where it is.
    pub const IDENTITY: Affine = Affine { x: [1.0, 0.0, 0.0], y: [0.0, 1.0, 0.0] };

    /// Returns the map that adds to x and to y.
    pub fn shift(dx: f64, dy: f64) -> Affine {
        Affine { x: [1.0, 0.0, dx], y: [0.0, 1.0, dy] }
    }

    /// Returns the map that multiplies x and y.
    pub fn scale(by_x: f64, by_y: f64) -> Affine {
        Affine { x: [by_x, 0.0, 0.0], y: [0.0, by_y, 0.0] }
    }

    /// Returns the rotation about the origin, clockwise on the screen since y grows down.
    pub fn rotation(radians: f64) -> Affine {
        let (sin, cos) = radians.sin_cos();
        Affine { x: [cos, -sin, 0.0], y: [sin, cos, 0.0] }
    }

    /// Returns the same map with a point in the place of the origin.
    pub fn about(self, [x, y]: [f64; 2]) -> Affine {
        Affine::shift(-x, -y).then(self).then(Affine::shift(x, y))
    }

    /// Returns the map that applies this one first and `next` to what it gives.
    pub fn then(self, next: Affine) -> Affine {
        let row = |[a, b, c]: [f64; 3]| {
            let column = |at: usize| a * self.x[at] + b * self.y[at];
            [column(0), column(1), column(2) + c]
        };
        Affine { x: row(next.x), y: row(next.y) }
    }

    /// Returns where a point goes.
    pub fn point(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        [self.x, self.y].map(|[a, b, c]| a * x + b * y + c)
    }

    /// Returns the map that leads back; points at infinity where this one flattens the plane.
    pub fn inverse(&self) -> Affine {
        let ([a, b, e], [c, d, f]) = (self.x, self.y);
        let determinant = a * d - b * c;
        let [a, b, c, d] = [a, b, c, d].map(|value| value / determinant);
        Affine { x: [d, -b, b * f - d * e], y: [-c, a, c * e - a * f] }
    }

    /// Returns what lengths are multiplied by: the root of what areas are.
    pub fn magnification(&self) -> f64 {
        (self.x[0] * self.y[1] - self.x[1] * self.y[0]).abs().sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverses_lead_back_and_order_matters() {
        let map = Affine::scale(2.0, 0.5).then(Affine::rotation(0.3)).about([10.0, 4.0]);
        let [x, y] = map.inverse().point(map.point([7.0, -3.0]));
        assert!((x - 7.0).abs() < 1e-12 && (y + 3.0).abs() < 1e-12);
        assert!((map.magnification() - 1.0).abs() < 1e-12);
        let moved = Affine::shift(1.0, 0.0).then(Affine::scale(3.0, 3.0));
        assert_eq!(moved.point([1.0, 1.0]), [6.0, 3.0]);
        let clockwise = Affine::rotation(std::f64::consts::FRAC_PI_2).point([1.0, 0.0]);
        assert!(clockwise[0].abs() < 1e-12 && (clockwise[1] - 1.0).abs() < 1e-12);
    }
}
