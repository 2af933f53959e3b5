import { random } from './random.ts';

/** Ways to damage a file. Each may leave the bytes unchanged. */
const KINDS: Record<string, (bytes: Uint8Array, at: number, draw: ReturnType<typeof random>) => Uint8Array> = {
  'a bit': (bytes, offset, draw) => bytes.with(offset, bytes[offset]! ^ (1 << draw.integer(0, 7))),
  'a byte': (bytes, offset, draw) => bytes.with(offset, draw.integer(0, 255)),
  'a letter': (bytes, offset, draw) => bytes.with(offset, draw.integer(0x20, 0x7e)),
  'several bytes': (bytes, offset, draw) => {
    const changed = bytes.slice();
    for (let i = offset; i < Math.min(offset + draw.integer(2, 9), bytes.length); i++)
      changed[i] = draw.integer(0x20, 0x7e);
    return changed;
  },
  'two places': (bytes, offset, draw) =>
    bytes.with(offset, draw.integer(0, 255)).with(draw.integer(0, bytes.length - 1), draw.integer(0, 255)),
  zeros: (bytes, offset, draw) => bytes.slice().fill(0, offset, offset + draw.integer(1, 16)),
  'its end': (bytes, offset) => bytes.slice(0, offset),
  'its middle': (bytes, offset, draw) => {
    const rest = bytes.subarray(Math.min(offset + draw.integer(1, 8), bytes.length));
    return Uint8Array.from([...bytes.subarray(0, offset), ...rest]);
  },
  'its order': (bytes, offset) => {
    const other = (offset + 8) % bytes.length;
    return bytes.with(offset, bytes[other]!).with(other, bytes[offset]!);
  },
};

/**
 * `count` damaged versions of a file, each different from the file; half of them are damaged within the first `header` bytes, where damage
 * has most effect.
 */
export function* damaged(
  bytes: Uint8Array,
  { count, header, seed }: { count: number; header: number; seed: number },
): Generator<{ how: string; bytes: Uint8Array<ArrayBuffer> }> {
  const draw = random(seed);
  const kinds = Object.entries(KINDS);
  for (let made = 0; made < count; ) {
    const [kind, damage] = kinds[draw.integer(0, kinds.length - 1)]!;
    const offset = draw.integer(0, (made % 2 === 0 ? Math.min(header, bytes.length) : bytes.length) - 1);
    const changed = Uint8Array.from(damage(bytes, offset, draw));
    if (Buffer.from(changed).equals(bytes)) continue;
    made++;
    yield { how: `${kind} at ${offset} of ${bytes.length}, number ${made}`, bytes: changed };
  }
}
