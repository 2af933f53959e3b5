/**
 * Returns the horizon of a trial. All trials below this number must end before trial `number` begins, and only their results decide what is
 * proposed or pruned. So the search does not depend on which of `parallel` concurrent trials ends first. The first `startup` trials use no
 * results.
 */
export const horizonOf = (number: number, startup: number, parallel: number): number =>
  number < startup ? 0 : number - ((number - startup) % parallel);
