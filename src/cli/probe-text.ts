import type { Finding, Probe } from '../gpu/probe.ts';

/** Describes the results of an adapter's probe, one line per check, and messages of the adapter or its driver. */
export function probeLines(probe: Probe): string[] {
  const { nanInRelu, nanAgainstZero, nanAgainstItself, division, denormals, notes } = probe;
  return [
    subgroupsText(probe),
    `NaN ${TEXTS.nanInRelu[nanInRelu]}; compared with 0 ${COMPARED[nanAgainstZero]}, with itself ${COMPARED[nanAgainstItself]}`,
    `quotients of 32-bit integers ${TEXTS.division[division]}`,
    `numbers below 1.2e-38 ${TEXTS.denormals[denormals]}`,
    ...notes.map((note) => `note: ${note}`),
  ];
}

/** Texts for comparisons of NaN; no kernel relies on them where it matters. */
const COMPARED: Record<Finding, string> = {
  ok: 'as IEEE 754 says',
  wrong: 'wrongly, which kernels avoid',
  unknown: 'not checked',
};

const TEXTS = {
  nanInRelu: { ok: 'stays NaN in a ReLU', wrong: 'gets lost in a ReLU', unknown: 'in a ReLU was not checked' },
  division: { ok: 'are right', wrong: 'are WRONG', unknown: 'were not checked' },
  denormals: { kept: 'are calculated with', flushed: 'count as 0', unknown: 'were not checked' },
} satisfies { [K in keyof Probe]?: Record<string, string> };

function subgroupsText({ lanes, shuffles }: Probe): string {
  if (lanes === 'unused') return 'no subgroups of eight lanes or more, so that kernels with subgroups are not used';
  if (lanes === 'unknown' || shuffles === 'unknown') {
    return 'subgroups could not be checked, so that kernels with subgroups are switched off';
  }
  if (lanes === 'ok' && shuffles === 'ok') return 'subgroups number their lanes and pass values as kernels need it';
  const problem = lanes === 'ok' ? 'pass wrong values' : 'number their lanes in another order than kernels need';
  return `subgroups ${problem}, so that kernels with subgroups are switched off`;
}

/** Returns advice about the results, one step per line; empty if all is well. */
export function probeAdvice({ lanes, shuffles, nanInRelu, division }: Probe): string[] {
  const advice: string[] = [];
  if ([lanes, shuffles].some((finding) => finding === 'wrong' || finding === 'unknown')) {
    advice.push('Nothing to worry about: kernels with subgroups are switched off here, and others take their place.');
  }
  if (nanInRelu === 'wrong') {
    advice.push(
      'NaN gets lost in a ReLU here: a training that diverged may show a loss that looks healthy. Watch that the loss falls.',
    );
  }
  if (division === 'wrong') {
    advice.push('Whole numbers are divided wrongly here: results may be wrong. Update the driver of the GPU.');
  }
  return advice;
}
