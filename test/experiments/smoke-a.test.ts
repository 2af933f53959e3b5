import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RunRecord } from '../../src/report/run-record.ts';
import { readEvents } from '../io/event-reader.ts';
import { describeOnDevice } from '../support/device.ts';
import { testCoursework, tilegrad } from './smoke.ts';

/** The events in the files of a folder, without times. */
function eventsIn(folder: string): { step: number; tag: string; numbers: number[] }[] {
  return ['train', 'validation'].flatMap((part) =>
    readdirSync(join(folder, part)).flatMap((name) =>
      readEvents(readFileSync(join(folder, part, name))).flatMap(({ step, values }) =>
        values
          .filter(({ tag }) => !/seconds|samples_per_second/.test(tag))
          .map(({ tag, numbers }) => ({ step, tag, numbers })),
      ),
    ),
  );
}

testCoursework('A');

describeOnDevice('on an adapter', () => {
  test("TensorBoard's files of each of two replicas are those of a single training", async () => {
    const logFolder = async (...options: string[]) => {
      const { code, out } = await tilegrad('run', 'A1', '--scale', 'smoke', '--json', ...options);
      expect(code).toBe(0);
      return join((JSON.parse(out) as { folder: string }).folder, 'logs');
    };
    const both = await logFolder('--seed', '1', '--replicas', '2');
    const second = await logFolder('--seed', '2', '--replicas', '1');
    expect(readdirSync(both).sort()).toEqual(['baseline-seed-1', 'baseline-seed-2']);
    const found = eventsIn(join(both, 'baseline-seed-2'));
    expect(found).toEqual(eventsIn(join(second, 'baseline')));
    expect(found).not.toEqual(eventsIn(join(both, 'baseline-seed-1')));
    const tags = found.map(({ tag }) => tag);
    expect(tags.filter((tag) => tag.endsWith('/histogram'))).toHaveLength(10);
    expect(tags).toEqual(expect.arrayContaining(['epoch_accuracy', 'epoch_loss', 'conv2d/kernel/histogram']));
  });

  test('an experiment runs alone', async () => {
    const { code, out } = await tilegrad('run', 'A4', '--scale', 'smoke', '--json');
    expect(code).toBe(0);
    const { rows, trainings } = JSON.parse(out) as RunRecord;
    expect(rows.map(({ id, status }) => [id, status])).toEqual([['A4', 'finished']]);
    expect(trainings[0]!.model.parameters).toBe(2872);
  });
});
