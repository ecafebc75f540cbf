// Small dense matrices as arrays of rows.

export function product(a, b) {
  return a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));
}

/** Return a power of a symmetric positive semidefinite 3 x 3 matrix with eigenvalues of at least `minEigenvalue`. */
export function symmetricPower(matrix, exponent, minEigenvalue) {
  const { values, vectors } = eigendecomposition(matrix);
  const powers = values.map((value) => Math.max(value, minEigenvalue) ** exponent);
  return vectors.map((row) => vectors.map((other) => powers.reduce((sum, p, k) => sum + row[k] * p * other[k], 0)));
}

// Eigenvalues, and eigenvectors as columns, of a symmetric 3 x 3 matrix, by Jacobi rotations.
function eigendecomposition(matrix) {
  let a = matrix.map((row) => [...row]);
  let vectors = identity();
  for (let sweep = 0; sweep < 30; sweep++) {
    for (const [p, q] of [[0, 1], [0, 2], [1, 2]]) {
      if (a[p][q] === 0) continue;
      const angle = Math.atan2(2 * a[p][q], a[q][q] - a[p][p]) / 2;
      const rotation = identity();
      rotation[p][p] = rotation[q][q] = Math.cos(angle);
      rotation[p][q] = Math.sin(angle);
      rotation[q][p] = -Math.sin(angle);
      a = product(product(transpose(rotation), a), rotation);
      vectors = product(vectors, rotation);
    }
  }
  return { values: a.map((row, i) => row[i]), vectors };
}

function identity() {
  return [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
}

function transpose(a) {
  return a[0].map((_, j) => a.map((row) => row[j]));
}
