//! The little linear algebra that a layer needs: products, the eigenvectors of a symmetric matrix, a small system.
//!
//! Float64, row by row in memory, one thread, every sum in one fixed order: the same numbers give the same bits.

/// A dense matrix, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Matrix {
    pub rows: usize,
    pub columns: usize,
    data: Vec<f64>,
}

impl Matrix {
    pub fn new(rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Self {
        let mut data = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            data.extend((0..columns).map(|column| value(row, column)));
        }
        Self {
            rows,
            columns,
            data,
        }
    }

    pub fn row(&self, row: usize) -> &[f64] {
        &self.data[row * self.columns..][..self.columns]
    }

    pub fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.data[row * self.columns..][..self.columns]
    }

    pub fn at(&self, row: usize, column: usize) -> f64 {
        self.data[row * self.columns + column]
    }

    pub fn transposed(&self) -> Self {
        Self::new(self.columns, self.rows, |row, column| self.at(column, row))
    }

    /// `self * self'`.
    pub fn gram(&self) -> Self {
        let mut gram = Self::new(self.rows, self.rows, |_, _| 0.0);
        for i in 0..self.rows {
            for j in 0..=i {
                let value = dot(self.row(i), self.row(j));
                gram.row_mut(i)[j] = value;
                gram.row_mut(j)[i] = value;
            }
        }
        gram
    }

    /// `self * other`.
    pub fn times(&self, other: &Self) -> Self {
        let mut product = Self::new(self.rows, other.columns, |_, _| 0.0);
        for i in 0..self.rows {
            let to = product.row_mut(i);
            for (k, factor) in self.row(i).iter().enumerate() {
                add(to, *factor, other.row(k));
            }
        }
        product
    }
}

/// The inner product, in eight partial sums.
pub fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (a_blocks, a_rest) = a.as_chunks::<8>();
    let (b_blocks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}

/// `to += factor * from`.
fn add(to: &mut [f64], factor: f64, from: &[f64]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += factor * from;
    }
}

/// Eigenvalues of a symmetric matrix and their vectors of length 1, a row a vector; none when they cannot be found, as
/// for a matrix that is not finite.
///
/// Householder's reduction to three diagonals, then the implicit QL method (Bowdler, Martin, Reinsch and Wilkinson 1968,
/// "The QR and QL algorithms for symmetric matrices").
pub fn eigen(mut a: Matrix) -> Option<(Vec<f64>, Matrix)> {
    let n = a.rows;
    if a.data.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let (mut diagonal, mut beside, mut vectors) = reduce(&mut a);
    // `beside[i]` stands between `i` and `i + 1`.
    for l in 0..n {
        let mut turns = 0;
        loop {
            let small = |m: &usize| {
                let near = diagonal[*m].abs() + diagonal[*m + 1].abs();
                beside[*m].abs() <= f64::EPSILON * near
            };
            let m = (l..n - 1).find(small).unwrap_or(n - 1);
            if m == l {
                break;
            }
            turns += 1;
            if turns > 100 {
                return None;
            }
            let mut g = (diagonal[l + 1] - diagonal[l]) / (2.0 * beside[l]);
            let mut r = g.hypot(1.0);
            g = diagonal[m] - diagonal[l] + beside[l] / (g + r.copysign(g));
            let (mut s, mut c, mut p) = (1.0, 1.0, 0.0);
            let mut split = false;
            for i in (l..m).rev() {
                let f = s * beside[i];
                let b = c * beside[i];
                r = f.hypot(g);
                beside[i + 1] = r;
                if r == 0.0 {
                    diagonal[i + 1] -= p;
                    beside[m] = 0.0;
                    split = true;
                    break;
                }
                s = f / r;
                c = g / r;
                g = diagonal[i + 1] - p;
                r = (diagonal[i] - g) * s + 2.0 * c * b;
                p = s * r;
                diagonal[i + 1] = g + p;
                g = c * r - b;
                rotate(&mut vectors, i, s, c);
            }
            if !split {
                diagonal[l] -= p;
                beside[l] = g;
                beside[m] = 0.0;
            }
        }
    }
    Some((diagonal, vectors))
}

/// Turns rows `i` and `i + 1` by the angle with this sine and cosine.
fn rotate(vectors: &mut Matrix, i: usize, s: f64, c: f64) {
    let columns = vectors.columns;
    let (first, second) = vectors.data[i * columns..][..2 * columns].split_at_mut(columns);
    for (a, b) in first.iter_mut().zip(second) {
        let old = *b;
        *b = s * *a + c * old;
        *a = c * *a - s * old;
    }
}

/// Three diagonals of an equal matrix, and the turn that makes them, a row a direction.
fn reduce(a: &mut Matrix) -> (Vec<f64>, Vec<f64>, Matrix) {
    let n = a.rows;
    let mut beside = vec![0.0; n];
    let mut reflections: Vec<(usize, Vec<f64>)> = Vec::new();
    for k in 0..n.saturating_sub(2) {
        // The reflection that makes column k below its second element zero.
        let mut v: Vec<f64> = (k + 1..n).map(|i| a.at(i, k)).collect();
        let length = dot(&v, &v).sqrt();
        if length == 0.0 {
            beside[k] = 0.0;
            continue;
        }
        let alpha = -length.copysign(v[0]);
        v[0] -= alpha;
        let norm = dot(&v, &v).sqrt();
        v.iter_mut().for_each(|value| *value /= norm);
        beside[k] = alpha;
        // p = A v, q = p - (v'p) v; A -= 2 v q' + 2 q v'
        let mut q: Vec<f64> = (k + 1..n).map(|i| dot(&a.row(i)[k + 1..], &v)).collect();
        let along = dot(&v, &q);
        add(&mut q, -along, &v);
        for i in k + 1..n {
            let (vi, qi) = (2.0 * v[i - k - 1], 2.0 * q[i - k - 1]);
            let row = &mut a.row_mut(i)[k + 1..];
            for ((value, v), q) in row.iter_mut().zip(&v).zip(&q) {
                *value -= vi * q + qi * v;
            }
        }
        reflections.push((k + 1, v));
    }
    if n > 1 {
        beside[n - 2] = a.at(n - 1, n - 2);
    }
    let diagonal = (0..n).map(|i| a.at(i, i)).collect();
    // Rows of the product of all reflections, the last one first: row r = e_r' H_last ... H_first.
    let mut vectors = Matrix::new(n, n, |i, j| f64::from(u8::from(i == j)));
    for (start, v) in reflections.iter().rev() {
        for row in *start..n {
            let part = &mut vectors.row_mut(row)[*start..];
            let along = dot(part, v);
            add(part, -2.0 * along, v);
        }
    }
    (diagonal, beside, vectors)
}

/// The inverse of the lower triangle `L` of Cholesky's `a = L L'`, transposed: row `i` is column `i` of `L^-1`, so that
/// the inverse of `a` is the product of this matrix and its transpose. None for a matrix that is not positive definite.
pub fn inverse_root(mut a: Matrix) -> Option<Matrix> {
    let n = a.rows;
    for i in 0..n {
        for j in 0..=i {
            let rest = a.at(i, j) - dot(&a.row(i)[..j], &a.row(j)[..j]);
            a.row_mut(i)[j] = match i == j {
                true if rest > 0.0 => rest.sqrt(),
                true => return None,
                false => rest / a.at(j, j),
            };
        }
    }
    let mut columns = Matrix::new(n, n, |i, j| f64::from(u8::from(i == j)));
    for j in 0..n {
        let column = columns.row_mut(j);
        column[j] = 1.0 / a.at(j, j);
        for i in j + 1..n {
            column[i] = -dot(&a.row(i)[j..i], &column[j..i]) / a.at(i, i);
        }
    }
    Some(columns)
}

/// Solves `a x = b` in place of `b`, by elimination with the largest pivot; false for a matrix without an inverse.
pub fn solve(mut a: Matrix, b: &mut Matrix) -> bool {
    let n = a.rows;
    for k in 0..n {
        let Some(pivot) = (k..n).max_by(|i, j| a.at(*i, k).abs().total_cmp(&a.at(*j, k).abs()))
        else {
            return false;
        };
        if a.at(pivot, k) == 0.0 || !a.at(pivot, k).is_finite() {
            return false;
        }
        for matrix in [&mut a, &mut *b] {
            let columns = matrix.columns;
            for column in 0..columns {
                matrix
                    .data
                    .swap(k * columns + column, pivot * columns + column);
            }
        }
        for i in k + 1..n {
            let factor = a.at(i, k) / a.at(k, k);
            for matrix in [&mut a, &mut *b] {
                let above = matrix.row(k).to_vec();
                add(matrix.row_mut(i), -factor, &above);
            }
        }
    }
    for k in (0..n).rev() {
        for j in k + 1..n {
            let below = b.row(j).to_vec();
            add(b.row_mut(k), -a.at(k, j), &below);
        }
        let pivot = a.at(k, k);
        b.row_mut(k).iter_mut().for_each(|value| *value /= pivot);
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(rows: usize, columns: usize) -> Matrix {
        Matrix::new(rows, columns, |i, j| {
            ((i * 31 + j * 17 + i * j) % 23) as f64 / 7.0 - 1.5
        })
    }

    #[test]
    fn eigenvectors_give_the_matrix_back() {
        // Full rank, rank 3 (many equal eigenvalues of zero), a diagonal one, one element.
        let diagonal = Matrix::new(6, 6, |i, j| if i == j { (i % 2) as f64 } else { 0.0 });
        for matrix in [
            made(40, 60).gram(),
            made(50, 3).gram(),
            diagonal,
            made(1, 2).gram(),
        ] {
            let n = matrix.rows;
            let (values, vectors) = eigen(matrix.clone()).unwrap();
            let scaled = Matrix::new(n, n, |r, i| values[r] * vectors.at(r, i));
            let back = vectors.transposed().times(&scaled);
            let one = vectors.gram();
            let size = values
                .iter()
                .fold(1.0, |most: f64, value| most.max(value.abs()));
            for i in 0..n {
                for j in 0..n {
                    assert!((back.at(i, j) - matrix.at(i, j)).abs() < 1e-12 * size);
                    let expected = f64::from(u8::from(i == j));
                    assert!((one.at(i, j) - expected).abs() < 1e-12, "{i} {j}");
                }
            }
        }
        assert!(eigen(Matrix::new(2, 2, |_, _| f64::NAN)).is_none());
    }

    #[test]
    fn the_inverse_of_a_triangle_gives_that_of_the_matrix() {
        let gram = made(30, 40).gram();
        let a = Matrix::new(30, 30, |i, j| gram.at(i, j) + f64::from(u8::from(i == j)));
        let root = inverse_root(a.clone()).unwrap();
        let one = a.times(&root.gram());
        for i in 0..30 {
            assert!(root.row(i)[..i].iter().all(|value| *value == 0.0));
            for j in 0..30 {
                let expected = f64::from(u8::from(i == j));
                assert!((one.at(i, j) - expected).abs() < 1e-8, "{i} {j}");
            }
        }
        assert!(inverse_root(Matrix::new(2, 2, |i, j| (i + j) as f64 - 1.0)).is_none());
    }

    #[test]
    fn a_system_is_solved() {
        let a = Matrix::new(
            5,
            5,
            |i, j| if i == j { 0.0 } else { (i * j + i + 1) as f64 },
        );
        let x = made(5, 2);
        let mut b = a.times(&x);
        assert!(solve(a, &mut b));
        for i in 0..5 {
            for j in 0..2 {
                assert!((b.at(i, j) - x.at(i, j)).abs() < 1e-9);
            }
        }
        assert!(!solve(Matrix::new(2, 2, |_, _| 1.0), &mut made(2, 1)));
    }
}
