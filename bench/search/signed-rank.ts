/** Tests whether paired differences have the median 0. Differences of 0 carry no information and are left out. */

/** Returns the two-sided p-value of the sign test: the probability of at least so uneven signs by chance. */
export function signTest(differences: readonly number[]): number {
  const signs = differences.filter((difference) => difference !== 0);
  const fewer = Math.min(signs.filter((d) => d > 0).length, signs.filter((d) => d < 0).length);
  return twoSidedProbability(countSubsets(signs.map(() => 1)), fewer);
}

/** Returns the two-sided p-value of Wilcoxon's signed-rank test, exact: over all assignments of signs to the ranks. */
export function signedRankTest(differences: readonly number[]): number {
  const signed = differences.filter((difference) => difference !== 0);
  const sizes = signed.map(Math.abs).sort((a, b) => a - b);
  // Twice the rank: an integer also if equal sizes share the mean of their ranks.
  const rank = (size: number) => sizes.indexOf(size) + sizes.lastIndexOf(size) + 2;
  const sumOf = (sign: number) => signed.reduce((sum, d) => sum + (Math.sign(d) === sign ? rank(Math.abs(d)) : 0), 0);
  return twoSidedProbability(countSubsets(sizes.map(rank)), Math.min(sumOf(1), sumOf(-1)));
}

/** Returns for each sum the number of subsets of `weights` with that sum. */
function countSubsets(weights: readonly number[]): number[] {
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

/** Returns the two-sided probability of a sum that is at most `sum`. */
function twoSidedProbability(counts: readonly number[], sum: number): number {
  const all = counts.reduce((total, count) => total + count, 0);
  return Math.min(1, (2 * counts.slice(0, sum + 1).reduce((total, count) => total + count, 0)) / all);
}
