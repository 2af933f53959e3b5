import type { Experiment } from '../src/cli/experiment.ts';
import { A1 } from './A1.ts';

/** Every experiment `tilegrad run` knows, in the order `tilegrad list` shows them. */
export const experiments: readonly Experiment[] = [A1];
