import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createTarDecoder } from 'modern-tar';
import { DataError, FileError } from '../base/errors.ts';
import { checkRegular } from '../base/regular-file.ts';
import { MAX_UNPACKED_BYTES } from './unpack.ts';

/** Large reads: with the default 64 KiB the time goes into passing chunks on rather than into zlib. */
const CHUNK = 1 << 18;

/** Names of what an archive holds that are told where something is missing. */
const MAX_LISTED_NAMES = 10;

/**
 * Reads the wanted files of a `.tar.gz`, whatever folder in it they lie in, in one streaming pass: neither the packed
 * nor the unpacked archive is held in memory, only the wanted files.
 * @param wanted base names
 * @returns bytes by base name, all of `wanted`
 * @throws {DataError} when the archive is damaged, cut short, lacks a wanted file or has it twice, or unpacks to more than
 *   `MOST_UNPACKED` bytes; {FileError} when it cannot be read.
 */
export async function readTarGz(path: string, wanted: readonly string[]): Promise<Map<string, Uint8Array>> {
  checkRegular('read', path);
  const found = new Map<string, { name: string; bytes: Uint8Array }>();
  const listedNames: string[] = [];
  const gunzip = createGunzip({ chunkSize: CHUNK });
  // `pipeline` hands errors on to gunzip, and the loop below meets them there; its callback has nothing to add.
  pipeline(createReadStream(path, { highWaterMark: CHUNK }), gunzip, () => {});
  const sizeLimit = new SizeLimit(path);
  try {
    const unpacked = Readable.from(sizeLimit.limit(gunzip));
    const entries = (Readable.toWeb(unpacked) as ReadableStream<Uint8Array>).pipeThrough(
      createTarDecoder({ strict: true }),
    );
    for await (const { header, body } of entries) {
      const name = header.name.slice(header.name.lastIndexOf('/') + 1);
      if (header.type !== 'directory' && listedNames.length < MAX_LISTED_NAMES) listedNames.push(header.name);
      const isWanted = header.type === 'file' && wanted.includes(name);
      const earlier = found.get(name);
      if (isWanted && earlier) {
        throw new DataError(
          `${path} has ${name} twice, as ${earlier.name} and as ${header.name}, so that nobody can tell which is meant; fetch it again`,
        );
      }
      const bytes = isWanted ? new Uint8Array(sizeLimit.check(header.size)) : null;
      let offset = 0;
      // Bodies that are not wanted are read too: modern-tar 0.8.6 loses the entry after a body that is cancelled late.
      for await (const chunk of body) {
        bytes?.set(chunk, offset);
        offset += chunk.length;
      }
      if (bytes) found.set(name, { name: header.name, bytes });
    }
  } catch (error) {
    if (sizeLimit.error) throw sizeLimit.error;
    if (error instanceof DataError) throw error;
    const { code, message, syscall } = error as NodeJS.ErrnoException;
    if (syscall) throw new FileError(`cannot read ${path}: ${message}`, { cause: error });
    throw new DataError(
      `${path} is damaged or cut short, or is not a .tar.gz archive (${message}${code ? `, ${code}` : ''}); fetch it again`,
      { cause: error },
    );
  } finally {
    gunzip.destroy();
  }
  const missing = wanted.filter((name) => !found.has(name));
  if (missing.length > 0) {
    const held = listedNames.length > 0 ? listedNames.join(', ') : 'no files';
    throw new DataError(`${path} lacks ${missing.join(', ')}; it holds ${held}`);
  }
  return new Map([...found].map(([name, { bytes }]) => [name, bytes]));
}

/** Counts what an archive unpacks to, and ends it beyond the bound: packed, a few megabytes may be gigabytes of zeros. */
class SizeLimit {
  /** What it was ended with: on its way through the decoder an error may become another. */
  error: DataError | null = null;
  private total = 0;

  constructor(private readonly path: string) {}

  async *limit(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.total += chunk.length;
      this.check(0);
      yield chunk;
    }
  }

  /** A size that is still to come. @throws {DataError} where it goes beyond the bound */
  check(size: number): number {
    if (this.total + size <= MAX_UNPACKED_BYTES) return size;
    this.error = new DataError(
      `${this.path} unpacks to more than ${MAX_UNPACKED_BYTES.toLocaleString('en-US')} bytes, which is more than any archive of images that is ` +
        'read: it is damaged, or made to fill the memory; fetch it again',
    );
    throw this.error;
  }
}
