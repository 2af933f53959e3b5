import { expectTypeOf, test } from 'vitest';
import type { Saved, StateValue } from '../../src/node.ts';

test('Saved: the deprecated name of StateValue is the same type', () => {
  expectTypeOf<Saved>().toEqualTypeOf<StateValue>();
});
