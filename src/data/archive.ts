import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { createTarDecoder } from 'modern-tar';
import { DataError, FileError } from '../errors.ts';
import { checkRegular } from '../regular-file.ts';

/** Large reads: with the default 64 KiB the time goes into passing chunks on rather than into zlib. */
const CHUNK = 1 << 18;

/**
 * Reads the wanted files of a `.tar.gz`, whatever folder in it they lie in, in one streaming pass: neither the packed
 * nor the unpacked archive is held in memory, only the wanted files.
 * @param wanted base names
 * @returns bytes by base name, all of `wanted`
 * @throws {DataError} when the archive is damaged, cut short or lacks a wanted file; {FileError} when it cannot be read.
 */
export async function readTarGz(path: string, wanted: readonly string[]): Promise<Map<string, Uint8Array>> {
  checkRegular('read', path);
  const found = new Map<string, Uint8Array>();
  const others: string[] = [];
  const gunzip = createGunzip({ chunkSize: CHUNK });
  // `pipeline` hands errors on to gunzip, and the loop below meets them there; its callback has nothing to add.
  pipeline(createReadStream(path, { highWaterMark: CHUNK }), gunzip, () => {});
  try {
    const entries = Readable.toWeb(gunzip).pipeThrough(createTarDecoder({ strict: true }));
    for await (const { header, body } of entries) {
      const name = header.name.slice(header.name.lastIndexOf('/') + 1);
      if (header.type !== 'directory') others.push(header.name);
      const bytes = wanted.includes(name) ? new Uint8Array(header.size) : null;
      let at = 0;
      // Bodies that are not wanted are read too: modern-tar 0.8.6 loses the entry after a body that is cancelled late.
      for await (const chunk of body) {
        bytes?.set(chunk, at);
        at += chunk.length;
      }
      if (bytes) found.set(name, bytes);
    }
  } catch (error) {
    const { code, message, syscall } = error as NodeJS.ErrnoException;
    if (syscall) throw new FileError(`cannot read ${path}: ${message}`, { cause: error });
    throw new DataError(
      `${path} is damaged or cut short, or is not a .tar.gz archive (${message}${code ? `, ${code}` : ''}); fetch it again`,
      { cause: error },
    );
  }
  const missing = wanted.filter((name) => !found.has(name));
  if (missing.length > 0) {
    const held = others.length > 0 ? others.slice(0, 10).join(', ') : 'no files';
    throw new DataError(`${path} lacks ${missing.join(', ')}; it holds ${held}`);
  }
  return found;
}
