// Looks for an adapter. If there is none, installs a driver as planned by driver-plan.mjs.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { planDriverInstall } from './driver-plan.mjs';
import { SetupError, say } from './messages.mjs';

const PROBE = fileURLToPath(new URL('probe.mjs', import.meta.url));
// A slow machine needs about a second, so only a driver that hangs takes this long.
const PROBE_TIMEOUT_MS = 120_000;

/** Returns the name of an adapter that computes correctly. Installs a driver first if there is no adapter. @throws SetupError */
export function ensureAdapter() {
  const first = runProbe();
  if (first.ok) return first.adapter;
  // A driver does not help if there is an adapter that fails, or if Dawn itself cannot be loaded.
  if (first.stage !== 'adapter') throw new SetupError(describeFailure(first));

  const workDir = mkdtempSync(join(tmpdir(), 'tilegrad-setup-'));
  try {
    const plan = planDriverInstall(describeMachine(workDir));
    if (!plan.canRun)
      throw new SetupError([describeFailure(first), plan.explanation, ...askToRun(plan.commands)].join('\n'));
    say(`no WebGPU adapter found, so a Vulkan driver is installed (as root). ${plan.explanation}`);
    install(plan, workDir);
  } finally {
    rmSync(workDir, { recursive: true, force: true });
  }

  const second = runProbe();
  if (second.ok) return second.adapter;
  throw new SetupError(`The driver was installed, but still: ${describeFailure(second)}`);
}

function runProbe() {
  const child = spawnSync(process.execPath, [PROBE], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: PROBE_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  const log = child.stderr.trim();
  try {
    return { ...JSON.parse(child.stdout), log };
  } catch {
    const error =
      child.error?.code === 'ETIMEDOUT'
        ? `it did not end within ${PROBE_TIMEOUT_MS / 1000} s`
        : `it ended without a result (${child.signal ?? `exit status ${child.status}`})`;
    return { ok: false, stage: 'crash', error, log };
  }
}

function describeFailure({ stage, error, log }) {
  const what = {
    load: 'Dawn (npm package webgpu) cannot be loaded; it has binaries for Windows, macOS and Linux with glibc 2.34 or newer, on x64 and arm64',
    adapter: 'no WebGPU adapter found',
    kernel: 'an adapter was found, but a small test kernel fails on it; its driver is broken or too old',
    crash: 'looking for a WebGPU adapter failed; the driver may be broken',
  }[stage];
  return `${what}: ${error}${log ? `\nDawn and the driver printed:\n${log.replace(/^/gm, '  ')}` : ''}`;
}

function askToRun(commands) {
  if (commands.length === 0) return [];
  return ['Please run', ...commands.map((command) => `  ${command}`), 'and then run this again.'];
}

function describeMachine(workDir) {
  const parts = '/etc/apt/sources.list.d';
  const names = existsSync(parts)
    ? readdirSync(parts)
        .filter((name) => /\.(list|sources)$/.test(name))
        .sort()
    : [];
  return {
    platform: process.platform,
    osRelease: readIfExists('/etc/os-release') || readIfExists('/usr/lib/os-release'),
    isRoot: process.getuid?.() === 0,
    aptSources: ['/etc/apt/sources.list', ...names.map((name) => `${parts}/${name}`)].map((path) => ({
      path,
      text: readIfExists(path),
    })),
    workDir,
  };
}

function install(plan, workDir) {
  if (plan.temporarySources) {
    // apt downloads as the user _apt, who needs access.
    chmodSync(workDir, 0o755);
    for (const folder of ['lists', 'cache']) mkdirSync(join(workDir, 'apt', folder), { recursive: true });
    writeFileSync(join(workDir, 'apt', 'sources.list'), plan.temporarySources);
  }
  let log = '';
  let failed = false;
  for (const command of plan.commands) {
    say(`running: ${command}`);
    const child = spawnSync('sh', ['-c', `${command} 2>&1`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 1 << 26,
      env: {
        ...process.env,
        DEBIAN_FRONTEND: 'noninteractive',
        // dpkg requires these folders, and `su` without a dash omits them.
        PATH: `${process.env.PATH}:/usr/local/sbin:/usr/sbin:/sbin`,
      },
    });
    log += `${command}\n${child.stdout}`;
    // Only the last command counts: `apt-get update` fails for any broken source, even if it is unrelated to Mesa.
    failed = child.status !== 0;
  }
  if (failed) {
    throw new SetupError(
      `Installing the driver failed:\n${log.trimEnd().replace(/^/gm, '  ')}\nFix the problem that apt reports above, then run this again.`,
    );
  }
}

function readIfExists(path) {
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}
