import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';
import { ArgumentError, QueueError } from '../base/errors.ts';
import { type Attachments, keys } from './records.ts';

/** Limit of a value in Redis. */
const MAX_BYTES = 512 * 2 ** 20;
/** Attachments outlive the jobs that name them, which are kept for a day. */
export const KEEP_RESULTS_S = 24 * 3600;
const KEEP_FILES_S = 2 * KEEP_RESULTS_S;

/** Stores attachments under the hashes of their content, so that each is stored once. @throws ArgumentError for one that is too large */
export async function putFiles(client: Redis, files: Readonly<Record<string, Uint8Array>>): Promise<Attachments> {
  const stored: Attachments = {};
  for (const [name, bytes] of Object.entries(files)) {
    if (bytes.byteLength > MAX_BYTES) {
      throw new ArgumentError(
        `queue: the attachment ${name} has ${bytes.byteLength} bytes, but a value of Redis holds at most ${MAX_BYTES}; split it`,
      );
    }
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const isThere = await client.expire(keys.file(sha256), KEEP_FILES_S);
    if (!isThere) {
      const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      await client.set(keys.file(sha256), buffer, 'EX', KEEP_FILES_S);
    }
    stored[name] = { sha256, size: bytes.byteLength };
  }
  return stored;
}

/** Reads an attachment. @throws QueueError if it is gone or damaged */
export async function getFile(client: Redis, name: string, { sha256 }: Attachments[string]): Promise<Uint8Array> {
  const bytes = await client.getBuffer(keys.file(sha256));
  if (bytes === null) {
    throw new QueueError(
      `queue: the attachment ${name} is gone from the server; it is kept for ${KEEP_FILES_S / 3600} hours unless the server runs out of memory (set its maxmemory-policy to noeviction)`,
    );
  }
  if (createHash('sha256').update(bytes).digest('hex') !== sha256) {
    throw new QueueError(`queue: the attachment ${name} is damaged: it does not have its checksum; run the job again`);
  }
  return bytes;
}
