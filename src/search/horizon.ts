/**
 * Trials below this number have to have ended before trial `number` begins, and their results alone decide what is proposed or pruned: so
 * that a search is the same whichever of `parallel` trials that run at once ends first. The first `startup` trials go by none.
 */
export const horizonOf = (number: number, startup: number, parallel: number): number =>
  number < startup ? 0 : number - ((number - startup) % parallel);
