import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createTarDecoder } from 'modern-tar';
import { DataError, FileError } from '../base/errors.ts';
import { checkRegular } from '../base/regular-file.ts';
import { MAX_UNPACKED_BYTES } from './unpack.ts';

/** Bytes of a read: with the default of 64 KiB, passing chunks on takes more time than zlib. */
const CHUNK = 1 << 18;

/** Names that the message for a missing file lists. */
const MAX_LISTED_NAMES = 10;

/**
 * Reads the wanted files of a `.tar.gz`, in any folder of it, in one streaming pass. Memory holds only the wanted files, never the whole
 * archive.
 * @param wanted base names
 * @returns bytes of all wanted files by base name
 * @throws {DataError} if the archive is damaged, cut short, lacks a wanted file or has it twice, or unpacks to more than
 *   `MAX_UNPACKED_BYTES`; {FileError} if it cannot be read.
 */
export async function readTarGz(path: string, wanted: readonly string[]): Promise<Map<string, Uint8Array>> {
  checkRegular('read', path);
  const found = new Map<string, { name: string; bytes: Uint8Array }>();
  const listedNames: string[] = [];
  const gunzip = createGunzip({ chunkSize: CHUNK });
  // `pipeline` forwards errors to gunzip, from which the loop below throws them; the callback has nothing to do.
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
          `${path} has ${name} twice, as ${earlier.name} and as ${header.name}; fetch the archive again`,
        );
      }
      const bytes = isWanted ? new Uint8Array(sizeLimit.check(header.size)) : null;
      let offset = 0;
      // Other bodies are read too: modern-tar 0.8.6 loses the entry after a body that is canceled late.
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
    const contents = listedNames.length > 0 ? listedNames.join(', ') : 'no files';
    throw new DataError(`${path} lacks ${missing.join(', ')}; it holds ${contents}`);
  }
  return new Map([...found].map(([name, { bytes }]) => [name, bytes]));
}

/** Counts unpacked bytes and throws beyond the limit: a few packed megabytes may be gigabytes of zeros. */
class SizeLimit {
  /** The error that was thrown. The decoder may replace it by another one. */
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

  /** Returns the size of the next file. @throws {DataError} if the total would exceed the limit */
  check(size: number): number {
    if (this.total + size <= MAX_UNPACKED_BYTES) return size;
    this.error = new DataError(
      `${this.path} unpacks to more than ${MAX_UNPACKED_BYTES.toLocaleString('en-US')} bytes, the limit for archives of images: ` +
        'it is damaged, or made to fill the memory; fetch it again',
    );
    throw this.error;
  }
}
