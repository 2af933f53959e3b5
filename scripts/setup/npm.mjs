// Runs npm for the set-up.
import { spawnSync } from 'node:child_process';
import { basename } from 'node:path';
import { SetupError } from './messages.mjs';

/**
 * Installs what the lock file of a folder says.
 * @param {string} folder
 * @param {string} [options] more options of `npm ci`
 * @throws SetupError with what npm said
 */
export function npmCi(folder, options = '') {
  const command = `ci ${options} --prefer-offline --no-audit --no-fund --loglevel=error`;
  const running = { cwd: folder, encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'], maxBuffer: 1 << 26 };
  // Under npm, the npm that runs this; else the one on the path, which is npm.cmd on Windows and needs a shell there.
  const npm = process.env.npm_execpath ?? '';
  const child =
    basename(npm) === 'npm-cli.js'
      ? spawnSync(process.execPath, [npm, ...command.split(/\s+/)], running)
      : spawnSync(`npm ${command}`, { ...running, shell: true });
  if (child.status === 0) return;

  // Without npm's page of usage, which hides the two lines that matter.
  const log = (child.error?.message ?? child.stderr).split(/^npm error Clean install a project$/m)[0].trim();
  const offline = /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|FETCH_ERROR)\b/.test(log);
  throw new SetupError(
    `npm ci failed (${child.signal ?? `exit status ${child.status}`}):\n${log.replace(/^/gm, '  ')}\n${
      offline
        ? 'The npm registry cannot be reached: connect to the network (behind a proxy: npm config set proxy URL), then run this again.'
        : 'Correct what npm says above, then run this again.'
    }`,
  );
}
