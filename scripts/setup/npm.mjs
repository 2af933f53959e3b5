// Runs npm for the set-up.
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { SetupError } from './messages.mjs';

/**
 * Installs the packages of a folder's lock file.
 * @param {string} folder
 * @param {string} [options] more options of `npm ci`
 * @throws SetupError with npm's output
 */
export function npmCi(folder, options = '') {
  const command = `ci ${options} --prefer-offline --no-audit --no-fund --loglevel=error`;
  const spawnOptions = { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 26 };
  // If npm runs this script, that npm; else the one on the path, which is npm.cmd on Windows and needs a shell there.
  const npm = process.env.npm_execpath ?? '';
  const child =
    basename(npm) === 'npm-cli.js'
      ? spawnSync(process.execPath, [npm, ...command.split(/\s+/)], spawnOptions)
      : spawnSync(`npm ${command}`, { ...spawnOptions, shell: true });
  if (child.status === 0) return;

  // Without npm's usage text, which hides the two relevant lines.
  const log = (child.error?.message ?? child.stderr).split(/^npm error Clean install a project$/m)[0].trim();
  const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|FETCH_ERROR)\b/.test(log);
  throw new SetupError(
    `npm ci failed (${child.signal ?? `exit status ${child.status}`}):\n${log.replace(/^/gm, '  ')}\n${
      offline
        ? 'The npm registry cannot be reached: connect to the network (behind a proxy: npm config set proxy URL), then run this again.'
        : 'Fix the problem that npm reports above, then run this again.'
    }`,
  );
}
