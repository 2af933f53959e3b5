import { describe, expect, test } from 'vitest';
import type { Network } from '../../src/cli/experiment.ts';
import type { NotTuned, SessionOptions, Tuned } from '../../src/tuner/session.ts';
import { FakeIo, fakeModules, fakeTuned, lenetOf, tilegrad } from './fakes.ts';

describe('tune', () => {
  test('measures what the experiments need, prints progress and a table, and where the result is stored', async () => {
    const { code, out, err, log } = await tilegrad(['tune', 'A1', '--batch', '32', '--budget', '2.5']);
    expect(code).toBe(0);
    expect(log.tunings).toEqual([{ problems: 1, seconds: 2.5 }]);
    expect(err).toContain('[1/2] matmul [8,4] [4,2] -> [8,2]: subgroup\n[2/2] conv2d');
    expect(out).toContain('llvmpipe (fake)');
    expect(out).toMatch(/matmul +│ \[8,4\] \[4,2\] -> \[8,2\] │ subgroup │ naive 3\.000 +│ +2\.00x/);
    expect(out).toContain('subgroup 1.500');
    expect(out).toContain('workgroup rejected: element 0 is NaN instead of 1');
    expect(out).toContain('Saved in /cache/tuning.json');
    expect(log.disposed).toEqual(['model 1', 'device']);
  });

  test.each([[['tune']], [['tune', '--all']], [['tune', 'lenet']], [['tune', 'LeNet', 'a1']]])(
    '%s selects experiment A1',
    async (words) => {
      const { code, log } = await tilegrad(words);
      expect({ code, tunings: log.tunings }).toEqual({ code: 0, tunings: [{ problems: 1, seconds: undefined }] });
    },
  );

  test('an experiment without a network throws UsageError', async () => {
    const experiments = (network: Network) => [lenetOf(network, { networks: [] })];
    const { code, err, log } = await tilegrad(['tune', 'A1'], { experiments });
    expect({ code, opened: log.opened }).toEqual({ code: 2, opened: 0 });
    expect(err).toContain('A1 trains the network of another experiment');
  });

  test('an unknown name throws UsageError before a device is opened', async () => {
    const { code, err, log } = await tilegrad(['tune', 'B7']);
    expect(code).toBe(2);
    expect(err).toContain('unknown experiment "B7". There are: A1, lenet.');
    expect(log.opened).toBe(0);
  });

  test('--json prints one document on stdout', async () => {
    const { out } = await tilegrad(['tune', '--json']);
    const { file, results } = JSON.parse(out);
    expect(file).toBe('/cache/tuning.json');
    expect(results[1]).toEqual({ ...fakeTuned, operator: 'conv2d', sizes: {} });
  });

  const refused: NotTuned = {
    ...{ operator: 'conv2d', sizes: {}, key: 'conv2d', shapes: '[2] -> [2]', reason: 'shader conv2d.wgsl: refused' },
  };
  /** An engine with two problems, of which the adapter refuses the second, or both. */
  const refusing = (tuned: Tuned[]) => async () => ({
    ...(await fakeModules().modules.engine()),
    async tune(_device: unknown, _problems: unknown, { onTuned, onFailed }: SessionOptions) {
      for (const one of tuned) onTuned?.(one, { done: 1, total: 2 });
      onFailed?.(refused);
      return tuned;
    },
  });

  test('a problem whose reference the adapter refuses is reported, and the others are saved', async () => {
    const modules = { engine: refusing([fakeTuned]) };
    const { code, out, err } = await tilegrad(['tune', 'A1'], { modules });
    expect(code).toBe(0);
    expect(out).toContain('Saved in /cache/tuning.json');
    expect(err).toContain(
      'Note: conv2d [2] -> [2] was not measured; its kernel is still selected by rule: shader conv2d.wgsl: refused',
    );
    const { out: text } = await tilegrad(['tune', 'A1', '--json'], { modules });
    expect(JSON.parse(text)).toMatchObject({ results: [fakeTuned], failed: [refused] });
  });

  test('exits with 1 if the adapter refuses all problems', async () => {
    const { code, out, err } = await tilegrad(['tune', 'A1'], { modules: { engine: refusing([]) } });
    expect(code).toBe(1);
    expect(err).toContain('the adapter refused the reference kernels of all problems');
    expect(out).not.toContain('nothing to select');
  });

  test.each([
    [[], 'There was nothing to select: each operator has one kernel here.'],
    [['--budget', '1e-9'], 'Nothing was measured in 1e-9 s: give a larger --budget'],
  ])('with %j and nothing measured it prints the reason', async (words, says) => {
    const engine = async () => ({ ...(await fakeModules().modules.engine()), tune: async () => [] });
    const { code, out } = await tilegrad(['tune', 'A1', ...words], { modules: { engine } });
    expect(code).toBe(0);
    expect(out).toContain(says);
    expect(out).not.toContain('Saved in');
  });

  test('Ctrl-C saves what was measured and exits with 1', async () => {
    const io = new FakeIo();
    const { code, out, err, log } = await tilegrad(['tune'], { io, duringTuning: () => io.pressCtrlC() });
    expect(code).toBe(1);
    expect(err).toContain('press Ctrl-C again');
    expect(err).toContain('interrupted; 1 measurements are saved in /cache/tuning.json');
    expect(out).toContain('subgroup 1.500');
    expect(log.disposed.at(-1)).toBe('device');
    expect(io.handlers.size).toBe(0);
    const again = new FakeIo();
    const words = ['tune', '--json'];
    const { out: text } = await tilegrad(words, { io: again, duringTuning: () => again.pressCtrlC() });
    expect(JSON.parse(text).error.code).toBe('ABORTED');
  });
});
