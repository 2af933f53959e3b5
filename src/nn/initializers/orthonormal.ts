/**
 * Columns of Q of a random normal matrix A = Q R [rows, columns], rows >= columns, with a positive diagonal of R: uniformly
 * distributed among all orthonormal systems (Mezzadri 2007), which is why Keras multiplies with the signs of that diagonal.
 * Modified Gram-Schmidt, each column twice, is as orthogonal as float64 allows and has that diagonal by itself.
 * @returns the columns
 */
export function orthonormalColumns(rows: number, columns: number, draw: () => number): Float64Array[] {
  const q: Float64Array[] = [];
  while (q.length < columns) {
    const column = Float64Array.from({ length: rows }, draw);
    const normBefore = norm(column);
    for (let pass = 0; pass < 2; pass++) {
      for (const other of q) {
        let projection = 0;
        for (let i = 0; i < rows; i++) projection += other[i]! * column[i]!;
        for (let i = 0; i < rows; i++) column[i]! -= projection * other[i]!;
      }
    }
    const length = norm(column);
    // A column that lies in the span of the others leaves only rounding errors: another is drawn.
    if (length > 1e-8 * normBefore) q.push(column.map((value) => value / length));
  }
  return q;
}

const norm = (column: Float64Array) => Math.sqrt(column.reduce((sum, value) => sum + value * value, 0));
