/** One field of a protobuf message, already encoded; several, joined by `message`, are the message. */
export type Field = Uint8Array;

const utf8 = new TextEncoder();

/** An integer from -2^53 to 2^53: seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  do {
    const hasMore = rest > 127n;
    bytes.push(Number(rest & 127n) | (hasMore ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
}

const encodeTagged = (field: number, wireType: number, bytes: ArrayLike<number>) =>
  Uint8Array.of(...varint(field * 8 + wireType), ...(Array.from(bytes) as number[]));

/** An int32, int64 or enum. */
export const int = (field: number, value: number): Field => encodeTagged(field, 0, varint(value));

export const double = (field: number, value: number): Field => {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value, true);
  return encodeTagged(field, 1, bytes);
};

/** Text, bytes, or a message within the message. */
export function bytes(field: number, value: string | Uint8Array): Field {
  const content = typeof value === 'string' ? utf8.encode(value) : value;
  return message(Uint8Array.from([...varint(field * 8 + 2), ...varint(content.length)]), content);
}

/** A packed repeated float. */
export function floats(field: number, values: readonly number[]): Field {
  const content = new Uint8Array(4 * values.length);
  const view = new DataView(content.buffer);
  for (const [i, value] of values.entries()) view.setFloat32(4 * i, value, true);
  return bytes(field, content);
}

/** Joins fields. */
export function message(...fields: readonly Field[]): Uint8Array {
  const all = new Uint8Array(fields.reduce((sum, { length }) => sum + length, 0));
  let offset = 0;
  for (const field of fields) {
    all.set(field, offset);
    offset += field.length;
  }
  return all;
}
