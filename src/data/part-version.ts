import { readFile, rm } from 'node:fs/promises';
import { writeFileAtomic } from '../base/atomic-file.ts';

// Which version of a file the first bytes of a download are of: the server's name for it ("ETag", RFC 9110, 8.8.3) in `PART.etag`. Else
// a file that its publisher replaced meanwhile would be completed to half of each, which no checksum tells where none is published.

const etagPath = (part: string) => `${part}.etag`;

/** As a server names a version in `headers`; null for one that says nothing, or only that versions are much alike ("weak"). */
const etagOf = (headers: Headers): string | null => /^"[\x21\x23-\x7e]*"$/.exec(headers.get('etag') ?? '')?.[0] ?? null;

/** What a request for the rest of a part says: the rest of this version, or all of another. */
export async function resumeHeaders(part: string, start: number): Promise<Record<string, string>> {
  if (start === 0) return {};
  const etag = await readFile(etagPath(part), 'utf8').catch(() => '');
  return { range: `bytes=${start}-`, ...(etag && { 'if-range': etag }) };
}

/** Whether a response brings bytes of another version than a part is of, as far as both are known. */
export async function isOtherVersion(part: string, { headers }: Response): Promise<boolean> {
  const [known, sent] = [await readFile(etagPath(part), 'utf8').catch(() => ''), etagOf(headers)];
  return known !== '' && sent !== null && known !== sent;
}

/** Notes which version a part that begins with this response will be of. */
export async function storeVersion(part: string, { headers }: Response): Promise<void> {
  const etag = etagOf(headers);
  if (etag) writeFileAtomic(etagPath(part), etag);
  else await removeVersion(part);
}

export const removeVersion = (part: string): Promise<void> => rm(etagPath(part), { force: true });

/** Removes a part. */
export async function removePart(part: string): Promise<void> {
  await rm(part, { force: true });
  await removeVersion(part);
}
