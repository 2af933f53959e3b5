/** Tests of whether paired differences have the median 0. Differences of 0 say nothing and are left out. */

/** Two-sided p of the sign test: how likely so uneven a number of signs is by chance. */
export function signTest(differences: readonly number[]): number {
  const signs = differences.filter((difference) => difference !== 0);
  const fewer = Math.min(signs.filter((d) => d > 0).length, signs.filter((d) => d < 0).length);
  return atMost(ways(signs.map(() => 1)), fewer);
}

/** Two-sided p of Wilcoxon's signed-rank test, exact: of all assignments of signs to the ranks of the sizes. */
export function signedRankTest(differences: readonly number[]): number {
  const signed = differences.filter((difference) => difference !== 0);
  const sizes = signed.map(Math.abs).sort((a, b) => a - b);
  // Twice the rank, which is whole where equal sizes share the mean of their ranks.
  const rank = (size: number) => sizes.indexOf(size) + sizes.lastIndexOf(size) + 2;
  const sumOf = (sign: number) => signed.reduce((sum, d) => sum + (Math.sign(d) === sign ? rank(Math.abs(d)) : 0), 0);
  return atMost(ways(sizes.map(rank)), Math.min(sumOf(1), sumOf(-1)));
}

/** How many subsets of some weights have each sum. */
function ways(weights: readonly number[]): number[] {
  let counts = [1];
  for (const weight of weights) {
    const next = new Array<number>(counts.length + weight).fill(0);
    counts.forEach((count, sum) => {
      next[sum]! += count;
      next[sum + weight]! += count;
    });
    counts = next;
  }
  return counts;
}

/** The chance of a sum at most so large, or as far at the other end. */
function atMost(counts: readonly number[], sum: number): number {
  const all = counts.reduce((total, count) => total + count, 0);
  return Math.min(1, (2 * counts.slice(0, sum + 1).reduce((total, count) => total + count, 0)) / all);
}
