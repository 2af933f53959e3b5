import { readFileSync } from 'node:fs';
import { engines } from '../../package.json';
import { nodeProblem } from '../../scripts/setup/node-version.mjs';
import { AdapterError, TilegradError } from '../base/errors.ts';
import { installLine } from '../base/import-package.ts';
import type { AdapterInfo } from '../gpu/info.ts';
import type { Probe } from '../gpu/probe.ts';
import { adapterText, duration, tuningText } from '../report/format.ts';
import type { EpochLogs } from '../training/callbacks/logs.ts';
import type { Tuning } from '../tuner/load.ts';
import { adapterAdvice, type Machine } from './advice.ts';
import { dawnWarningsText } from './dawn-warnings.ts';
import type { EngineDevice, EngineTuner } from './engine.ts';
import { type Io, writeJson, writeLine } from './io.ts';
import { probeAdvice, probeLines } from './probe-text.ts';
import { describeError } from './report-error.ts';
import { runtimeGpu, runtimeName } from './runtime.ts';
import { type Versions, versions } from './versions.ts';

/** The part of the engine that the doctor uses. */
export interface DoctorEngine extends Pick<EngineTuner, 'loadTuning'> {
  openDevice(): Promise<EngineDevice>;
  /** Trains a small convolutional network; an epoch is one step. */
  trainSmallNetwork(device: EngineDevice): Promise<EpochLogs[]>;
}

export interface Check {
  name: 'node' | 'webgpu' | 'adapter' | 'training';
  ok: boolean;
  detail: string;
}

/** The output of `tilegrad doctor --json`. */
export interface Diagnosis {
  ok: boolean;
  checks: Check[];
  versions: Versions;
  adapter: AdapterInfo | null;
  /** Results of the adapter's probe. */
  probe: Probe | null;
  /** Number of kernels that were measured on this adapter, and the path of the file. */
  tuning: Omit<Tuning, 'hash' | 'choices'> | null;
  /** The first step compiles the kernels; `stepSeconds` is the median of the others. */
  training: { losses: (number | null)[]; compileSeconds: number; stepSeconds: number } | null;
  advice: string[];
}

/** Judges a short training: its losses must be finite and must have decreased. */
export function judgeTraining(epochs: EpochLogs[]): { check: Check; training: NonNullable<Diagnosis['training']> } {
  const losses = epochs.map((logs) => logs.loss);
  const later = epochs.slice(1).map((logs) => logs.seconds);
  const stepSeconds = later.sort((a, b) => a - b)[Math.floor(later.length / 2)] ?? Number.NaN;
  const compileSeconds = Math.max(0, (epochs[0]?.seconds ?? Number.NaN) - stepSeconds);
  const [first, last] = [losses[0] ?? Number.NaN, losses.at(-1) ?? Number.NaN];
  const areFinite = losses.length > 1 && losses.every(Number.isFinite);
  const ok = areFinite && last < first;
  const lossText = `the loss went from ${first.toFixed(4)} to ${last.toFixed(4)} in ${losses.length} steps`;
  const detail = ok
    ? lossText
    : areFinite
      ? `${lossText}: it should have decreased`
      : `${lossText}: it should be a finite number`;
  return { check: { name: 'training', ok, detail }, training: { losses, compileSeconds, stepSeconds } };
}

/** Checks everything that training needs, and ends with a real training. Never throws. */
export async function diagnose(loadEngine: () => Promise<DoctorEngine>, machine: Machine): Promise<Diagnosis> {
  const found = versions();
  const diagnosis: Diagnosis = {
    ok: false,
    checks: [],
    versions: found,
    adapter: null,
    probe: null,
    tuning: null,
    training: null,
    advice: [],
  };
  const { checks, advice } = diagnosis;
  const problem = nodeProblem(found.node, engines.node);
  const runtime = runtimeName();
  const node = `Node ${found.node}`;
  checks.push({
    name: 'node',
    ok: problem === null,
    detail: problem ?? (runtime === node ? node : `${runtime}, as ${node}`),
  });
  const hasWebgpu = found.webgpu !== '';
  const webgpu = runtimeGpu() === undefined ? `webgpu ${found.webgpu} (Dawn)` : `navigator.gpu of ${found.webgpu}`;
  checks.push({ name: 'webgpu', ok: hasWebgpu, detail: hasWebgpu ? webgpu : 'the npm package webgpu is missing' });
  if (!hasWebgpu) advice.push(`Run \`${installLine(['webgpu'])}\`.`);

  let device: EngineDevice | undefined;
  try {
    const engine = await loadEngine();
    device = await engine.openDevice();
    diagnosis.adapter = device.info;
    diagnosis.probe = device.probe;
    advice.push(...probeAdvice(device.probe));
    checks.push({ name: 'adapter', ok: true, detail: adapterText(device.info) });
    const warningsText = dawnWarningsText(device.info);
    if (warningsText) advice.push(`Nothing to worry about: ${warningsText}`);
    const {
      hash: _,
      choices: __,
      ...tuning
    } = await engine.loadTuning(device, (message) => advice.push(`Nothing to worry about: ${message}`));
    diagnosis.tuning = tuning;
    const { check, training } = judgeTraining(await engine.trainSmallNetwork(device));
    checks.push(check);
    diagnosis.training = training;
    if (!check.ok) advice.push(BROKEN_DRIVER_ADVICE);
  } catch (error) {
    const name = device === undefined ? 'adapter' : 'training';
    checks.push({ name, ok: false, detail: describeError(error).message });
    if (error instanceof AdapterError) advice.push(...adapterAdvice(machine));
    else if (name === 'training') advice.push(BROKEN_DRIVER_ADVICE);
    else if (!(error instanceof TilegradError)) {
      advice.push(`Run \`${installLine(['webgpu'])}\` again: the package webgpu did not load.`);
    }
  } finally {
    device?.dispose();
  }
  diagnosis.ok = checks.every((check) => check.ok);
  return diagnosis;
}

const BROKEN_DRIVER_ADVICE =
  'The adapter was found but does not train. Update its driver; if that does not help, report the output of `npx tilegrad doctor --json`.';

/** `tilegrad doctor`. @returns the exit code: 0 if a real training works on this machine, else 1 */
export async function doctor(
  options: { json?: boolean },
  io: Io,
  loadEngine: () => Promise<DoctorEngine>,
): Promise<number> {
  const diagnosis = await diagnose(loadEngine, thisMachine());
  if (options.json) writeJson(io.stdout, diagnosis);
  else writeLine(io.stdout, diagnosisText(diagnosis));
  return diagnosis.ok ? 0 : 1;
}

/** Limits that decide which arrays and kernels the adapter supports; the others concern drawing. */
const COMPUTE_LIMITS = /^max(Compute|BufferSize|StorageBufferBindingSize|StorageBuffersPerShaderStage)/;

/** Returns the diagnosis as text. */
export function diagnosisText(diagnosis: Diagnosis): string {
  const { ok, checks, versions: found, adapter, probe, tuning, training, advice } = diagnosis;
  const rows = checks.map((check) => `${check.ok ? 'ok     ' : 'FAILED '} ${check.name.padEnd(9)} ${check.detail}`);
  const lines = [`tilegrad ${found.tilegrad} on ${found.platform}`, '', ...rows];
  if (adapter !== null) {
    lines.push(
      '',
      `adapter    ${adapter.name}`,
      `vendor     ${adapter.vendor || 'not stated'}${adapter.architecture ? `, ${adapter.architecture}` : ''}`,
      `driver     ${adapter.driver || 'not stated'}`,
      `software   ${adapter.isSoftware ? 'yes: the kernels run on the CPU, and times are those of the CPU' : 'no'}`,
      ...(probe ? probeLines(probe).map((text, i) => (i === 0 ? 'probe' : '').padEnd(11) + text) : []),
      ...(tuning ? [`kernels    ${tuningText(tuning)}`] : []),
      `features   ${adapter.features.join(', ') || 'none'}`,
      'limits     (of compute; --json has all)',
      ...Object.entries(adapter.limits)
        .filter(([name]) => COMPUTE_LIMITS.test(name))
        .map(([name, value]) => `  ${name.padEnd(36)} ${value}`),
    );
  }
  if (training !== null) {
    lines.push(
      '',
      `compiling the kernels ${duration(training.compileSeconds)}, then ${duration(training.stepSeconds)} a training step`,
    );
  }
  lines.push(
    '',
    ok ? 'This machine can train.' : 'This machine cannot train yet:',
    ...advice.map((step) => `  - ${step}`),
  );
  return lines.join('\n');
}

function thisMachine(): Machine {
  try {
    return { platform: process.platform, osRelease: readFileSync('/etc/os-release', 'utf8') };
  } catch {
    return { platform: process.platform, osRelease: '' };
  }
}
