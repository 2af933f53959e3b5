import type { Tunable } from './tunable.ts';
import { depthwiseTunables } from './tunable-depthwise.ts';
import { productTunables } from './tunable-products.ts';
import { rowTunables } from './tunable-rows.ts';

/** Every operator with several kernels, by the name that `chooseVariant` uses. */
export const tunables: Readonly<Record<string, Tunable>> = { ...productTunables, ...depthwiseTunables, ...rowTunables };
