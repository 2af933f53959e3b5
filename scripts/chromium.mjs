// Headless Chromium with WebGPU, for tests, pictures and benchmarks. It must be installed; nothing is downloaded.
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';

/** Message if none is found. */
export const NO_CHROMIUM =
  'there is no Chromium on this machine (Debian: apt-get install chromium; elsewhere set CHROMIUM to the path of one)';

/**
 * Returns the path of an installed Chromium or Chrome: $CHROMIUM, else one in the usual places; null if there is none.
 * @throws Error if $CHROMIUM is not a file
 */
export function findChromium(env = process.env, exists = existsSync) {
  if (env.CHROMIUM) {
    if (exists(env.CHROMIUM)) return env.CHROMIUM;
    throw new Error(`CHROMIUM is ${env.CHROMIUM}, but there is no such file`);
  }
  const folders = [...(env.PATH ?? '').split(delimiter).filter((folder) => folder !== ''), '/usr/bin', '/snap/bin'];
  const paths = folders.flatMap((folder) => NAMES.map((name) => join(folder, name)));
  return [...paths, MAC].find((path) => exists(path)) ?? null;
}

/** Flags for WebGPU on SwiftShader, the software adapter that Chromium includes: the same on every machine. */
export const SWIFTSHADER = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];

/**
 * Launches Chromium without a window.
 * @param {string[]} flags
 * @throws Error if no Chromium is installed
 */
export function launchChromium(flags = SWIFTSHADER) {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(NO_CHROMIUM);
  return chromium.launch({ executablePath, args: flags });
}
