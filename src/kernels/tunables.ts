import type { Tunable } from './tunable.ts';
import { depthwiseTunables } from './tunable-depthwise.ts';
import { productTunables } from './tunable-products.ts';
import { rowTunables } from './tunable-rows.ts';

/** Every operator with several kernels, by the name under which its kernels are chosen. */
export const tunables: Readonly<Record<string, Tunable>> = { ...productTunables, ...depthwiseTunables, ...rowTunables };
