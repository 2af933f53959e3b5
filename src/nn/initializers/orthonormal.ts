/**
 * Columns of Q of a random normal matrix A = Q R [rows, columns], rows >= columns, with a positive diagonal of R.
 *
 * With a positive diagonal, Q is uniformly distributed among all orthonormal systems (Mezzadri 2007); Keras therefore multiplies by the
 * signs of the diagonal. Modified Gram-Schmidt, applied twice to each column, gives a positive diagonal and is orthogonal to float64
 * precision.
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
    // If a column is in the span of the others, only rounding errors remain: draw another.
    if (length > 1e-8 * normBefore) q.push(column.map((value) => value / length));
  }
  return q;
}

const norm = (column: Float64Array) => Math.sqrt(column.reduce((sum, value) => sum + value * value, 0));
