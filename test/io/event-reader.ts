/** A reader of TensorBoard's event files written from the specifications alone, to check the writer with. */

/** CRC-32C bit by bit, straight from its polynomial. */
export function slowCrc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    for (let bit = 0; bit < 8; bit++) {
      const odd = ((crc ^ (byte >> bit)) & 1) === 1;
      crc = (crc >>> 1) ^ (odd ? 0x82f63b78 : 0);
    }
  }
  return ~crc >>> 0;
}

/** TFRecord's mask, in BigInts as its C++ has it in uint32_t. */
function mask(crc: number): number {
  const c = BigInt(crc);
  return Number((((c >> 15n) | (c << 17n)) + 0xa282ead8n) & 0xffffffffn);
}

/** The records of a file. @throws Error for one that is cut short or whose checksum is wrong */
export function records(file: Uint8Array): Uint8Array[] {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  const found: Uint8Array[] = [];
  for (let offset = 0; offset < file.length; ) {
    const length = Number(view.getBigUint64(offset, true));
    const data = file.subarray(offset + 12, offset + 12 + length);
    if (view.getUint32(offset + 8, true) !== mask(slowCrc32c(file.subarray(offset, offset + 8))))
      throw new Error('length crc');
    if (view.getUint32(offset + 12 + length, true) !== mask(slowCrc32c(data))) throw new Error('data crc');
    found.push(data);
    offset += 16 + length;
  }
  return found;
}

/** The fields of a message by number, each with all its values: varints as BigInt, the rest as bytes. */
function fields(message: Uint8Array): Map<number, (bigint | Uint8Array)[]> {
  const found = new Map<number, (bigint | Uint8Array)[]>();
  let offset = 0;
  const varint = () => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[offset++]!;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asIntN(64, value);
    }
  };
  while (offset < message.length) {
    const tag = Number(varint());
    const wire = tag & 7;
    let value: bigint | Uint8Array;
    if (wire === 0) value = varint();
    else {
      const length = wire === 1 ? 8 : wire === 5 ? 4 : Number(varint());
      value = message.subarray(offset, offset + length);
      offset += length;
    }
    found.set(tag >> 3, [...(found.get(tag >> 3) ?? []), value]);
  }
  return found;
}

const text = (value: unknown) => new TextDecoder().decode(value as Uint8Array);
const inside = (map: Map<number, (bigint | Uint8Array)[]>, ...path: number[]) =>
  path.reduce<Map<number, (bigint | Uint8Array)[]>>(
    (outer, field) => fields((outer.get(field)?.[0] as Uint8Array) ?? new Uint8Array()),
    map,
  );
const numbers = (bytes: unknown, wide: boolean) => {
  const copy = Uint8Array.from(bytes as Uint8Array).buffer;
  return [...(wide ? new Float64Array(copy) : new Float32Array(copy))];
};

export interface ReadEvent {
  wallTime: number;
  step: number;
  version?: string;
  /** The step at which a session begins. */
  start?: true;
  graph?: { name: string; op: string; inputs: string[] }[];
  values: { tag: string; plugin: string; shape: number[]; numbers: number[]; strings: Uint8Array[] }[];
}

/** The events of a file. */
export const readEvents = (file: Uint8Array): ReadEvent[] =>
  records(file).map((data) => {
    const event = fields(data);
    const graph = event.get(4)?.[0];
    const version = event.get(3)?.[0];
    return {
      wallTime: numbers(event.get(1)![0], true)[0]!,
      step: Number(event.get(2)?.[0] ?? 0),
      ...(version ? { version: text(version) } : {}),
      ...(inside(event, 7).get(1)?.[0] === 1n ? { start: true } : {}),
      ...(graph
        ? {
            graph: fields(graph as Uint8Array)
              .get(1)!
              .map(readNode),
          }
        : {}),
      values: (inside(event, 5).get(1) ?? []).map((value) => readValue(fields(value as Uint8Array))),
    };
  });

function readNode(bytes: bigint | Uint8Array) {
  const node = fields(bytes as Uint8Array);
  return { name: text(node.get(1)![0]), op: text(node.get(2)![0]), inputs: (node.get(3) ?? []).map(text) };
}

function readValue(value: Map<number, (bigint | Uint8Array)[]>) {
  const tensor = inside(value, 8);
  const content = tensor.get(4)?.[0] ?? tensor.get(5)?.[0];
  return {
    tag: text(value.get(1)![0]),
    plugin: text(inside(value, 9, 1).get(1)![0]),
    shape: (inside(tensor, 2).get(2) ?? []).map((dim) => Number(fields(dim as Uint8Array).get(1)![0])),
    numbers: content ? numbers(content, tensor.get(1)![0] === 2n) : [],
    strings: (tensor.get(8) ?? []) as Uint8Array[],
  };
}
