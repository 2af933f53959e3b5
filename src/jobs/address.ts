import { formatValue } from '../base/check.ts';
import { ArgumentError } from '../base/errors.ts';
import { toPrintableLine } from '../base/printable.ts';

/** The environment variable with the password, if the address has none. */
export const PASSWORD_VARIABLE = 'TILEGRAD_REDIS_PASSWORD';

/** The server of a queue: plain data, so that it can be sent to a worker thread. */
export interface Address {
  host: string;
  port: number;
  db: number;
  username?: string;
  password?: string;
  /** TLS (`rediss://`); the certificate must be valid for the host. */
  tls?: { servername?: string };
  /** The address without user and password, for messages. */
  text: string;
}

/**
 * Parses `redis://[user:password@]host[:port][/database]`, or `rediss://` for TLS.
 * @param env environment with TILEGRAD_REDIS_PASSWORD, used if the address has no password
 * @throws ArgumentError for any other text; the message never holds a password
 */
export function parseAddress(url: string, env: Record<string, string | undefined> = process.env): Address {
  const usage = 'give it as redis://HOST, redis://HOST:PORT/DATABASE, or rediss://... for TLS';
  if (typeof url !== 'string') {
    throw new ArgumentError(`queue: the address must be text, but is ${formatValue(url)}; ${usage}`);
  }
  const parsed = URL.canParse(url) ? new URL(url) : null;
  const database = /^\/?(\d{0,5})$/.exec(parsed?.pathname ?? 'x');
  const isRedis = parsed?.protocol === 'redis:' || parsed?.protocol === 'rediss:';
  if (!parsed || !isRedis || parsed.hostname === '' || !database || parsed.search !== '' || parsed.hash !== '') {
    throw new ArgumentError(`queue: "${withoutPassword(url)}" is not an address of a queue; ${usage}`);
  }
  const hostname = parsed.hostname.replace(/^\[(.*)\]$/, '$1'); // IPv6
  const port = parsed.port === '' ? 6379 : Number(parsed.port);
  const db = Number(database[1] ?? '');
  const password = decodePart(parsed.password) || env[PASSWORD_VARIABLE] || undefined;
  const username = decodePart(parsed.username) || undefined;
  return {
    ...{ host: hostname, port, db },
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    ...(parsed.protocol === 'rediss:' ? { tls: { servername: hostname } } : {}),
    text: toPrintableLine(`${parsed.protocol}//${parsed.hostname}:${port}${db === 0 ? '' : `/${db}`}`),
  };
}

function decodePart(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Returns an address, which may be invalid, without the part before its last @. */
const withoutPassword = (url: string) => toPrintableLine(url.replace(/^([a-z]+:\/\/)?.*@/is, '$1')).slice(0, 100);
