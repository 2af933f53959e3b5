import { readFile, rm } from 'node:fs/promises';
import { writeFileAtomic } from '../base/atomic-file.ts';

// `PART.etag` holds the version of the file whose first bytes are in `PART`: the server's ETag (RFC 9110, 8.8.3). Without it, if the
// publisher replaced the file meanwhile, a resumed download would mix both versions, and without a published checksum nothing shows it.

const etagPath = (part: string) => `${part}.etag`;

/** The strong ETag in `headers`; null without one. Weak ETags are ignored: they do not mean equal bytes. */
const etagOf = (headers: Headers): string | null => /^"[\x21\x23-\x7e]*"$/.exec(headers.get('etag') ?? '')?.[0] ?? null;

/** Request headers for the rest of a part: the rest of the same version, or all of another. */
export async function resumeHeaders(part: string, start: number): Promise<Record<string, string>> {
  if (start === 0) return {};
  const etag = await readFile(etagPath(part), 'utf8').catch(() => '');
  return { range: `bytes=${start}-`, ...(etag && { 'if-range': etag }) };
}

/** Whether the versions of a response and a part are known and differ. */
export async function isOtherVersion(part: string, { headers }: Response): Promise<boolean> {
  const [known, sent] = [await readFile(etagPath(part), 'utf8').catch(() => ''), etagOf(headers)];
  return known !== '' && sent !== null && known !== sent;
}

/** Stores the version of a part that begins with this response. */
export async function storeVersion(part: string, { headers }: Response): Promise<void> {
  const etag = etagOf(headers);
  if (etag) writeFileAtomic(etagPath(part), etag);
  else await removeVersion(part);
}

export const removeVersion = (part: string): Promise<void> => rm(etagPath(part), { force: true });

/** Removes a part and its version. */
export async function removePart(part: string): Promise<void> {
  await rm(part, { force: true });
  await removeVersion(part);
}
